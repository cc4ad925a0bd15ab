"""Decoders of other architectures made ready for training: packed rows in, hidden states out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lmworks.engines.published import PublishedEngine
from lmworks.engines.request import Sampling
from lmworks.model.device import narrow_products
from lmworks.model.published_decoder import PublishedDecoder, save_published_decoder
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.contract import Batch
from lmworks.train.families.adapters import save_adapters
from lmworks.train.families.reference import WithReference


class TrainablePublished(WithReference[PublishedDecoder]):
    """Offers what the trainer and objectives ask of a model."""

    def __init__(self, decoder: PublishedDecoder, *, end_of_text: int, data_type: torch.dtype) -> None:
        super().__init__(decoder, decoder.module, end_of_text)
        self.data_type = data_type

    def hidden(self, batch: Batch) -> Tensor:
        """[B,T,D]. Each segment becomes a row of its own, padded behind: not every architecture can be told segments.

        A row that begins inside a document begins at position 0, as it does for our decoder.
        """
        tokens = batch.inputs
        _, position = batch.segments(self.end_of_text)
        row = (position == 0).flatten().cumsum(0).view_as(tokens) - 1  # [B,T], one number a segment
        alone = tokens.new_full((int(row.max()) + 1, int(position.max()) + 1), self.end_of_text)
        alone[row, position] = tokens
        with narrow_products(tokens.device, self.data_type):
            return self.decoder.hidden(alone)[row, position].to(self.data_type)

    def answer(self, tokenizer: Tokenizer, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[str]:
        """What the model says to prompts, as it is now."""
        answers = PublishedEngine(self.decoder, tokenizer).generate(prompts, Sampling(max_tokens=max_tokens))
        return [answer.text.strip() for answer in answers]

    def save(self, folder: Path, tokenizer_folder: Path) -> None:
        """Write it as a model folder; with adapters merged, and beside it alone."""
        save_adapters(self.adapters, folder)
        save_published_decoder(self.decoder, folder, tokenizer_folder)
