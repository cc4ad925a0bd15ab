"""Engines of models that learn in seconds. They compute on the processor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lmworks.engines.protocol import Ability, Classified, Engine, LongSamples, Rewriter, Tagged, WholeBatch
from lmworks.engines.request import Generation, Sampling
from lmworks.model.baselines.bag_of_words import BagOfWords
from lmworks.model.baselines.dictionary import Dictionary
from lmworks.model.baselines.writer import load_writer
from lmworks.model.device import CPU
from lmworks.pipeline.conditions import COUNTED, Conditions

COMPUTED = Conditions(engine=COUNTED, data_type="float64", device=CPU)


class BaselineEngine(Engine):
    """Reads texts of any length."""

    context_length = sys.maxsize
    computed = COMPUTED

    def batch(self, rows: int) -> WholeBatch:
        return WholeBatch(self, rows)


class BagOfWordsEngine(BaselineEngine):
    """Predicts labels from words."""

    can: frozenset[Ability] = frozenset({"classify"})

    def __init__(self, folder: Path) -> None:
        self.model = BagOfWords.load(folder)

    def classify(self, texts: Sequence[str], long_samples: LongSamples = "truncate") -> list[Classified]:
        found = self.model.probabilities(texts)
        return [Classified(len(text.split()), False, each) for text, each in zip(texts, found, strict=True)]


class DictionaryEngine(BaselineEngine):
    """Finds the phrases that it knows."""

    can: frozenset[Ability] = frozenset({"tag"})

    def __init__(self, folder: Path) -> None:
        self.model = Dictionary.load(folder)

    def tag(self, texts: Sequence[str]) -> list[Tagged]:
        return [Tagged(len(text.split()), False, self.model.spans(text)) for text in texts]


class WriterEngine(Rewriter):
    """Writes as a baseline of a task does. Its tokens are characters."""

    reads_instructions = False
    context_length = 2**18
    longest_token = 1
    vocab_size = sys.maxunicode + 1
    computed = COMPUTED

    def __init__(self, folder: Path) -> None:
        self._write = load_writer(folder)

    def encode_text(self, text: str) -> list[int]:
        return [*map(ord, text)]

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        texts = [self._write("".join(map(chr, prompt))).strip() for prompt in prompts]
        return [Generation((), text, "stop") for text in texts]
