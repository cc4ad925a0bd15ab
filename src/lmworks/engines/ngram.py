"""The engine of a byte n-gram: likelihoods and texts as of a decoder, on the processor. It takes no turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmworks.engines.protocol import Writing
from lmworks.engines.published import ROWS, PublishedEngine
from lmworks.engines.request import Generation, Sampling
from lmworks.model.baselines.ngram import NgramModel
from lmworks.model.device import CPU
from lmworks.pipeline.conditions import COUNTED, Conditions
from lmworks.tokens.tokenizer import open_tokenizer

LONGEST_TEXT = 2**20
"""Bytes of one text: it looks at the last few alone."""


class NgramEngine(PublishedEngine):
    """Counts in place of weights. The id of a byte is one more; 0 begins a text, and stands for bytes of value 0."""

    def __init__(self, folder: Path) -> None:
        self.counts = NgramModel.load(folder)
        self.model: Any = SimpleNamespace(
            compute_type="float64", output_weight=SimpleNamespace(device=torch.device(CPU))
        )
        self.network = Network(self.counts)
        self.tokenizer = open_tokenizer(folder)
        self.vocab_size = self.tokenizer.vocab_size
        self.context_length = LONGEST_TEXT
        self.chats = False

    def conditions(self) -> Conditions:
        return replace(super().conditions(), engine=COUNTED)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        each = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        batch = self.batch(ROWS)
        requests = [batch.add(Writing(prompt, one)) for prompt, one in zip(prompts, each, strict=True)]
        while batch.busy:
            batch.step()
        return [request.generation() for request in requests]

    def log_likelihoods(self, sequences: Sequence[Sequence[int]], first: Sequence[int]) -> list[list[float]]:
        found = (self.counts.each(_bytes(sequence)) for sequence in sequences)
        return [np.log(each[start:]).tolist() for each, start in zip(found, first, strict=True)]


class Network:
    """Answers as a decoder of `transformers` does; what it keeps of a text are its last bytes."""

    def __init__(self, counts: NgramModel) -> None:
        self._counts = counts

    def forward(self, input_ids: Tensor, use_cache: bool, past_key_values: bytes | None) -> Any:
        """[1,T] -> [1,1,257] natural log p of what comes next; nothing ends a text."""
        before = (past_key_values or b"") + _bytes(input_ids[0].tolist())
        likely = np.log(self._counts.next(before))
        logits = torch.tensor([-np.inf, *likely])[None, None]
        return SimpleNamespace(past_key_values=before[-len(self._counts.orders) :], logits=logits)

    __call__ = forward


def _bytes(ids: Sequence[int]) -> bytes:
    return bytes(max(0, number - 1) for number in ids)
