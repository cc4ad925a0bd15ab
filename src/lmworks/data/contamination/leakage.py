"""Near-duplicates across a split: found to keep them together, or to refuse a split that separates them.

A row is a document's number across all shards, in their order. Axes: N documents, G groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from lmworks.data.duplicates.deduplicate import find_clusters, read_ids
from lmworks.data.duplicates.hashed import Hashed
from lmworks.data.duplicates.join import Clusters
from lmworks.data.duplicates.minhash import jaccard
from lmworks.data.shards.records import Documents
from lmworks.lazy import NDArray, np
from lmworks.pipeline.stage import Context


class Leak(NamedTuple):
    """A held-out document, a document in train, and the Jaccard similarity of their 5-word shingles."""

    held_out: str
    train: str
    likeness: float


class Neighbours:
    """Near-duplicates of documents [N]. `least` is the lowest similarity threshold that is used."""

    def __init__(self, documents: Documents, least: float, context: Context) -> None:
        self._shards, self._context = documents.shards(), context
        self._hashed = Hashed(self._shards, least, context)
        self._found: dict[float, NDArray[np.int64]] = {}

    def _roots(self, threshold: float) -> NDArray[np.int64]:
        """Return the cluster of each document [N]."""
        if threshold not in self._found:
            self._found[threshold] = find_clusters(self._hashed, threshold, self._context).roots
        return self._found[threshold]

    def join(self, units: NDArray[np.int64], threshold: float) -> NDArray[np.int64]:
        """Return the first group that near-duplicates connect each group [G] with, given each document's group [N]."""
        groups = Clusters(int(units.max()) + 1)
        groups.join(units, units[self._roots(threshold)])
        return groups.roots

    def leaks(self, parts: NDArray[np.int64], train: int | None, threshold: float) -> list[Leak]:
        """Return held-out documents with a near-duplicate in train, given the part of each document [N].

        Without a `train` part, as in cross-validation, every other part is train.
        """
        roots = self._roots(threshold)
        paired = np.flatnonzero(np.bincount(roots)[roots] > 1)
        order = paired[np.argsort(roots[paired], kind="stable")]
        clusters = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1)
        mixed = [members for members in clusters if len(set(parts[members].tolist())) > 1]
        leaks = [leak for members in mixed for leak in self._across(members, parts[members], train, threshold)]
        rows = np.unique(np.array([row for leak in leaks for row in leak[:2]], np.int64))
        names = dict(zip(rows.tolist(), read_ids(self._shards, self._hashed.edges, rows), strict=True))
        return [Leak(names[row].decode(), names[other].decode(), likeness) for row, other, likeness in sorted(leaks)]

    def _across(
        self, members: NDArray[np.int64], parts: NDArray[np.int64], train: int | None, threshold: float
    ) -> Iterator[tuple[int, int, float]]:
        """Yield each held-out row of a cluster with the first row in train that is near it, and their similarity."""
        for row, part in zip(members.tolist(), parts.tolist(), strict=True):
            others = members[parts != part] if train is None else members[parts == train]
            if part != train:
                own = self._hashed.read_shingles(row)
                pairs = ((row, other, jaccard(own, self._hashed.read_shingles(other))) for other in others.tolist())
                yield from islice((pair for pair in pairs if pair[2] >= threshold), 1)


def describe_leaks(leaks: Sequence[Leak], shown: int = 10) -> str:
    """Return the most similar pairs in words."""
    ordered = sorted(leaks, key=lambda leak: (-leak.likeness, leak.held_out))
    pairs = [f"{leak.held_out} and {leak.train} ({leak.likeness:.2f})" for leak in ordered[:shown]]
    return ", ".join(pairs) + (f" and {len(leaks) - shown} more" if len(leaks) > shown else "")
