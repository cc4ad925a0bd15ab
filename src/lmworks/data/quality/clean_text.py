"""Model of clean text, and properties of words by this model.

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
from lmworks.lazy import NDArray, np

BLOCK_CHARACTERS = 2**18
"""Number of characters of texts whose words are looked up together."""
_MOST_WORDS = 2**17
"""Maximum number of words that a lexicon remembers: some 10 MB."""
_LONGEST_WORD = 40
LEAST_KNOWN = 4
"""Minimum letters of a word to look up among frequent words. Almost any two or three letters are a word somewhere."""

_NUMBER = re.compile(r"[-+(]?[\d.,:/%€$£)'-]*\d[\d.,:/%€$£)'-]*(?:e[-+]?\d+)?|[0-9a-f]*\d[0-9a-f]*")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|#\w{3,}")


@dataclass(frozen=True)
class CleanText:
    """Model of clean text."""

    triples: NDArray[np.float32]
    """Table [28 * 28 * 28] of log2 of the probability of a letter after two others, over the languages of the world."""
    functions: Mapping[str, Sequence[str]]
    """Most frequent words of each language."""
    languages_of_words: frozenset[str]
    """Languages of `words`."""
    words: frozenset[str]
    """Other frequent words of at least `LEAST_KNOWN` letters."""
    misread: Mapping[str, list[float]]
    """Weights of the misread score, with mean and scale of each feature."""


@functools.cache
def clean_text() -> CleanText:
    """Return the model that comes with lmworks."""
    return parse(json.loads(Path(__file__).with_name("clean_text.json").read_text(encoding="utf-8")))


def parse(stored: Mapping[str, Any]) -> CleanText:
    """Return a model from its JSON."""
    steps = np.frombuffer(zlib.decompress(base64.b64decode(stored["triples"])), np.int8)
    triples = (steps / np.float32(stored["steps_of_triples"])).astype(np.float32)
    functions = {language: words.split() for language, words in stored["functions"].items()}
    words = frozenset(zlib.decompress(base64.b64decode(stored["words"])).decode().split())
    return CleanText(triples, functions, frozenset(stored["languages_of_words"]), words, stored["misread"])


def core_of(word: str) -> str:
    """Return a word in small letters, without the signs at its edges."""
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
    """Properties of words, one row per word."""

    def __init__(self, known: CleanText) -> None:
        self._known = known
        self.languages = list(known.functions)
        self.has_words = np.array([language in known.languages_of_words for language in self.languages])
        """Whether more than the most frequent words of each language are known [L]."""
        languages: dict[str, list[int]] = {}
        for place, words in enumerate(known.functions.values()):
            for word in words:
                languages.setdefault(word, []).append(place)
        sets = {some: number for number, some in enumerate(dict.fromkeys(map(tuple, languages.values())), 1)}
        self._set_of = {word: sets[tuple(some)] for word, some in languages.items()}
        self.sets: NDArray[np.float64] = np.zeros((len(sets) + 1, len(self.languages)))
        """Sets of languages, with 1 for each language in a set. The first set is empty."""
        for some, number in sets.items():
            self.sets[number, list(some)] = 1
        self._clear()

    def _clear(self) -> None:
        self._number = 0
        self._rows: defaultdict[str, int] = defaultdict(itertools.count().__next__)
        self._cores: defaultdict[str, int] = defaultdict(itertools.count(self.nothing + 1).__next__, {"": self.nothing})
        size = _MOST_WORDS + BLOCK_CHARACTERS // 2
        self.facts: NDArray[np.float32] = np.zeros((size, len(COLUMNS)), np.float32)
        """`COLUMNS` of each word."""
        self.core: NDArray[np.int64] = np.zeros(size, np.int64)
        """Number of the core of each word."""
        self.function: NDArray[np.int16] = np.zeros(size, np.int16)
        """Row of `sets`: the languages in which the core of each word is a function word."""

    nothing = 0
    """Number of the empty core, which a word has that consists only of signs."""

    def rows(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each word [W]."""
        if self._number > _MOST_WORDS:
            self._clear()
        before = len(self._rows)
        rows = np.fromiter(map(self._rows.__getitem__, words), np.int64, len(words))
        if new := list(itertools.islice(reversed(self._rows), len(self._rows) - before))[::-1]:
            for word in [word for word in new if len(word) > _LONGEST_WORD]:
                del self._rows[word]
            self._add([word[:_LONGEST_WORD] for word in new])
        return rows

    def _add(self, words: Sequence[str]) -> None:
        first, last = self._number, self._number + len(words)
        self._number = last
        looks, cores = Looks(words, self._known.triples), list(map(str.lower, words))
        for place in np.flatnonzero(looks.has_edge).tolist():
            cores[place] = core_of(words[place])
        self._describe(self.facts[first:last], words, cores, looks)
        self.core[first:last] = list(map(self._cores.__getitem__, cores))
        self.function[first:last] = list(map(self._set_of.get, cores, itertools.repeat(0)))

    def _describe(self, facts: NDArray[np.float32], words: Sequence[str], cores: Sequence[str], looks: Looks) -> None:
        """Write `COLUMNS` of each word."""
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
    """Return the lexicon of this process, which remembers words from shard to shard."""
    return Lexicon(clean_text())
