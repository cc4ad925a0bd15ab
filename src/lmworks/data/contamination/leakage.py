"""Near-duplicates across a split: found to keep them together, or to refuse a split that parts them.

A row is a document's number across all shards, in their order. Axes: N documents, G groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lmworks.data.duplicates.deduplicate import Clusters, find_clusters, read_ids
from lmworks.data.duplicates.hashed import Hashed
from lmworks.data.duplicates.minhash import jaccard
from lmworks.data.records import Documents
from lmworks.lazy import NDArray, np
from lmworks.pipeline.stage import Context

MOST_COMPARED = 100
"""Documents of a cluster that each held-out one is compared with, unless that finds none: a flood of copies is one
leak."""


@dataclass(frozen=True)
class Leak:
    """A held-out document and the most alike one that is trained on."""

    held_out: str
    train: str
    likeness: float
    """Jaccard similarity of their 5-word shingles."""


class Neighbours:
    """What duplicate search knows of documents [N]; `least` is the lowest similarity that will be asked for."""

    def __init__(self, documents: Documents, least: float, context: Context) -> None:
        self._shards, self._context = documents.shards(), context
        self._hashed = Hashed(self._shards, least, context)
        self._found: dict[float, NDArray[np.int64]] = {}

    def _roots(self, threshold: float) -> NDArray[np.int64]:
        """The cluster of each document [N]."""
        if threshold not in self._found:
            self._found[threshold] = find_clusters(self._hashed, threshold, self._context).roots
        return self._found[threshold]

    def join(self, units: NDArray[np.int64], threshold: float) -> NDArray[np.int64]:
        """The first group that each group [G] is connected with by near-duplicates, given each document's group [N]."""
        groups = Clusters(int(units.max()) + 1)
        groups.join(units, units[self._roots(threshold)])
        return groups.roots

    def leaks(self, parts: NDArray[np.int64], train: int | None, threshold: float) -> list[Leak]:
        """Held-out documents with a neighbour at or above the threshold in the part that is trained on.

        `parts` is the part of each document [N]. Without a `train` part, as in cross-validation, every other part is
        trained on. There is one if and only if a cluster has documents on both sides.
        """
        roots = self._roots(threshold)
        paired = np.flatnonzero(np.bincount(roots)[roots] > 1)
        order = paired[np.argsort(roots[paired], kind="stable")]
        found: list[tuple[int, int, float]] = []
        for members in np.split(order, np.flatnonzero(np.diff(roots[order])) + 1) if len(order) else ():
            if not (parts[members] == parts[members[0]]).all():
                few = list(self._across(members, parts[members], train, threshold, MOST_COMPARED))
                found += few or self._across(members, parts[members], train, threshold, len(members))
        rows = np.array(sorted({row for held_out, other, _ in found for row in (held_out, other)}), np.int64)
        names = dict(zip(rows.tolist(), read_ids(self._shards, self._hashed.edges, rows), strict=True))
        return [Leak(names[row].decode(), names[other].decode(), likeness) for row, other, likeness in sorted(found)]

    def _across(
        self, members: NDArray[np.int64], parts: NDArray[np.int64], train: int | None, threshold: float, most: int
    ) -> Iterator[tuple[int, int, float]]:
        """Each held-out row of a cluster, its nearest neighbour among the first `most` that are trained on, and how
        alike they are."""
        for row, part in zip(members.tolist(), parts.tolist(), strict=True):
            others = members[parts != part] if train is None else members[parts == train]
            if part == train or not len(others):
                continue
            (own,) = self._hashed.read_shingles(members[members == row])
            alike = [jaccard(own, each) for each in self._hashed.read_shingles(others[:most])]
            best = max(range(len(alike)), key=alike.__getitem__)
            if alike[best] >= threshold:
                yield row, int(others[best]), alike[best]


def describe_leaks(leaks: Sequence[Leak], shown: int = 10) -> str:
    """The most alike pairs in words."""
    ordered = sorted(leaks, key=lambda leak: (-leak.likeness, leak.held_out))
    pairs = [f"{leak.held_out} and {leak.train} ({leak.likeness:.2f})" for leak in ordered[:shown]]
    return ", ".join(pairs) + (f" and {len(leaks) - shown} more" if len(leaks) > shown else "")
