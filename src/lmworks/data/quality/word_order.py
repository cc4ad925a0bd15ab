"""The order of words: how far a text is from its own words in any order.

Every line is cut into windows of a few words. What counts is how much more often the words of a window stand next to
one another in clean text than the same words would in any order of the window, so that neither the topic nor the lines
of a text matter. Axes: W words, M windows, n words of a window, K classes of words of a language.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lmworks.data.quality.word_looks import CAPITAL, LOOKS, LOOKS_OF_ONE, SIGNS
from lmworks.lazy import NDArray, np

WINDOW = 8
"""Words of a line that are compared to all their orders."""
LEAST_STEM, ENDS = 5, (2, 3)
"""Letters of a word whose end says something, and of its end."""
_COARSE = 17


@functools.cache
def _coarse() -> NDArray[np.int64]:
    """Of each of `LOOKS` a class of few: what stands for the order of a text that no language is known of."""
    kinds, rest = np.divmod(np.arange(SIGNS), LOOKS_OF_ONE)
    leads, trails = np.divmod(rest, 6)
    marks = np.where((trails == 2), 2, np.where((trails == 1) | (trails == 3), 1, np.where(leads + trails > 0, 3, 0)))
    group = np.array([0, 1, 2, 3, 2, 1])[kinds]
    return np.append(group * 4 + marks, np.full(LOOKS - SIGNS, _COARSE - 1))


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
        may_be = np.flatnonzero((looks < LOOKS_OF_ONE) | (looks == CAPITAL * LOOKS_OF_ONE)).tolist()
        for place in may_be:
            word = words[place]
            if (known := self._functions.get(word.lower())) and (word.islower() or looks[place] >= LOOKS_OF_ONE):
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
        seen, pairs = np.zeros((2, number * _COARSE**2))
        coarse = _coarse()[looks]
        # Windows lie along the last axis, where they are many.
        for some, places in grids(starts, sizes):
            its, size = text[some], places.shape[1]
            words, kinds = classes[places.T], coarse[places.T]
            rows = self._offsets[language[its]] + words * self._widths[language[its]]
            sums, variance = _against_chance(self._table[rows[:, None] + words])
            better += np.bincount(its, sums, number)
            spread += np.bincount(its, variance, number)
            first, second = np.triu_indices(size, 1)
            kinds_of_two = ((its * _COARSE + kinds) * _COARSE)[first] + kinds[second]
            pairs += np.bincount(kinds_of_two.ravel(), minlength=len(pairs)) / size
            seen += np.bincount(kinds_of_two[second == first + 1].ravel(), minlength=len(seen))
        deviation, pairs = np.sqrt(np.maximum(spread, 1e-9)), pairs.reshape(number, _COARSE, _COARSE)
        in_both_orders = (pairs + pairs.transpose(0, 2, 1)).reshape(number, -1)
        return better / deviation, deviation, _own_order(seen.reshape(number, -1), in_both_orders)


def _against_chance(gains: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much better than by chance windows are in order, and the variance of that over all their orders [M].

    Of the gains of all pairs of their words [n, n, M], which are changed.
    """
    size = len(gains)
    itself = np.arange(size)
    gains[itself, itself] = 0
    # Quarters, whose sums a float32 holds as they are.
    of_first, of_second = gains.sum(1).astype(np.float64), gains.sum(0).astype(np.float64)
    mean = of_first.sum(0) / (size * (size - 1))
    sums = gains[itself[:-1], itself[1:]].sum(0) - (size - 1) * mean
    squares = np.einsum("ijm,ijm->m", gains, gains) - size * (size - 1) * mean**2
    if size > 3:  # what a word gains wherever it stands is no order
        of_first, of_second = of_first - (size - 1) * mean, of_second - (size - 1) * mean
        squares -= ((of_first**2 + of_second**2) / (size - 1) + 2 * of_first * of_second / (size - 1) ** 2).sum(0)
    return sums, squares / size


def _own_order(seen: NDArray[np.float64], chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far pairs [N, pairs] are from chance, in standard deviations of chi-square [N]."""
    counted = chance >= 1 - 1e-9  # where sums of shares come to one
    differences = np.where(counted, (seen - chance) ** 2 / np.maximum(chance, 1), 0).sum(1)
    free = np.maximum(1, counted.sum(1))
    found: NDArray[np.float64] = (differences - free) / np.sqrt(2 * free)
    return found
