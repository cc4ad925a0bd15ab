"""Shared parts of trainable decoders: adapters, and the reference model for alignment."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor, nn

from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.request import Generation, Sampling
from lmworks.model.decoder import Decoder
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.arithmetic.losses import OutputGradient, softmax_gradient_in_slices
from lmworks.train.contract import Trainable
from lmworks.train.families.adapters import Adapters

if TYPE_CHECKING:
    from lmworks.model.published import PublishedDecoder

AnyDecoder = TypeVar("AnyDecoder", Decoder, "PublishedDecoder")


class WithReference(Trainable, Generic[AnyDecoder]):
    """A decoder that can also compute with the weights it had before training."""

    decoder: AnyDecoder
    beginning: AnyDecoder
    """Frozen copy of the decoder. There is none with adapters, because they can be switched off."""

    def __init__(
        self,
        decoder: AnyDecoder,
        network: nn.Module,
        end_of_text: int,
        output_gradient: OutputGradient = softmax_gradient_in_slices,
    ) -> None:
        super().__init__(output_gradient)
        self.decoder, self.end_of_text = decoder, end_of_text
        self.module = self.network = network
        self.adapters: Adapters | None = None

    @abstractmethod
    def engine(self, tokenizer: Tokenizer) -> DecoderEngine:
        """Return an engine that generates with the current weights, without copying them."""

    def answer(self, tokenizer: Tokenizer, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[Generation]:
        return self.engine(tokenizer).generate(prompts, Sampling(max_tokens=max_tokens))

    @property
    def output_weight(self) -> Tensor:
        return self.decoder.output_weight

    @property
    def blocks(self) -> nn.ModuleList:
        return self.decoder.blocks

    def training_flops_per_token(self, sequence_length: int) -> float:
        return self.decoder.config.training_flops_per_token(sequence_length)

    def keep_beginning(self) -> None:
        """Keep a copy of the current weights as the reference, unless there are adapters."""
        if not self.adapters:
            self.beginning = copy.deepcopy(self.decoder)

    @contextmanager
    def reference(self) -> Iterator[None]:
        """Let the model compute with its initial weights inside the context, without dropout and gradients."""
        learned, learning, network = self.decoder, self.network.training, self.network
        if self.adapters:
            self.adapters.switch(on=False)
        else:
            self.decoder = self.beginning
            network = self.decoder if isinstance(self.decoder, nn.Module) else self.decoder.module
            network.to(next(self.network.parameters()).device)
        network.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.decoder = learned
            self.network.train(learning)
            if self.adapters:
                self.adapters.switch(on=True)
