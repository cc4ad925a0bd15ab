"""Order in which rows are read. Rows of several parts keep their proportions from the first step to the last.

The parts take turns. After any number of places of a stretch each part is within one row of its share. This is the
chairman assignment of Tijdeman (1980, Discrete Mathematics 32, 323-330), with his bound 1 - 1/(2K - 2) for K parts.
Shares are multiples of 1/10,000, so the turns repeat, and the part of a place follows from its number alone. Within
a part, rows come in the order of `row_numbers`, epoch after epoch.

Axes: S stretches of the run, K parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from operator import gt, mul
from typing import Any, TypeAlias

from lmworks.data.mixtures.mixing import Proportions
from lmworks.errors import UsageError
from lmworks.lazy import NDArray, np

Rows: TypeAlias = "NDArray[np.integer[Any]]"

PERIOD = 10_000
"""Number of places after which turns repeat. Shares are rounded to 1/10,000, which is finer than people state them."""


def row_numbers(rows: int, seed: int, first: int, count: int) -> Rows:
    """Return the row numbers at `count` places from `first` on. Each epoch is a permutation of all rows."""
    places = np.arange(first, first + count)
    return np.array([_permutation(rows, seed, int(place // rows))[place % rows] for place in places])


def permutation(rows: int, seed: int, epoch: int) -> Rows:
    """Return the order in which an epoch reads this number of rows."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


_permutation = lru_cache(maxsize=2)(permutation)


@dataclass(frozen=True)
class _Stretch:
    """Places with one set of shares."""

    start: int
    turns: Sequence[int]
    """Part that is read at each place of a period. The period repeats."""
    ranks: Sequence[int]
    """Number of earlier turns of the same part in `turns`, place by place."""
    each: Sequence[int]
    """Number of turns of each part in a period."""
    before: Sequence[int]
    """Rows of each part that were read before this stretch."""

    def place(self, place: int) -> tuple[int, int]:
        """Return the part that is read at this place, and how many of its rows were read before."""
        over, rest = divmod(place - self.start, len(self.turns))
        part = self.turns[rest]
        return part, self.before[part] + over * self.each[part] + self.ranks[rest]

    def read(self, stop: int) -> list[int]:
        """Return the number of rows of each part that are read before the place `stop`."""
        over, rest = divmod(stop - self.start, len(self.turns))
        begun = self.turns[:rest]
        return [self.before[part] + over * each + begun.count(part) for part, each in enumerate(self.each)]


class Mixture:
    """Order of rows for a run with a given number of places, over parts with given numbers of rows.

    Raises UsageError if the limits on epochs leave too little to read.
    """

    def __init__(self, proportions: Proportions, parts: Mapping[str, int], places: int) -> None:
        self.parts, self.places = parts, places
        wanted, ends = _wanted(proportions, parts, places)
        lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        # Each stretch may round up by less than one row; a limit is kept all the same.
        limits = [math.inf] * len(parts)
        for number, (name, rows) in enumerate(parts.items()):
            if name in proportions.max_epochs:
                limits[number] = max(0, math.floor(proportions.max_epochs[name] * rows) - len(ends) + 1)
        given = _within_limits(wanted, lengths, limits, list(parts))
        room = [limit - rows for limit, rows in zip(limits, _rows(given, lengths), strict=True)]
        self.stretches: list[_Stretch] = []
        read, start = [0] * len(parts), 0
        for shares, end in zip(given, ends, strict=True):
            turns = _turns(_whole(shares, room))
            ranks = [0] * len(turns)
            each = [0] * len(parts)
            for place, part in enumerate(turns):
                ranks[place], each[part] = each[part], each[part] + 1
            self.stretches.append(_Stretch(start, turns, ranks, each, read))
            read, start = self.stretches[-1].read(end), end
        if any(map(gt, read, limits)):
            raise _too_little(parts, places)
        self.rows_read = dict(zip(parts, read, strict=True))
        self.rows_wanted = _rows(wanted, lengths)
        self.shares = [rows / places for rows in read]
        self._orders: list[Callable[[int, int], Rows]] = [
            lru_cache(maxsize=2)(partial(permutation, rows)) for rows in parts.values()
        ]

    def numbers(self, seed: int, first: int, count: int) -> Rows:
        """Return the row numbers at `count` places from `first` on, counted over all parts."""
        sizes = list(self.parts.values())
        found = []
        for place in range(first, first + count):
            stretch = next(each for each in reversed(self.stretches) if each.start <= place)
            part, number = stretch.place(place)
            epoch, rest = divmod(number, sizes[part])
            found.append(sum(sizes[:part]) + self._orders[part](seed, epoch)[rest])
        return np.array(found)

    def as_text(self) -> list[str]:
        """Return one line per part: how much of it is read, and whether limits on epochs changed its share."""
        lines = []
        for (name, rows), wanted in zip(self.parts.items(), self.rows_wanted, strict=True):
            read = self.rows_read[name]
            line = f"{name}: {read:,} of {self.places:,} rows ({read / self.places:.1%}), {read / rows:.2f} epochs"
            if abs(wanted - read) > 1 + self.places / 1000:
                line += f"; limits on epochs changed the wanted share of {wanted / self.places:.1%}"
            lines.append(line)
        return lines


def _wanted(proportions: Proportions, parts: Mapping[str, int], places: int) -> tuple[list[list[float]], list[int]]:
    """Return the shares [S, K] that the recipe asks for, and the place at which each stretch ends [S]."""
    by_size = {name: rows ** (1 / proportions.temperature) for name, rows in parts.items()}
    stages = [(stage.weights, stage.until) for stage in proportions.curriculum]
    shares, ends = list[list[float]](), list[int]()
    for weights, until in stages or [(proportions.weights or by_size, 1.0)]:
        end = round(until * places)
        if end > (ends[-1] if ends else 0):  # a short run may have no place for a short stretch
            shares.append([weights[name] / sum(weights.values()) for name in parts])
            ends.append(end)
    return shares, ends


def _within_limits(
    shares: Sequence[Sequence[float]], lengths: Sequence[int], limits: Sequence[float], names: Sequence[str]
) -> list[list[float]]:
    """Return shares [S, K] with which no part is read beyond its limit.

    Parts below their limit get what the limited parts lose, in proportion to their shares, evenly over the run.
    """
    given = [list(row) for row in shares]
    limited: set[int] = set()
    while True:
        rows = _rows(given, lengths)
        over = {part for part in range(len(names)) if part not in limited and rows[part] > limits[part]}
        if not over:
            return given
        limited |= over
        for row in given:
            for part in over:
                row[part] *= limits[part] / rows[part]
            held = sum(row[part] for part in limited)
            free = sum(share for part, share in enumerate(row) if part not in limited)
            if not free:
                raise _too_little([names[part] for part in sorted(limited)], sum(lengths))
            for part, share in enumerate(row):
                if part not in limited:
                    row[part] = share * (1 - held) / free


def _rows(shares: Sequence[Sequence[float]], lengths: Sequence[int]) -> list[float]:
    """Return the number of rows of each part [K] for shares [S, K] and the lengths of the stretches [S]."""
    return [sum(map(mul, column, lengths)) for column in zip(*shares, strict=True)]


def _too_little(held_back: Iterable[str], places: int) -> UsageError:
    return UsageError(
        f"max_epochs of the mixture leaves too few rows of {', '.join(held_back)} for {places:,} places, and no other "
        "part has a weight with which it could fill them; raise max_epochs, add data, or lower steps"
    )


def _whole(shares: Sequence[float], room: Sequence[float]) -> list[int]:
    """Return shares as whole parts of PERIOD. Parts with the most room below their limit get the rest of rounding."""
    exact = [share * PERIOD for share in shares]
    whole = [math.floor(value + 1e-9) for value in exact]
    order = sorted(range(len(exact)), key=lambda part: (not shares[part], -room[part], whole[part] - exact[part]))
    for part in order[: PERIOD - sum(whole)]:
        whole[part] += 1
    common = math.gcd(*whole)
    return [value // common for value in whole]


def _turns(shares: Sequence[int]) -> list[int]:
    """Return which part is read at each place of a period, in which `shares` gives the turns of each part.

    At place n a part can be read if it then stays below n·share + 1 - 1/(2K - 2). Of these parts, the one that would
    be the first to fall behind by as much is read.
    """
    parts = [part for part, share in enumerate(shares) if share]
    if len(parts) == 1:
        return parts
    period, twice = sum(shares), 2 * len(parts) - 2
    taken, turns = [0] * len(shares), []
    for place in range(1, period + 1):
        # In units of 1 / (period · twice) of a row, so that all is exact.
        behind = {part: twice * (place * shares[part] - period * taken[part]) for part in parts}
        ready = [part for part in parts if behind[part] >= period]
        part = min(ready, key=lambda part: (period * (twice - 1) - behind[part]) / shares[part])
        taken[part] += 1
        turns.append(part)
    return turns
