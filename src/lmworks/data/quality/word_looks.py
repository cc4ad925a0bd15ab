"""Signs and letters that words are made of, counted for many words at once.

Axes: W words, C characters of all words, with a separator between each two.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from lmworks.lazy import NDArray, np

LETTERS = 28
"""Number of classes of characters: none, the letters a to z, any other letter."""
EDGES = "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum() and chr(code) != "_") + "“”„‘’»«…–—•·"
"""Signs that do not belong to a word at whose edge they are."""
_CODE = '{}()[]=<>/_\\#$&@+%`"'
_MISREAD = "!|~^*;:.,0123456789"
"""Signs that a poor scan puts between letters."""
_ENDS = ".!?{}();"
_NUMERIC = "0123456789abcdef-+(.,:/%$)'"
"""Characters of ASCII that a number may have."""
_ODD_TRIPLE = -7.0
"""Probability (log2) below which a triple of letters hardly occurs."""
_LAST = 0xFFFF
"""Last code point that is looked up. Higher code points are treated like this one."""
_COUNTED = "letters", "code", "digits", "numeric"
"""Kinds of characters that are counted, a byte each. `letters` have any class of `LETTERS` except the first."""
_PLACE = {name: place for place, name in enumerate(_COUNTED)}


def triples_of(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the number of each triple of characters in a row, given the class (of `LETTERS`) of each character."""
    wide = codes.astype(np.int64)
    numbers: NDArray[np.int64] = (wide[:-2] * LETTERS + wide[1:-1]) * LETTERS + wide[2:]
    return numbers


def letter_classes(text: str) -> NDArray[np.uint8]:
    """Return the class (of `LETTERS`) of each character, whatever its case."""
    return _tables().letters[_points(text)]


def _points(text: str) -> NDArray[np.uint32]:
    """Return the code points of a text, as they are looked up."""
    return np.minimum(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32), _LAST)


@functools.cache
def counted_triples() -> NDArray[np.bool_]:
    """Return for each triple, by its number, whether two characters are a to z and the middle one is a letter."""
    codes = np.arange(LETTERS)
    latin = ((codes > 0) & (codes < LETTERS - 1)).astype(np.int8)
    is_latin = latin[:, None, None] + latin[:, None] + latin >= 2
    counted: NDArray[np.bool_] = (is_latin & (codes > 0)[:, None]).ravel()
    return counted


@dataclass(frozen=True)
class _Tables:
    """Properties of each character up to `_LAST`."""

    letters: NDArray[np.uint8]
    """Class (of `LETTERS`), whatever the case."""
    counts: NDArray[np.uint32]
    """Number with a byte for each of `_COUNTED`: 1 if the character is of that kind."""
    is_misread: NDArray[np.bool_]
    is_edge: NDArray[np.bool_]
    is_end: NDArray[np.bool_]


@functools.cache
def _tables() -> _Tables:
    points = np.arange(_LAST + 1)
    # Beyond Latin-1's signs all but general punctuation, symbols and wide forms are letters, near enough.
    signs = (points < 0xC0) | ((points >= 0x2000) & (points < 0x2C00)) | ((points >= 0x3000) & (points < 0x3040))
    signs |= (points == 0xD7) | (points == 0xF7) | (points >= 0xFE00) & (points < 0xFF21) | (points == 0xFFFD)
    letters = np.where(signs, 0, LETTERS - 1).astype(np.uint8)
    for first in "aA":
        letters[ord(first) : ord(first) + 26] = np.arange(1, 27)

    def among(signs: str) -> NDArray[np.bool_]:
        return np.isin(points, list(map(ord, signs)))

    kinds = letters > 0, among(_CODE), among("0123456789"), among(_NUMERIC) | (points > 127)
    counts = sum(kind.astype(np.uint32) << np.uint32(8 * place) for place, kind in enumerate(kinds))
    return _Tables(letters, np.asarray(counts, np.uint32), among(_MISREAD), among(EDGES), among(_ENDS))


class Looks:
    """Counts of signs in words and of letters in a row."""

    def __init__(self, words: Sequence[str], triples: NDArray[np.float32]) -> None:
        """Count in words of 1 to 255 characters; `triples` has log2 of the probability of each triple of letters."""
        known = _tables()
        self.sizes = np.fromiter(map(len, words), np.int64, len(words))
        points = _points("\0" + "\0".join(words) + "\0")
        self._starts = np.cumsum(self.sizes + 1) - self.sizes
        self._ends = self._starts + self.sizes
        first, last = points[self._starts], points[self._ends - 1]
        # Sums wrap around, their differences do not: no word has more than 255 of anything.
        self._before = np.zeros(len(points) + 1, np.uint32)
        np.cumsum(known.counts[points], out=self._before[1:])
        counts = self._counted(self._starts, self._ends).astype(np.int64)
        self.letters, self.code = counts[:, _PLACE["letters"]], counts[:, _PLACE["code"]]
        self.has_digit = counts[:, _PLACE["digits"]] > 0
        self.may_be_number = self.has_digit & (counts[:, _PLACE["numeric"]] == self.sizes)
        """Whether a word has a digit and only characters that numbers have."""
        self.may_be_address = np.isin(first, [ord(sign) for sign in "hw#"])
        self.is_end = known.is_end[last]
        self.has_edge = known.is_edge[first] | known.is_edge[last]
        """Whether a word begins or ends with one of `EDGES`."""
        letters = known.letters[points]
        places = np.flatnonzero(known.is_misread[points[:-1]] & (letters[1:] > 0))
        owners = self._word_of(places)
        letters_before = self._counted(self._starts[owners], places)[:, _PLACE["letters"]]
        self.is_mixed = np.zeros(len(words), bool)
        self.is_mixed[owners[letters_before > 0]] = True
        counted, numbers = counted_triples(), triples_of(letters)
        likely = np.where(counted, triples, 0)[numbers]
        self.triples = self._sums(counted[numbers], np.int64)
        self.likely = self._sums(likely, np.float64)
        self.is_odd = np.zeros(len(words), bool)
        self.is_odd[self._word_of(np.flatnonzero(likely < _ODD_TRIPLE) + 1)] = True

    def _sums(self, values: NDArray[np.generic], kind: type[np.generic]) -> NDArray[np.generic]:
        """Return sums over the triples around the characters of each word."""
        ends = np.zeros(len(values) + 1, kind)
        np.cumsum(values, dtype=kind, out=ends[1:])
        sums: NDArray[np.generic] = ends[self._ends - 1] - ends[self._starts - 1]
        return sums

    def _word_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the words that characters belong to."""
        return np.searchsorted(self._starts, places, "right") - 1

    def _counted(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return how many of `_COUNTED` are between two places [W, 4]."""
        return (self._before[ends] - self._before[starts]).astype("<u4").view(np.uint8).reshape(-1, len(_COUNTED))
