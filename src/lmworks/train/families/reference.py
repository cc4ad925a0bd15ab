"""A model as it was before it was trained: what alignment may not stray far from."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import nn

from lmworks.model.decoder import Decoder
from lmworks.train.families.adapters import Adapters
from lmworks.train.families.prefix import Prefix

if TYPE_CHECKING:
    from lmworks.model.published_decoder import PublishedDecoder

AnyDecoder = TypeVar("AnyDecoder", Decoder, "PublishedDecoder")


class WithReference(Generic[AnyDecoder]):
    """What trainable decoders share: they can be asked as they began."""

    decoder: AnyDecoder
    network: nn.Module
    adapters: Adapters | Prefix | None
    beginning: AnyDecoder
    """A frozen copy of the decoder; with adapters there is none, since they can be switched off."""

    def keep_beginning(self) -> None:
        """Remember the model as it is now."""
        if not self.adapters:
            self.beginning = copy.deepcopy(self.decoder)

    @contextmanager
    def reference(self) -> Iterator[None]:
        """Within, hidden states and the output matrix are those of the beginning, without dropout and gradients."""
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
