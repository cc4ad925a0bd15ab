"""The order of words: how far a text is from its own words in any order.

Every line is cut into windows of a few words. What counts is how much more often the words of a window stand next to
one another in clean text than the same words would in any order of the window, so that neither the topic nor the lines
of a text matter. Axes: W words, M windows, n words of a window, K classes of words of a language.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lmworks.lazy import NDArray, np

WINDOW = 8
"""Words of a line that are compared to all their orders."""
_LEADS = {**dict.fromkeys("([{<", 1), **dict.fromkeys("\"'“„‘«»`”’", 2)}
_TRAILS = {**dict.fromkeys(",", 1), **dict.fromkeys(".!?", 2), **dict.fromkeys(":;", 3), **dict.fromkeys(")]}>", 4)}
_TRAILS |= dict.fromkeys("\"'”“’»«`", 5)
_BULLETS = "-*•|=&/"
_ASCII_SIGNS = "".join(sign for sign in map(chr, range(128)) if not sign.isalnum())
_SHAPES = bytes.maketrans(
    (string.digits + string.ascii_uppercase + string.ascii_lowercase).encode(), b"0" * 10 + b"A" * 26 + b"a" * 26
)
"""By byte of UTF-8 what stands for it in the shape of a word."""
_DIGIT, _LETTERS = re.compile("[0-9]"), re.compile("[A-Za-z]")
_SMALL, _CAPITAL, _CAPITALS, _NUMBER, _NAME, _LETTER = range(6)
_LOOKS_OF_ONE = 18
_SIGNS = 6 * _LOOKS_OF_ONE
LOOKS = _SIGNS + 10
"""Classes of words by what they look like: six kinds, each with what opens it and what ends it, and signs alone."""
LEAST_STEM, ENDS = 5, (2, 3)
"""Letters of a word whose end says something, and of its end."""
_COARSE = 17


def looks_of(words: Sequence[str]) -> list[int]:
    """`look_of` each word. Most are of few shapes: which letters and digits a word has, and how many, says nothing."""
    points = np.frombuffer("\0".join(words).encode(errors="surrogatepass").translate(_SHAPES), np.uint8)
    again = (points[2:] == points[1:-1]) & (points[1:-1] == points[:-2]) & _is_letter_or_digit()[points[2:]]
    shapes = points[np.append(np.ones(min(2, len(points)), bool), ~again)].tobytes().split(b"\0")
    if len(shapes) != len(words):  # a word holds what parts them
        return list(map(look_of, words))
    return list(map(_look_of_shape, shapes))


@functools.lru_cache(maxsize=2**16)
def _look_of_shape(shape: bytes) -> int:
    return look_of(shape.decode(errors="surrogatepass"))


@functools.cache
def _is_letter_or_digit() -> NDArray[np.bool_]:
    """By byte of a shape."""
    found = np.zeros(256, bool)
    found[list(b"aA0")] = True
    return found


def look_of(word: str) -> int:
    """The class of a word by its looks alone, of `LOOKS`."""
    if word.isalpha():
        return _kind_of(word) * _LOOKS_OF_ONE
    # Quick where nothing stands beyond ASCII, as in most words.
    signs = _ASCII_SIGNS if word.isascii() else "".join({sign for sign in word if not sign.isalnum()})
    rest = word.lstrip(signs)
    if not rest:
        sign = word[0]
        return _SIGNS + (
            _BULLETS.index(sign) if sign in _BULLETS else 7 if sign in _LEADS else 8 + (sign not in _TRAILS)
        )
    core = rest.rstrip(signs)
    tail = rest[len(core) :]
    trail = _TRAILS.get(tail[-1], 0) if tail else 0
    if trail >= 4 and ("." in tail or "!" in tail or "?" in tail):
        trail = 2
    lead = _LEADS.get(word[0], 0) if len(rest) < len(word) else 0
    return _kind_of(core) * _LOOKS_OF_ONE + lead * 6 + trail


def _kind_of(core: str) -> int:
    if core.isalpha():
        if core.islower():
            return _SMALL
        if len(core) == 1:
            return _SMALL if core.lower() == core else _LETTER
        if core.isupper():
            return _CAPITALS
        return _CAPITAL if core.istitle() else _NAME if core.lower() != core else _SMALL
    if core.isascii():
        has_digit, has_letter = _DIGIT.search(core), _LETTERS.search(core)
        if has_digit:
            return _NAME if has_letter else _NUMBER
    elif any(map(str.isdigit, core)):
        return _NAME if any(map(str.isalpha, core)) else _NUMBER
    return (_SMALL if core[0].islower() else _CAPITAL) if "-" in core or "'" in core or "’" in core else _NAME


@functools.cache
def _coarse() -> NDArray[np.int64]:
    """Of each of `LOOKS` a class of few: what stands for the order of a text that no language is known of."""
    kinds, rest = np.divmod(np.arange(_SIGNS), _LOOKS_OF_ONE)
    leads, trails = np.divmod(rest, 6)
    marks = np.where((trails == 2), 2, np.where((trails == 1) | (trails == 3), 1, np.where(leads + trails > 0, 3, 0)))
    group = np.array([0, 1, 2, 3, 2, 1])[kinds]
    return np.append(group * 4 + marks, np.full(LOOKS - _SIGNS, _COARSE - 1))


@dataclass(frozen=True)
class Order:
    """What follows what in one language."""

    functions: Sequence[str]
    """Its frequent words: a class each."""
    endings: Sequence[str]
    """Frequent ends of its other words: a class each."""
    table: NDArray[np.float32]
    """[K, K]: log2 of how much more often than by chance the second class follows the first."""


class Classes:
    """The classes of words in several languages."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self._functions: dict[str, dict[int, int]] = {}
        ends = {end for order in orders for end in order.endings}
        self._ends = {end: place for place, end in enumerate(sorted(ends), 1)}
        self._of_ends: NDArray[np.int16] = np.zeros((len(ends) + 1, len(orders)), np.int16)
        for language, order in enumerate(orders):
            for place, word in enumerate(order.functions, LOOKS + 1):
                self._functions.setdefault(word, {})[language] = place
            for place, end in enumerate(order.endings, LOOKS + 1 + len(order.functions)):
                self._of_ends[self._ends[end], language] = place

    def of(self, words: Sequence[str], looks: NDArray[np.int16]) -> NDArray[np.int16]:
        """The class of each word of such looks in each language [W, L]: `LOOKS` for a frequent word with a capital."""
        found = np.repeat(looks[:, None], self._of_ends.shape[1], axis=1)
        plain = [place for place in np.flatnonzero(looks == 0).tolist() if len(words[place]) >= LEAST_STEM]
        for size in ENDS:
            classes = self._of_ends[[self._ends.get(words[place][-size:], 0) for place in plain]]
            found[plain] = np.where(classes > 0, classes, found[plain])
        for place, word in enumerate(words):
            if word not in self._functions and word.lower() not in self._functions:
                continue
            known = self._functions.get(word) or self._functions[word.lower()]
            if word.islower() or looks[place] == _CAPITAL * _LOOKS_OF_ONE:
                for language, kind in known.items():
                    found[place, language] = kind if word.islower() else LOOKS
        return found


def size_of(functions: int, endings: int) -> int:
    """K."""
    return LOOKS + 1 + functions + endings


def windows(lines: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Where each window begins and its number of words, and its line, for lines of so many words [M]."""
    parts = -(-lines // WINDOW)
    line = np.repeat(np.arange(len(lines)), parts)
    number = np.arange(len(line)) - np.repeat(np.cumsum(parts) - parts, parts)
    first = number * lines[line] // parts[line]
    sizes = (number + 1) * lines[line] // parts[line] - first
    return (np.cumsum(lines) - lines)[line] + first, sizes, line


def grids(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Windows of equal size together: which they are [M], and the places of their words [M, n]."""
    for size in range(2, WINDOW + 1):
        some = np.flatnonzero(sizes == size)
        if len(some):
            yield some, starts[some, None] + np.arange(size)


class Orders:
    """The orders of all languages known, as one table."""

    def __init__(self, orders: Sequence[Order]) -> None:
        tables = [order.table for order in orders]
        self._widths = np.array([len(table) for table in tables], np.int64)
        self._offsets = np.cumsum(self._widths**2) - self._widths**2
        self._table = np.concatenate([table.ravel() for table in tables])

    def score(
        self,
        classes: NDArray[np.int64],
        looks: NDArray[np.int64],
        language: NDArray[np.int64],
        lines: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Of each text [N]: how far its order is from chance, how far order could be told, and its own order.

        All in standard deviations of the orders of the same words within their windows. Given are of each word its
        class in the language of its text and its looks [W], of each text its language [N], of each line its text and
        its number of words.
        """
        of, number = lines[0], len(language)
        starts, sizes, line = windows(lines[1])
        text = of[line]
        better, spread = np.zeros(number), np.zeros(number)
        found = np.zeros((2, number * _COARSE**2))
        coarse = _coarse()[looks]
        for some, places in grids(starts, sizes):
            its, size = text[some], places.shape[1]
            words, kinds = classes[places], coarse[places]
            rows = self._offsets[language[its], None] + words * self._widths[language[its], None]
            gains = self._table[rows[:, :, None] + words[:, None, :]]
            sums, variance = _against_chance(gains)
            better += np.bincount(its, sums, number)
            spread += np.bincount(its, variance, number)
            pairs = (its[:, None] * _COARSE + kinds)[:, :, None] * _COARSE + kinds[:, None, :]
            together = np.bincount(pairs.ravel(), minlength=found.shape[1]) / size
            alone = np.bincount((pairs[:, range(size), range(size)]).ravel(), minlength=found.shape[1]) / size
            found[0] += np.bincount(pairs[:, range(size - 1), range(1, size)].ravel(), minlength=found.shape[1])
            found[1] += together - alone
        deviation = np.sqrt(np.maximum(spread, 1e-9))
        return better / deviation, deviation, _own_order(*found.reshape(2, number, -1))


def _against_chance(gains: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much better than by chance windows are in order, and the variance of that over all their orders [M].

    Of the gains of all pairs of their words [M, n, n], which are changed.
    """
    size = gains.shape[1]
    itself = np.arange(size)
    gains[:, itself, itself] = 0
    mean = gains.sum((1, 2)) / (size * (size - 1))
    sums = np.trace(gains, offset=1, axis1=1, axis2=2) - (size - 1) * mean
    gains -= mean[:, None, None]
    gains[:, itself, itself] = 0
    if size > 3:  # what a word gains wherever it stands is no order
        gains -= gains.sum(2, keepdims=True) / (size - 1) + gains.sum(1, keepdims=True) / (size - 1)
        gains[:, itself, itself] = 0
    return sums, np.einsum("mij,mij->m", gains, gains) / size


def _own_order(seen: NDArray[np.float64], chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far pairs [N, pairs] are from chance, in standard deviations of chi-square [N]."""
    counted = chance >= 1
    differences = np.where(counted, (seen - chance) ** 2 / np.maximum(chance, 1), 0).sum(1)
    free = np.maximum(1, counted.sum(1))
    found: NDArray[np.float64] = (differences - free) / np.sqrt(2 * free)
    return found
