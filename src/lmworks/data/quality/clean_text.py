"""What is known of clean text, and of words wherever they stand.

`clean_text.json` is made by `benchmarks/data/clean_text.py`, which names its sources. Axes: W words, L languages.
"""

from __future__ import annotations

import base64
import functools
import itertools
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.data.quality.word_looks import EDGES, Looks
from lmworks.data.quality.word_order import Classes, Order, size_of
from lmworks.lazy import NDArray, np

BLOCK_CHARACTERS = 2**18
"""Of texts whose words are looked up in one go."""
_MOST_WORDS = 2**17
"""Words that are remembered at a time: some 30 MB."""
_LONGEST_WORD = 40
LEAST_KNOWN = 4
"""Letters of a word that is looked for among the frequent ones: any two or three are one."""

_NUMBER = re.compile(r"[-+(]?[\d.,:/%€$£)'-]*\d[\d.,:/%€$£)'-]*(?:e[-+]?\d+)?|[0-9a-f]*\d[0-9a-f]*")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|#\w{3,}")


@dataclass(frozen=True)
class CleanText:
    """What is known of clean text."""

    triples: NDArray[np.float32]
    """[28 * 28 * 28]: log2 of the probability of a letter after two others, over the languages of the world."""
    functions: Mapping[str, Sequence[str]]
    """By language its most frequent words."""
    order: Mapping[str, Order]
    """By language; "" is that of looks alone, in any language."""
    words: frozenset[str]
    """Other frequent words of at least `LEAST_KNOWN` letters of the languages with an order."""
    misread: Mapping[str, list[float]]
    """Weights of the misread score, with mean and scale of each feature."""


@functools.cache
def clean_text() -> CleanText:
    """The model that comes with lmworks."""
    return parse(json.loads(Path(__file__).with_name("clean_text.json").read_text(encoding="utf-8")))


def parse(stored: Mapping[str, Any]) -> CleanText:
    """A model from its JSON."""

    def numbers(field: str, steps: int) -> NDArray[np.float32]:
        found = np.frombuffer(zlib.decompress(base64.b64decode(field)), np.int8) / np.float32(steps)
        return found.astype(np.float32)

    order = {}
    for language, fields in stored["order"].items():
        functions, endings = fields["functions"].split(), fields["endings"].split()
        size = size_of(len(functions), len(endings))
        order[language] = Order(functions, endings, numbers(fields["table"], stored["steps"]).reshape(size, size))
    functions = {language: words.split() for language, words in stored["functions"].items()}
    words = frozenset(zlib.decompress(base64.b64decode(stored["words"])).decode().split())
    return CleanText(numbers(stored["triples"], stored["steps_of_triples"]), functions, order, words, stored["misread"])


def core_of(word: str) -> str:
    """A word in small letters, without the signs at its edges."""
    return word.lower().strip(EDGES)


COLUMNS = (
    "triples",
    "likely",
    "size",
    "letters",
    "code",
    "odd",
    "mixed",
    "plain",
    "single",
    "number",
    "address",
    "end",
    "asked",
    "known",
)
PLACE = {name: place for place, name in enumerate(COLUMNS)}


class Lexicon:
    """What is known of words wherever they stand: a row a word."""

    def __init__(self, known: CleanText) -> None:
        self._known = known
        self.languages = list(known.functions)
        ordered = list(known.order)
        self.order_of = np.array([ordered.index(each if each in ordered else "") for each in self.languages])
        """By language the column of `kind` [L]."""
        self.is_ordered = np.array([each in ordered for each in self.languages])
        self._classes = Classes(list(known.order.values()))
        languages: dict[str, list[int]] = {}
        for place, words in enumerate(known.functions.values()):
            for word in words:
                languages.setdefault(word, []).append(place)
        sets = {some: number for number, some in enumerate(dict.fromkeys(map(tuple, languages.values())), 1)}
        self._set_of = {word: sets[tuple(some)] for word, some in languages.items()}
        self.sets: NDArray[np.float64] = np.zeros((len(sets) + 1, len(self.languages)))
        """Sets of languages: one for each that is in it, the first being empty."""
        for some, number in sets.items():
            self.sets[number, list(some)] = 1
        self._clear()

    def _clear(self) -> None:
        self._number = 0
        self._rows: defaultdict[str, int] = defaultdict(itertools.count().__next__)
        self._cores: defaultdict[str, int] = defaultdict(itertools.count(self.nothing + 1).__next__, {"": self.nothing})
        size = _MOST_WORDS + BLOCK_CHARACTERS // 2
        self.facts: NDArray[np.float32] = np.zeros((size, len(COLUMNS)), np.float32)
        """By word `COLUMNS`."""
        self.core: NDArray[np.int64] = np.zeros(size, np.int64)
        """By word the number of its core."""
        self.function: NDArray[np.int16] = np.zeros(size, np.int16)
        """By word the set of languages of which its core is a function word."""
        self.look: NDArray[np.int16] = np.zeros(size, np.int16)
        """By word the class of its looks."""
        self.kind: NDArray[np.int16] = np.zeros((size, len(self._known.order)), np.int16)
        """By word its class in each language with an order."""

    nothing = 0
    """The number of the core of a word of signs alone."""

    def rows(self, words: Sequence[str]) -> NDArray[np.int64]:
        """The row of each word [W]."""
        if self._number > _MOST_WORDS:
            self._clear()
        before = len(self._rows)
        found = np.fromiter(map(self._rows.__getitem__, words), np.int64, len(words))
        if new := list(itertools.islice(reversed(self._rows), len(self._rows) - before))[::-1]:
            for word in [word for word in new if len(word) > _LONGEST_WORD]:
                del self._rows[word]
            self._add([word[:_LONGEST_WORD] for word in new])
        return found

    def _add(self, words: Sequence[str]) -> None:
        first, last = self._number, self._number + len(words)
        self._number = last
        looks, cores = Looks(words, self._known.triples), list(map(str.lower, words))
        for place in np.flatnonzero(looks.has_edge).tolist():
            cores[place] = core_of(words[place])
        self._describe(self.facts[first:last], words, cores, looks)
        self.core[first:last] = list(map(self._cores.__getitem__, cores))
        self.function[first:last] = list(map(self._set_of.get, cores, itertools.repeat(0)))
        self.look[first:last] = looks.classes()
        self.kind[first:last] = self._classes.of(words, self.look[first:last])

    def _describe(self, facts: NDArray[np.float32], words: Sequence[str], cores: Sequence[str], looks: Looks) -> None:
        """Write every one of `COLUMNS` of each word."""
        plain = np.fromiter(map(str.isalpha, cores), bool, len(cores))
        columns = {
            "triples": looks.triples,
            "likely": looks.likely,
            "size": looks.sizes,
            "letters": looks.letters,
            "code": looks.code,
            "odd": looks.is_odd,
            "mixed": looks.is_mixed,
            "plain": plain,
            "single": looks.sizes == 1,
            "end": looks.is_end,
            "asked": plain & (np.fromiter(map(len, cores), np.int64, len(cores)) >= LEAST_KNOWN),
            "known": list(map(self._known.words.__contains__, cores)),
        }
        for name, values in columns.items():
            facts[:, PLACE[name]] = values
        for name, pattern, some in (
            ("number", _NUMBER.fullmatch, looks.may_be_number),
            ("address", _ADDRESS.match, looks.may_be_address),
        ):
            places = np.flatnonzero(some).tolist()
            facts[places, PLACE[name]] = [pattern(words[place]) is not None for place in places]


@functools.cache
def lexicon() -> Lexicon:
    """Of this process, which remembers words from shard to shard."""
    return Lexicon(clean_text())
