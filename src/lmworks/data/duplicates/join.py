"""Clusters of near duplicates: pairs that agree on a band are verified, and join the sets of their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lmworks.data.duplicates.minhash import bands, jaccard, shingles, signatures
from lmworks.lazy import NDArray, np, pa

Prove = Callable[["NDArray[np.int64]", "NDArray[np.int64]"], "NDArray[np.bool_]"]
"""A function that returns for each pair of rows whether they are near duplicates."""


class Clusters:
    """Disjoint sets of rows. The lowest row identifies its set."""

    def __init__(self, size: int) -> None:
        self.roots: NDArray[np.int64] = np.arange(size)

    def join(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        """Join the two sets of each pair."""
        while True:
            low, high = np.sort((self.roots[first], self.roots[second]), axis=0)
            if (low == high).all():
                return
            np.minimum.at(self.roots, high, low)
            while not np.array_equal(above := self.roots[self.roots], self.roots):
                self.roots = above


def join_alike(band: NDArray[np.uint32], rows: NDArray[np.int64], clusters: Clusters, prove: Prove) -> None:
    """Join near duplicates among the rows of each bucket, which have the same hash in a band.

    The first row of each bucket is compared with its other rows, all buckets at once, so that many copies are joined
    in linear time. Each row that is not joined is compared with the rows of its bucket that are in other sets.
    """
    if not len(rows):
        return
    order = np.lexsort((rows, band))
    band, rows = band[order], rows[order]
    starts = np.flatnonzero(np.append(True, band[1:] != band[:-1]))
    sizes = np.diff(np.append(starts, len(rows)))
    leads = np.repeat(rows[starts], sizes)

    def join(first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        apart = clusters.roots[first] != clusters.roots[second]
        first, second = first[apart], second[apart]
        alike = prove(first, second)
        clusters.join(first[alike], second[alike])

    join(leads, rows)
    is_apart = clusters.roots[rows] != clusters.roots[leads]
    unsettled = np.logical_or.reduceat(is_apart, starts) & (sizes > 2)
    for start, size in zip(starts[unsettled].tolist(), sizes[unsettled].tolist(), strict=True):
        members, apart = rows[start + 1 : start + size], is_apart[start + 1 : start + size]
        members = np.concatenate((members[~apart], members[apart]))
        for place in range(size - 1 - int(apart.sum()), size - 1):
            join(np.repeat(members[place], place), members[:place])


def near_groups(texts: Sequence[str], threshold: float) -> list[int]:
    """Return for each text [N] the place of the first of its group: near duplicates by Jaccard similarity.

    All texts must fit into memory. `deduplicate` has no such limit.
    """
    clusters, rows = Clusters(len(texts)), np.arange(len(texts))
    hashes, counts = shingles(pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.string()))
    sets = [np.unique(some) for some in np.split(hashes, np.cumsum(counts)[:-1])]

    def prove(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        return np.array([jaccard(sets[one], sets[other]) >= threshold for one, other in pairs], bool)

    for band in bands(signatures(hashes, counts), threshold) if texts else ():
        join_alike(band, rows, clusters, prove)
    groups: list[int] = clusters.roots.tolist()
    return groups
