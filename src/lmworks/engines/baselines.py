"""Engines of models that learn in seconds. They compute on the processor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lmworks.engines.decoding.pieces import StopStrings
from lmworks.engines.protocol import (
    Ability,
    Classified,
    Engine,
    LongSamples,
    Rewriter,
    Tagged,
    WholeBatch,
)
from lmworks.engines.request import Generation, Sampling, require_room
from lmworks.model.baselines.bag_of_words import BagOfWords
from lmworks.model.baselines.dictionary import Dictionary
from lmworks.model.baselines.word_table import WordTable
from lmworks.model.device import CPU
from lmworks.pipeline.conditions import COUNTED, Conditions

BYTES = 256
"""Ids of what a word table is asked: the bytes of a text."""
LONGEST_TEXT = 2**20
"""Bytes of one text."""

COMPUTED = Conditions(engine=COUNTED, data_type="float64", device=CPU)


class BaselineEngine(Engine):
    """Reads texts of any length."""

    context_length = sys.maxsize
    computed = COMPUTED

    def batch(self, rows: int) -> WholeBatch:
        return WholeBatch(self, rows)


class BagOfWordsEngine(BaselineEngine):
    """Tells labels by words."""

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


class WordTableEngine(Rewriter):
    """Rewrites a text word by word. Its prompts are the bytes of a text."""

    context_length = LONGEST_TEXT
    reads_instructions = False
    vocab_size = BYTES
    computed = COMPUTED

    def __init__(self, folder: Path) -> None:
        self.model = WordTable.load(folder)

    def encode_text(self, text: str) -> list[int]:
        return list(text.encode())

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        each = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        return [self._generation(prompt, one) for prompt, one in zip(prompts, each, strict=True)]

    def _generation(self, prompt: Sequence[int], sampling: Sampling) -> Generation:
        require_room(prompt, self.context_length)
        words = self.model.translate(bytes(prompt).decode(errors="replace")).split(" ")
        stops = StopStrings(sampling.stop)
        text, is_stopped = stops.add(" ".join(words[: sampling.max_tokens]))
        text += "" if is_stopped else stops.flush()
        is_whole = is_stopped or len(words) <= sampling.max_tokens
        return Generation(list(text.encode()), text, "stop" if is_whole else "length")
