"""Near duplicates: MinHash finds candidates, word shingles prove them.

A text is the set of its 5-word shingles, each a 64-bit hash. Two texts are near duplicates when the Jaccard
similarity of their sets reaches the threshold; MinHash with locality-sensitive hashing (Broder 1997; Leskovec et al.,
Mining of Massive Datasets, ch. 3) only proposes the pairs to compare.

Axes: P hash functions, S shingles of a text, N texts.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHINGLE_WORDS = 5
HASH_FUNCTIONS = 128
RECALL = 0.999
"""Probability that a pair exactly at the threshold is proposed; more alike pairs are surer."""

_WORD = re.compile(r"\w+")


def shingles(text: str) -> NDArray[np.uint64]:
    """Sorted hashes [S] of a text's word shingles; a text shorter than one shingle is a single one."""
    import numpy as np

    words = np.array([_word_hash(word) for word in _WORD.findall(text.casefold())], np.uint64)
    size = min(SHINGLE_WORDS, len(words))
    if size == 0:
        return np.array([_word_hash(text)], np.uint64)
    count = len(words) - size + 1
    mixed = np.zeros(count, np.uint64)
    for start in range(size):
        mixed = (mixed ^ words[start : start + count]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return np.unique(mixed)


@functools.lru_cache(maxsize=1_000_000)
def _word_hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")


def signature(hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """MinHash signature [P]: the least value of each hash function over the shingles [S]."""
    import numpy as np

    factors, terms = _hash_functions()
    # Multiply, add, keep the high half: 2-universal (Dietzfelbinger 1996).
    mixed = hashes[None, :] * factors[:, None] + terms[:, None]  # [P, S]
    least: NDArray[np.uint64] = mixed.min(axis=1)
    return (least >> np.uint64(32)).astype(np.uint32)


@functools.cache
def _hash_functions() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    import numpy as np

    stream = hashlib.shake_128(b"minhash").digest(16 * HASH_FUNCTIONS)
    numbers = np.frombuffer(stream, "<u8").astype(np.uint64)
    return numbers[:HASH_FUNCTIONS] | np.uint64(1), numbers[HASH_FUNCTIONS:]


def band_rows(threshold: float) -> int:
    """Most rows a band may have so that a pair at the threshold is proposed with probability `RECALL`."""
    for rows in range(HASH_FUNCTIONS, 1, -1):
        if 1 - (1 - threshold**rows) ** (HASH_FUNCTIONS // rows) >= RECALL:
            return rows
    return 1


def candidate_buckets(signatures: NDArray[np.uint32], threshold: float) -> Iterator[NDArray[np.int64]]:
    """Groups of texts, as ascending row numbers of `signatures` [N, P], that agree on one whole band."""
    import numpy as np

    rows = band_rows(threshold)
    for start in range(0, HASH_FUNCTIONS - rows + 1, rows):
        band = np.ascontiguousarray(signatures[:, start : start + rows])
        order = np.lexsort(band.T)
        differs = (band[order[1:]] != band[order[:-1]]).any(axis=1)
        edges = np.flatnonzero(np.concatenate(([True], differs, [True])))
        for first in np.flatnonzero(np.diff(edges) > 1):
            yield np.sort(order[edges[first] : edges[first + 1]])


def jaccard(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> float:
    """Exact similarity of two shingle sets, each sorted and without repeats."""
    import numpy as np

    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / (len(first) + len(second) - shared)


class Clusters:
    """Disjoint sets of row numbers; the least number stands for its set."""

    def __init__(self, size: int) -> None:
        self.parents = list(range(size))

    def find(self, item: int) -> int:
        """The least member of the item's set."""
        while self.parents[item] != item:
            self.parents[item] = item = self.parents[self.parents[item]]
        return item

    def join(self, first: int, second: int) -> None:
        """Make the sets of two items one."""
        low, high = sorted((self.find(first), self.find(second)))
        self.parents[high] = low
