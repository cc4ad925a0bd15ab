"""What is known of clean text, and of words wherever they stand.

`clean_text.json` is made by `benchmarks/data/clean_text.py`, which names its sources. Axes: W words, L languages.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from lmworks.data.quality.word_order import Classes, Order, looks_of, size_of
from lmworks.lazy import NDArray, np

LETTERS = 28
"""Classes of characters: none, the letters a to z, any other letter."""
BLOCK_CHARACTERS = 2**18
"""Of texts whose words are looked up in one go."""
_MOST_WORDS = 2**17
"""Words that are remembered at a time: some 30 MB."""
_LONGEST_WORD = 40
LEAST_KNOWN = 4
"""Letters of a word that is looked for among the frequent ones: any two or three are one."""
_ODD_TRIPLE = -7.0
"""A triple of letters below this (log2) hardly occurs."""

_NUMBER = re.compile(r"[-+(]?[\d.,:/%€$£)'-]*\d[\d.,:/%€$£)'-]*(?:e[-+]?\d+)?|[0-9a-f]*\d[0-9a-f]*")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|#\w{3,}")
_EDGES = "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum() and chr(code) != "_") + "“”„‘’»«…–—•·"
_CODE = '{}()[]=<>/_\\#$&@+%`"'
_MISREAD = "!|~^*;:.,0123456789"
"""What a poor scan puts between letters."""


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


def characters(text: str) -> NDArray[np.uint32]:
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def letter_classes(points: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The class of each character in small letters, of `LETTERS`."""
    latin = (points >= ord("a")) & (points <= ord("z"))
    # Beyond Latin-1's signs all but general punctuation, symbols and wide forms are letters, near enough.
    signs = (points < 0xC0) | ((points >= 0x2000) & (points < 0x2C00)) | ((points >= 0x3000) & (points < 0x3040))
    signs |= (points == 0xD7) | (points == 0xF7) | (points >= 0xFE00) & (points < 0xFF21) | (points == 0xFFFD)
    return np.where(latin, points.astype(np.int64) - 96, np.where(signs, 0, 27))


def triples_of(points: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The number of each three characters in a row; whether two are letters from a to z and the middle one a letter."""
    codes = letter_classes(points)
    latin = ((codes > 0) & (codes < 27)).astype(np.int8)
    numbers = (codes[:-2] * LETTERS + codes[1:-1]) * LETTERS + codes[2:]
    return numbers, (codes[1:-1] > 0) & (latin[:-2] + latin[1:-1] + latin[2:] >= 2)


def core_of(word: str) -> str:
    """A word in small letters, without the signs at its edges."""
    return word.lower() if word.isalpha() else word.lower().strip(_EDGES)


@functools.cache
def _signs() -> dict[str, NDArray[np.bool_]]:
    """Sets of characters below 128 by their code; what stands beyond is given as 127."""
    found = {name: np.zeros(128, bool) for name in ("code", "misread", "digit")}
    for name, signs in zip(found, (_CODE, _MISREAD, "0123456789"), strict=True):
        found[name][[ord(sign) for sign in signs]] = True
    return found


class Looks:
    """What words are made of: numbers of signs, and of letters in a row."""

    def __init__(self, words: Sequence[str], triples: NDArray[np.float32]) -> None:
        small = [word.lower() for word in words]
        sizes = np.array([len(word) for word in small]) + 1
        points = characters("\0" + "\0".join(small) + "\0")
        self._starts = np.cumsum(sizes) - sizes + 1
        self._sizes = sizes - 1
        letters = letter_classes(points) > 0
        ascii_points = np.minimum(points, 127)
        signs = {name: some[ascii_points] for name, some in _signs().items()}
        numbers, counted = triples_of(points)
        likely = np.where(counted, triples[numbers], 0)
        self.triples = self._sums(np.concatenate(([0], counted, [0])))
        self.likely = self._sums(np.concatenate(([0], likely, [0])))
        self.is_odd = np.minimum.reduceat(np.concatenate(([0], likely, [0])), self._starts) < _ODD_TRIPLE
        self.letters = self._sums(letters)
        self.code = self._sums(signs["code"])
        before = np.cumsum(letters) - np.repeat(np.append(0, np.cumsum(letters)[self._starts - 1]), np.append(1, sizes))
        inside = signs["misread"][:-1] & letters[1:] & (before[:-1] > 0)
        self.is_mixed = self._sums(np.append(inside, False)) > 0
        digits = self._sums(signs["digit"])
        last = ascii_points[self._starts + self._sizes - 1]
        self.is_end = np.isin(last, [ord(sign) for sign in ".!?{}();"])
        self.has_digit = digits > 0

    def _sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sums over each word."""
        ends = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
        found: NDArray[np.float64] = ends[self._starts + self._sizes] - ends[self._starts]
        return found


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
        self._languages: dict[str, list[int]] = {}
        for place, words in enumerate(known.functions.values()):
            for word in words:
                self._languages.setdefault(word, []).append(place)
        self._clear()

    def _clear(self) -> None:
        self._rows: dict[str, int] = {}
        self._cores: dict[str, int] = {"": 0}
        size = _MOST_WORDS + BLOCK_CHARACTERS // 2
        self.facts: NDArray[np.float32] = np.zeros((size, len(COLUMNS)), np.float32)
        """By word `COLUMNS`."""
        self.core: NDArray[np.int64] = np.zeros(size, np.int64)
        """By word the number of its core."""
        self.function: NDArray[np.bool_] = np.zeros((size, len(self._known.functions)), bool)
        """By word whether its core is a function word of a language [L]."""
        self.look: NDArray[np.int16] = np.zeros(size, np.int16)
        """By word the class of its looks."""
        self.kind: NDArray[np.int16] = np.zeros((size, len(self._known.order)), np.int16)
        """By word its class in each language with an order."""

    nothing = 0
    """The number of the core of a word of signs alone."""

    def rows(self, words: Sequence[str]) -> NDArray[np.int64]:
        """The row of each word [W]."""
        if len(self._rows) > _MOST_WORDS:
            self._clear()
        get = self._rows.get
        found = np.fromiter(map(get, words, repeat(-1)), np.int64, len(words))
        if missing := np.flatnonzero(found < 0).tolist():
            new = [words[place][:_LONGEST_WORD] for place in missing]
            self._add([word for word in new if word not in self._rows])
            found[missing] = list(map(get, new, repeat(0)))
        return found

    def _add(self, words: Sequence[str]) -> None:
        first = len(self._rows)
        words = list(dict.fromkeys(words))[: len(self.facts) - first]
        if not words:
            return
        self._rows |= {word: first + place for place, word in enumerate(words)}
        cores, looks = [core_of(word) for word in words], Looks(words, self._known.triples)
        last = first + len(words)
        self.facts[first:last] = self._describe(words, cores, looks)
        self.core[first:last] = [self._cores.setdefault(core, len(self._cores)) for core in cores]
        for place, core in enumerate(cores):
            if core in self._languages:
                self.function[first + place, self._languages[core]] = True
        self.look[first:last] = looks_of(words)
        self.kind[first:last] = self._classes.of(words, self.look[first:last])

    def _describe(self, words: Sequence[str], cores: Sequence[str], looks: Looks) -> NDArray[np.float64]:
        """Every one of `COLUMNS` of each word."""
        numeric = looks.has_digit.tolist()
        plain, known = list(map(str.isalpha, cores)), self._known.words
        is_asked = [is_plain and len(core) >= LEAST_KNOWN for core, is_plain in zip(cores, plain, strict=True)]
        columns = (
            looks.triples,
            looks.likely,
            list(map(len, words)),
            looks.letters,
            looks.code,
            looks.is_odd,
            looks.is_mixed,
            plain,
            [len(word) == 1 for word in words],
            [has and _NUMBER.fullmatch(word) is not None for has, word in zip(numeric, words, strict=True)],
            [word[0] in "hw#" and _ADDRESS.match(word) is not None for word in words],
            looks.is_end,
            is_asked,
            list(map(known.__contains__, cores)),
        )
        return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)


@functools.cache
def lexicon() -> Lexicon:
    """Of this process, which remembers words from shard to shard."""
    return Lexicon(clean_text())
