"""Which training texts share most words with an answer: an exact scan, no index."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_ALONE = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
"""Thai, Lao, Japanese and Chinese write no spaces: there each character is a word."""
WORD = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+")
SHORTEST_RUN = 4
"""Least number of successive words that two texts must share. Three, such as "a list of", are in every text."""

Origin = TypeVar("Origin")


@dataclass(frozen=True)
class Overlap:
    """Words that a text shares with the answer."""

    covered: frozenset[int]
    """Positions of the answer's words that lie in a shared run of `SHORTEST_RUN` words or more."""
    longest: int
    """Length of the longest shared run, in words."""
    start: int
    """Position in the text of the longest run's first word."""


class IndexedAnswer:
    """An answer, indexed for comparison with many texts."""

    def __init__(self, text: str) -> None:
        self.words = words(text)
        self.run = min(SHORTEST_RUN, len(self.words))
        self._places: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, gram in enumerate(_grams(self.words, self.run)):
            self._places[gram].append(place)

    def overlap(self, text: str) -> Overlap | None:
        """Return what a text shares with the answer, or None."""
        places, last = self._places, -2
        before: dict[int, int] = {}
        covered: set[int] = set()
        longest = start = 0
        for index, gram in enumerate(_grams(words(text), self.run)):
            if gram not in places:
                continue
            if index != last + 1:
                before = {}
            # lengths, in grams, of the runs that end here, by their place in the answer
            before = {place: before.get(place - 1, 0) + 1 for place in places[gram]}
            last = index
            covered.update(before)
            best = max(before.values())
            if best > longest:
                longest, start = best, index - best + 1
        if not covered:
            return None
        positions = frozenset(place + offset for place in covered for offset in range(self.run))
        return Overlap(positions, longest + self.run - 1, start)

    def share(self, covered: Iterable[int]) -> float:
        """Return the share of the answer's words that are at these positions."""
        return len(set(covered)) / len(self.words)


@dataclass
class Closest(Generic[Origin]):
    """The texts that share most with an answer, one for each group."""

    answer: IndexedAnswer
    best: dict[str, tuple[Overlap, str, Origin]] = field(default_factory=dict)
    covered: set[int] = field(default_factory=set)
    """Positions of the answer that some text covers."""
    scanned: int = 0

    def add(self, group: str, text: str, origin: Origin) -> None:
        """Compare one text. Only the nearest text of each group is kept."""
        self.scanned += 1
        overlap = self.answer.overlap(text)
        if overlap is None:
            return
        self.covered |= overlap.covered
        if group not in self.best or _rank(overlap) > _rank(self.best[group][0]):
            self.best[group] = (overlap, text, origin)

    def top(self, count: int) -> list[tuple[str, Overlap, str, Origin]]:
        """Return the nearest groups: most words covered first, then the longest run, then by name."""
        order = sorted(self.best.items(), key=lambda item: ([-rank for rank in _rank(item[1][0])], item[0]))
        return [(group, *found) for group, found in order[:count]]


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return [word.lower() for word in WORD.findall(text)]


def cut_out(text: str, start: int, count: int, around: int = 100) -> tuple[str, str, str]:
    """Return `count` words of a text from word `start` on, with up to `around` characters before and after."""
    spans = [match.span() for match in WORD.finditer(text)]
    first, last = spans[start][0], spans[start + count - 1][1]
    return text[max(0, first - around) : first], text[first:last], text[last : last + around]


def _grams(sequence: Sequence[str], length: int) -> Iterable[tuple[str, ...]]:
    return zip(*(sequence[offset:] for offset in range(length)), strict=False)


def _rank(overlap: Overlap) -> tuple[int, int]:
    return len(overlap.covered), overlap.longest
