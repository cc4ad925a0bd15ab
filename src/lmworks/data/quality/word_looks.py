"""What words look like, many at once: which signs and letters they are made of, and a class of their looks.

Axes: W words, C characters of all of them, one between each two.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lmworks.lazy import NDArray, np

LETTERS = 28
"""Classes of characters: none, the letters a to z, any other letter."""
EDGES = "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum() and chr(code) != "_") + "“”„‘’»«…–—•·"
"""Signs that are no part of a word at whose edge they stand."""
_CODE = '{}()[]=<>/_\\#$&@+%`"'
_MISREAD = "!|~^*;:.,0123456789"
"""What a poor scan puts between letters."""
_ENDS, _STOPS = ".!?{}();", ".!?"
_ODD_TRIPLE = -7.0
"""A triple of letters below this (log2) hardly occurs."""

_LEADS = {**dict.fromkeys("([{<", 1), **dict.fromkeys("\"'“„‘«»`”’", 2)}
_TRAILS = {**dict.fromkeys(",", 1), **dict.fromkeys(".!?", 2), **dict.fromkeys(":;", 3), **dict.fromkeys(")]}>", 4)}
_TRAILS |= dict.fromkeys("\"'”“’»«`", 5)
_BULLETS = "-*•|=&/"
_DASHES = "-'’"
_DIGIT, _LETTERS = re.compile("[0-9]"), re.compile("[A-Za-z]")
KINDS = _SMALL, CAPITAL, _CAPITALS, _NUMBER, _NAME, _LETTER = range(6)
LOOKS_OF_ONE = 18
SIGNS = len(KINDS) * LOOKS_OF_ONE
LOOKS = SIGNS + 10
"""Classes of words by what they look like: six kinds, each with what opens it and what ends it, and signs alone."""


def look_of(word: str) -> int:
    """The class of a word by its looks alone, of `LOOKS`."""
    signs = "".join({sign for sign in word if not sign.isalnum()})
    rest = word.lstrip(signs)
    if not rest:
        return SIGNS + _look_of_sign(word[0])
    core = rest.rstrip(signs)
    tail = rest[len(core) :]
    trail = _TRAILS.get(tail[-1], 0) if tail else 0
    if trail >= 4 and ("." in tail or "!" in tail or "?" in tail):
        trail = 2
    lead = _LEADS.get(word[0], 0) if len(rest) < len(word) else 0
    return _kind_of(core) * LOOKS_OF_ONE + lead * 6 + trail


def _look_of_sign(sign: str) -> int:
    return _BULLETS.index(sign) if sign in _BULLETS else 7 if sign in _LEADS else 8 + (sign not in _TRAILS)


def _kind_of(core: str) -> int:
    if core.isalpha():
        if core.islower():
            return _SMALL
        if len(core) == 1:
            return _SMALL if core.lower() == core else _LETTER
        if core.isupper():
            return _CAPITALS
        return CAPITAL if core.istitle() else _NAME if core.lower() != core else _SMALL
    if core.isascii():
        has_digit, has_letter = _DIGIT.search(core), _LETTERS.search(core)
        if has_digit:
            return _NAME if has_letter else _NUMBER
    elif any(map(str.isdigit, core)):
        return _NAME if any(map(str.isalpha, core)) else _NUMBER
    return (_SMALL if core[0].islower() else CAPITAL) if any(dash in core for dash in _DASHES) else _NAME


def characters(text: str) -> NDArray[np.uint32]:
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def triples_of(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The number of each three characters in a row, given the class of each, of `LETTERS`."""
    wide = codes.astype(np.int64)
    found: NDArray[np.int64] = (wide[:-2] * LETTERS + wide[1:-1]) * LETTERS + wide[2:]
    return found


def letter_classes(text: str) -> NDArray[np.uint8]:
    """The class of each character in small letters, of `LETTERS`."""
    return _tables().letters[np.minimum(characters(text), _LAST)]


@functools.cache
def counted_triples() -> NDArray[np.bool_]:
    """By the number of a triple, whether two are letters from a to z and the middle one a letter."""
    codes = np.arange(LETTERS)
    latin = ((codes > 0) & (codes < LETTERS - 1)).astype(np.int8)
    is_latin = latin[:, None, None] + latin[:, None] + latin >= 2
    found: NDArray[np.bool_] = (is_latin & (codes > 0)[:, None]).ravel()
    return found


_LAST, _LEAST_OTHER = 0xFFFF, 0x3000
"""Characters beyond the first are looked up as it is; from the second on words are looked at one by one."""
COUNTED = "letters", "code", "digits", "small", "capitals", "numeric", "other", "dashes"
"""What is counted of each word, a byte each: `letters` are those that `LETTERS` tells apart, `numeric` what may stand
in a number, `other` what is neither a sign nor a small or capital letter nor a digit."""
_PLACE = {name: place for place, name in enumerate(COUNTED)}
_IS_MISREAD, _IS_EDGE, _IS_END, _IS_STOP, _IS_KNOWN = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class _Tables:
    """What is known of each character up to `_LAST`."""

    letters: NDArray[np.uint8]
    """The class in small letters, of `LETTERS`."""
    counts: NDArray[np.uint64]
    """One in the byte of each of `COUNTED` that it is."""
    is_what: NDArray[np.uint8]
    """`_IS_KNOWN` is what letters and digits are, and what is `other`."""
    lead: NDArray[np.int8]
    trail: NDArray[np.int8]
    sign: NDArray[np.int8]
    """The look of a word of signs alone that begins with it."""


@functools.cache
def _tables() -> _Tables:
    points = np.arange(_LAST + 1)
    # Beyond Latin-1's signs all but general punctuation, symbols and wide forms are letters, near enough.
    signs = (points < 0xC0) | ((points >= 0x2000) & (points < 0x2C00)) | ((points >= 0x3000) & (points < 0x3040))
    signs |= (points == 0xD7) | (points == 0xF7) | (points >= 0xFE00) & (points < 0xFF21) | (points == 0xFFFD)
    letters = np.where(signs, 0, LETTERS - 1).astype(np.uint8)
    for first in "aA":
        letters[ord(first) : ord(first) + 26] = np.arange(1, 27)

    def among(some: str) -> NDArray[np.bool_]:
        return np.isin(points, [ord(each) for each in some])

    every = list(map(chr, range(_LEAST_OTHER)))
    of = {name: np.zeros(len(points), bool) for name in COUNTED}
    of["letters"], of["code"], of["digits"], of["dashes"] = (
        letters > 0,
        among(_CODE),
        among("0123456789"),
        among(_DASHES),
    )
    of["small"][:_LEAST_OTHER] = [each.isalpha() and each.islower() for each in every]
    of["capitals"][:_LEAST_OTHER] = [each.isalpha() and each.isupper() and each.lower() != each for each in every]
    of["numeric"] = among("0123456789abcdef-+(.,:/%$)'") | (points > 127)
    of["other"][_LEAST_OTHER:] = True
    of["other"][:_LEAST_OTHER] = [each.isalnum() for each in every]
    of["other"] &= ~(of["small"] | of["capitals"] | of["digits"])
    known = of["other"] | of["small"] | of["capitals"] | of["digits"]
    what = {
        _IS_MISREAD: among(_MISREAD),
        _IS_EDGE: among(EDGES),
        _IS_END: among(_ENDS),
        _IS_STOP: among(_STOPS),
        _IS_KNOWN: known,
    }
    found = [np.zeros(len(points), np.int8) for _ in range(3)]
    for table, values in zip(found[:2], (_LEADS, _TRAILS), strict=True):
        table[[ord(each) for each in values]] = list(values.values())
    found[2][:] = _look_of_sign(" ")
    found[2][:_LEAST_OTHER] = list(map(_look_of_sign, every))
    counts = sum(np.left_shift(of[name].astype(np.uint64), np.uint64(8 * place)) for name, place in _PLACE.items())
    is_what = sum(np.uint8(bit) * is_it for bit, is_it in what.items())
    return _Tables(letters, np.asarray(counts, np.uint64), np.asarray(is_what, np.uint8), *found)


class Looks:
    """What words are made of: numbers of signs, and of letters in a row; the class of their looks."""

    def __init__(self, words: Sequence[str], triples: NDArray[np.float32]) -> None:
        """Of words of 1 to 255 characters; `triples` gives log2 of the probability of each triple of letters."""
        known = _tables()
        self._words = words
        self.sizes = np.fromiter(map(len, words), np.int64, len(words))
        points = np.minimum(characters("\0" + "\0".join(words) + "\0"), _LAST).astype(np.int64)
        self._starts = np.cumsum(self.sizes + 1) - self.sizes
        self._first, self._last = points[self._starts], points[self._starts + self.sizes - 1]
        self._is_what = known.is_what[points]
        # Sums wrap around, their differences do not: no word has more than 255 of anything.
        self._before = np.zeros(len(points) + 1, np.uint64)
        np.cumsum(known.counts[points], out=self._before[1:])
        self._counts = self._counted(self._starts, self._starts + self.sizes)
        self.letters, self.code = self._count("letters"), self._count("code")
        self.has_digit = self._count("digits") > 0
        self.may_be_number = self.has_digit & (self._count("numeric") == self.sizes)
        """Whether nothing speaks against it."""
        self.may_be_address = np.isin(self._first, [ord(sign) for sign in "hw#"])
        letters = known.letters[points]
        self._add_triples(triples_of(letters), triples)
        places = np.flatnonzero((self._is_what[:-1] & _IS_MISREAD > 0) & (letters[1:] > 0))
        of = self._word_of(places)
        letters_before = self._counted(self._starts[of], places)[:, _PLACE["letters"]]
        self.is_mixed = np.zeros(len(words), bool)
        self.is_mixed[of[letters_before > 0]] = True
        self.is_end = known.is_what[self._last] & _IS_END > 0
        self.has_edge = (known.is_what[self._first] | known.is_what[self._last]) & _IS_EDGE > 0
        """Whether it begins or ends with one of `EDGES`."""

    def _add_triples(self, numbers: NDArray[np.int64], triples: NDArray[np.float32]) -> None:
        counted = counted_triples()
        likely = np.where(counted, triples, 0)[numbers]
        self.triples = self._sums(counted[numbers], np.int64)
        self.likely = self._sums(likely, np.float64)
        self.is_odd = np.zeros(len(self._words), bool)
        self.is_odd[self._word_of(np.flatnonzero(likely < _ODD_TRIPLE) + 1)] = True

    def _sums(self, values: NDArray[np.generic], kind: type[np.generic]) -> NDArray[np.generic]:
        """Over the triples around the characters of each word."""
        ends = np.zeros(len(values) + 1, kind)
        np.cumsum(values, dtype=kind, out=ends[1:])
        found: NDArray[np.generic] = ends[self._starts + self.sizes - 1] - ends[self._starts - 1]
        return found

    def _word_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The words that characters belong to."""
        return np.searchsorted(self._starts, places, "right") - 1

    def _counted(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint8]:
        """How many of `COUNTED` lie between [W, 8]."""
        return (self._before[ends] - self._before[starts]).astype("<u8").view(np.uint8).reshape(-1, len(COUNTED))

    def _count(self, name: str) -> NDArray[np.int64]:
        return self._counts[:, _PLACE[name]].astype(np.int64)

    def classes(self) -> NDArray[np.int64]:
        """`look_of` each word [W]."""
        known = _tables()
        small, capitals, digits, other = map(self._count, ("small", "capitals", "digits", "other"))
        number = small + capitals + digits + other
        places = np.append(np.flatnonzero(self._is_what & _IS_KNOWN), 0)
        before = np.cumsum(number) - number
        first, last = places[before], places[np.maximum(before + number - 1, 0)]  # of the core
        letters, size = small + capitals, last - first + 1
        is_title = (capitals == 1) & (self._counted(first, first + 1)[:, _PLACE["capitals"]] > 0)
        of_letters = np.select(
            [capitals == 0, size == 1, small == 0, is_title], [_SMALL, _LETTER, _CAPITALS, CAPITAL], _NAME
        )
        begins_small = self._counted(first, first + 1)[:, _PLACE["small"]] > 0
        has_dash = self._counted(first, last)[:, _PLACE["dashes"]] > 0
        kinds = np.select(
            [letters == size, digits > 0, has_dash],
            [of_letters, np.where(letters > 0, _NAME, _NUMBER), np.where(begins_small, _SMALL, CAPITAL)],
            _NAME,
        )
        ends = self._starts + self.sizes - 1
        lead = np.where(first > self._starts, known.lead[self._first], 0)
        trail = np.where(last < ends, known.trail[self._last], 0)
        stops = np.append(0, np.flatnonzero(self._is_what & _IS_STOP))
        trail[(trail >= 4) & (stops[np.searchsorted(stops, ends, "right") - 1] > last)] = 2
        found: NDArray[np.int64] = kinds * LOOKS_OF_ONE + lead * 6 + trail
        found = np.where(number > 0, found, SIGNS + known.sign[self._first])
        for word in np.flatnonzero(other).tolist():
            found[word] = look_of(self._words[word])
        return found
