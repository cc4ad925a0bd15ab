"""Feature-aware assignment: whole groups are put into parts, so that every part resembles the whole.

Each group holds documents, and each document one value of every feature (its length bin, its source, …). The cost of an
assignment is how far each part is from its share of every value, squared and divided by that share, as in a chi-square
test. Groups are placed one by one, the largest first, into the part in which they lower the cost most. Then, in
`PASSES` passes, each group moves to another part if that lowers the cost. The method follows iterative stratification
(Sechidis, Tsoumakas and Vlahavas 2011), with groups and any number of features.

Axes: G groups, V values of all features together, P parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lmworks.lazy import NDArray, np

PASSES = 2
"""Maximum passes. A third lowers total variation by under 5 % in a third more time (benchmarks/data/split.py)."""


@dataclass(frozen=True)
class GroupCounts:
    """Number of documents of each group with each value: a sparse matrix [G, V] by rows."""

    starts: NDArray[np.int64]
    values: NDArray[np.int64]
    counts: NDArray[np.int64]
    features: Mapping[str, range]
    """Range of the values of each feature."""

    @classmethod
    def of(cls, groups: NDArray[np.int64], features: Mapping[str, NDArray[np.int64]]) -> GroupCounts:
        """Count documents: the group of each [N], and its value of each feature [N], both numbered from 0."""
        columns, spans, width = [], {}, 0
        for name, codes in features.items():
            spans[name] = range(width, width + int(codes.max()) + 1)
            columns.append(codes + width)
            width = spans[name].stop
        keys = np.concatenate([groups * width + column for column in columns])
        cells, counts = np.unique(keys, return_counts=True)
        starts = np.searchsorted(cells, np.arange(groups.max() + 2) * width)
        return cls(starts, cells % width, counts, spans)

    def totals(self, parts: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Return the number of documents with each value in each part [P, V], given the part of each group."""
        width = max(span.stop for span in self.features.values())
        owners = np.repeat(parts, np.diff(self.starts))
        flat = np.bincount(owners * width + self.values, self.counts, minlength=count * width)
        return flat.reshape(count, width).astype(np.int64)


def assign_balanced(
    table: GroupCounts, shares: Sequence[float], order: Sequence[int], fixed: Mapping[int, int]
) -> NDArray[np.int64]:
    """Return the part of each group [G].

    `shares` are the parts' shares of the documents. `order` breaks ties between groups of equal size. `fixed` holds the
    part of each group that must not move.
    """
    work = _Assignment(table, shares)
    for group, part in fixed.items():
        work.place(group, part)
    sizes = np.add.reduceat(table.counts, table.starts[:-1])
    free = sorted((group for group in order if group not in fixed), key=lambda group: -int(sizes[group]))
    for group in free:
        work.place(group, work.best(group))
    for _ in range(PASSES):
        if not sum(work.improve(group) for group in free):
            break
    return np.array(work.parts, np.int64)


class _Assignment:
    """State of an assignment, in plain lists, because a group has too few values for arrays to be faster."""

    def __init__(self, table: GroupCounts, shares: Sequence[float]) -> None:
        whole = table.totals(table.starts[:-1] * 0, 1)[0]
        self._starts, self._values, self._counts = table.starts.tolist(), table.values.tolist(), table.counts.tolist()
        self.parts = [-1] * (len(table.starts) - 1)
        self.excess: list[list[float]] = [(-share * whole).tolist() for share in shares]
        """Documents above the part's share of each value [P, V]."""
        self.weight: list[list[float]] = [(1.0 / (share * whole.clip(1))).tolist() for share in shares]

    def _cells(self, group: int) -> Iterable[tuple[int, int]]:
        """Return the values of a group and their counts."""
        inside = slice(self._starts[group], self._starts[group + 1])
        return zip(self._values[inside], self._counts[inside], strict=True)

    def place(self, group: int, part: int) -> None:
        """Put a group into a part, and take it out of its present part."""
        before = self.parts[group]
        for value, count in self._cells(group):
            self.excess[part][value] += count
            if before >= 0:
                self.excess[before][value] -= count
        self.parts[group] = part

    def best(self, group: int) -> int:
        """Return the part in which a group that has no part yet lowers the cost most."""
        return min(range(len(self.excess)), key=lambda part: self._added(group, part))

    def improve(self, group: int) -> bool:
        """Move a group to another part if that lowers the cost. Return whether it moved."""
        before = self.parts[group]
        gain = self._removed(group, before)
        cost, part = min((self._added(group, part), part) for part in range(len(self.excess)) if part != before)
        if gain + cost > -1e-9:
            return False
        self.place(group, part)
        return True

    def _added(self, group: int, part: int) -> float:
        excess, weight = self.excess[part], self.weight[part]
        return sum(count * (2 * excess[value] + count) * weight[value] for value, count in self._cells(group))

    def _removed(self, group: int, part: int) -> float:
        excess, weight = self.excess[part], self.weight[part]
        return sum(count * (count - 2 * excess[value]) * weight[value] for value, count in self._cells(group))


def total_variation(table: GroupCounts, parts: NDArray[np.int64], count: int) -> list[dict[str, float]]:
    """Return for each part and feature half the sum of |share in the part - share in the whole| over its values."""
    totals = table.totals(parts, count)
    whole = totals.sum(axis=0)
    return [
        {
            name: float(np.abs(_shares(totals[part], span) - _shares(whole, span)).sum() / 2)
            for name, span in table.features.items()
        }
        for part in range(count)
    ]


def _shares(totals: NDArray[np.int64], span: range) -> NDArray[np.float64]:
    counts = totals[span.start : span.stop].astype(float)
    shares: NDArray[np.float64] = counts / max(1.0, counts.sum())
    return shares
