"""Near duplicates: MinHash finds candidates, word shingles verify them.

A text is the set of its 5-word shingles, each a 32-bit hash. Hashes that are equal by chance change the similarity of
texts with a million shingles by less than a thousandth, with a thousand by less than a millionth. Two texts are near
duplicates if the Jaccard similarity of their sets reaches the threshold. MinHash with locality-sensitive hashing
(Broder 1997; Leskovec et al., Mining of Massive Datasets, ch. 3) only proposes the pairs to compare.
Axes: N texts, W words, S shingles of all texts one after another, P hash functions, b bands.
"""

from __future__ import annotations

import functools
import hashlib
from itertools import accumulate
from math import comb
from typing import Any

from lmworks.data.base.words import Words, hash_words, mixed_bits
from lmworks.lazy import NDArray, np

SHINGLE_WORDS = 5
HASH_FUNCTIONS = 128
RECALL = 0.999
"""Probability that a pair exactly at the threshold is proposed. It is higher for more similar pairs."""
SKETCH = 64

_BLOCK_SHINGLES = 2**15
"""Number of shingles that stay in a core's cache, because each hash function reads them once."""


def begins(counts: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """Return whether `size` items of one text begin at each item [W], given each text's number of items [N]."""
    found, ends = np.ones(int(counts.sum()), bool), np.cumsum(counts)
    for back in range(1, size):
        found[ends[counts >= back] - back] = False
    return found


def hash_windows(words: Words, size: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return hashes of every `size` consecutive words of one text, and how many windows each text has [N]."""
    if len(words.hashes) < size:
        return np.zeros(0, np.uint64), np.zeros(len(words.counts), np.int64)
    count = len(words.hashes) - size + 1
    mixed = words.hashes[:count].copy()
    for start in range(1, size):
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed += words.hashes[start : start + count]
    return mixed_bits(mixed[begins(words.counts, size)[:count]]), np.maximum(words.counts - size + 1, 0)


def shingles(texts: Any) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the shingles [S] of texts (a pyarrow string array), with repeats, and their number in each text [N].

    A text shorter than one shingle counts as a single shingle.
    """
    hashes, counts = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)]
    done = 0
    for words in hash_words(texts):
        windows, number = hash_windows(words, SHINGLE_WORDS)
        found = windows.astype(np.uint32)
        short = np.flatnonzero(number == 0)
        if len(short):
            starts = np.cumsum(words.counts) - words.counts
            alone = [_short_text(words, starts[text], texts, done, text) for text in short.tolist()]
            found = np.insert(found, np.cumsum(number)[short], np.array(alone, np.uint32))
            number[short] = 1
        hashes.append(found)
        counts.append(number)
        done += len(number)
    return np.concatenate(hashes), np.concatenate(counts)


def _short_text(words: Words, start: int, texts: Any, first: int, text: int) -> int:
    """Return the hash of a text with fewer words than a shingle: of its words, or of its characters if it has none."""
    inside = words.hashes[start : start + words.counts[text]].tobytes() or texts[first + text].as_py().encode()
    return int.from_bytes(hashlib.blake2b(inside, digest_size=4).digest(), "little")


def signatures(hashes: NDArray[np.uint32], counts: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return MinHash signatures [P, N]: the lowest value of each hash function over the shingles of each text."""
    ends = np.cumsum(counts)
    result = np.full((HASH_FUNCTIONS, len(counts)), 2**32 - 1, np.uint32)
    for start in range(0, len(hashes), _BLOCK_SHINGLES):
        block = hashes[start : start + _BLOCK_SHINGLES]
        first, last = np.searchsorted(ends, (start, start + len(block) - 1), "right")
        edges = np.maximum(ends[first : last + 1] - counts[first : last + 1] - start, 0)
        values = np.empty_like(block)
        for function, factor in enumerate(_factors()):
            # A random odd factor permutes the numbers below 2**32; the shingles are random already.
            np.multiply(block, factor, out=values)
            least = result[function, first : last + 1]
            np.minimum(least, np.minimum.reduceat(values, edges), out=least)
    return result


@functools.cache
def _factors() -> NDArray[np.uint32]:
    stream = hashlib.shake_128(b"minhash").digest(4 * HASH_FUNCTIONS)
    return np.frombuffer(stream, "<u4") | np.uint32(1)


def band_rows(threshold: float) -> int:
    """Return the maximum rows of a band with which a pair at the threshold is proposed with probability `RECALL`."""
    for rows in range(HASH_FUNCTIONS, 1, -1):
        if 1 - (1 - threshold**rows) ** (HASH_FUNCTIONS // rows) >= RECALL:
            return rows
    return 1


def bands(signatures: NDArray[np.uint32], threshold: float) -> NDArray[np.uint32]:
    """Return a hash of each band [b, N] of signatures [P, N]: texts that agree on one are candidates."""
    rows = band_rows(threshold)
    number = HASH_FUNCTIONS // rows
    split = signatures[: number * rows].reshape(number, rows, -1)
    mixed = np.zeros((number, split.shape[2]), np.uint64)
    for row in range(rows):
        mixed = mixed_bits(mixed ^ split[:, row])
    return (mixed >> np.uint64(32)).astype(np.uint32)


def sketches(signatures: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return a byte of each of the first hash functions [N, `SKETCH`] of signatures [P, N], fast to compare."""
    return np.ascontiguousarray(signatures[:SKETCH].astype(np.uint8).T)


@functools.cache
def least_agreement(threshold: float) -> int:
    """Return the lowest number of equal bytes in two sketches for all but 1 in 10,000 pairs at the threshold."""
    chances = (comb(SKETCH, agree) * threshold**agree * (1 - threshold) ** (SKETCH - agree) for agree in range(SKETCH))
    return sum(total < 1e-4 for total in accumulate(chances))


def jaccard(first: NDArray[np.unsignedinteger[Any]], second: NDArray[np.unsignedinteger[Any]]) -> float:
    """Return the exact Jaccard similarity of two shingle sets, each without repeats."""
    both = np.concatenate((first, second))
    both.sort()
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)
