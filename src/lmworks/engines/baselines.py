"""Engines of models that learn in seconds. They compute on the processor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lmworks.engines.protocol import Ability, Classified, Engine, LongSamples, Tagged, WholeBatch
from lmworks.model.baselines.bag_of_words import BagOfWords
from lmworks.model.baselines.dictionary import Dictionary
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
