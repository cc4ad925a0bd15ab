"""Whether validation texts stand in the rows that are trained on, whatever the rows hold and wherever they begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmworks.tokens.rows.shards import ROWS_AT_ONCE, Rows

WINDOW = 13
"""Tokens: as many as words in the usual search for contamination (Brown et al. 2020, appendix C)."""
LEAST_TOKENS = 5
"""Of a text that is short and counts whole: shorter ones are alike by accident."""
FORM = 0.1
"""Share of the texts, but two of them, beyond which a window is their form, such as a system prompt, and tells none."""
SEEN = 0.8
"""Share of a text's windows that must stand in the training rows; what only begins alike has less."""
MOST_TOKENS = 10_000_000
"""Of training rows that are looked through: some seconds."""
FACTOR = np.uint64(0x9E3779B97F4A7C15)
INVERSE = np.uint64(pow(int(FACTOR), -1, 2**64))
Hashes = NDArray[np.uint64]


def share_seen(trained: Rows, numbers: Rows, unseen: Rows, breaks: Sequence[int]) -> float:
    """Share of unlike texts [M,T] that stand in training rows [N,T] of these numbers; 0 where none is long enough.

    A text is what stands between two of the tokens that begin, end or fill up.
    """
    wanted, owners = _own_windows(*_windows(np.asarray(unseen), breaks))
    if not len(wanted):
        return 0.0
    order = np.sort(wanted)
    found = np.zeros(len(order), bool)
    read = np.unique(numbers[: max(1, MOST_TOKENS // trained.shape[1])])
    for start in range(0, len(read), ROWS_AT_ONCE):
        hashes, _ = _windows(np.asarray(trained[read[start : start + ROWS_AT_ONCE]]), breaks)
        place = np.minimum(np.searchsorted(order, hashes), len(order) - 1)
        found[place[order[place] == hashes]] = True
    known = found[np.searchsorted(order, wanted)]
    counts, hits = np.bincount(owners), np.bincount(owners, known)
    return float((hits[counts > 0] >= SEEN * counts[counts > 0]).mean())


def _own_windows(wanted: Hashes, owners: NDArray[np.int64]) -> tuple[Hashes, NDArray[np.int64]]:
    """The windows of each text that are not the form of many, once where texts are alike."""
    if not len(wanted):
        return wanted, owners
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    _, once = np.unique(np.add.reduceat(wanted, starts), return_index=True)
    first = np.isin(owners, owners[starts][once])
    wanted, owners = wanted[first], owners[first]
    hashes, which = np.unique(wanted, return_inverse=True)
    texts = int(owners.max()) + 1
    spread = np.bincount(np.unique(which * texts + owners) // texts, minlength=len(hashes))
    own = spread[which] <= max(2, FORM * len(once))
    return wanted[own], owners[own]


def _windows(tokens: NDArray[Any], breaks: Sequence[int]) -> tuple[Hashes, NDArray[np.int64]]:
    """Hash and text of every window, or of the whole text where it is shorter than one."""
    rows = np.pad(tokens.astype(np.uint64), ((0, 0), (0, 1)), constant_values=breaks[0]).ravel()  # ends with each row
    powers = np.concatenate([[np.uint64(1)], np.cumprod(np.full(len(rows), FACTOR))])
    back = np.concatenate([[np.uint64(1)], np.cumprod(np.full(len(rows), INVERSE))])
    sums = np.concatenate([[np.uint64(0)], np.cumsum((rows + np.uint64(1)) * powers[:-1])])
    edges = np.flatnonzero(np.isin(rows, np.asarray(breaks, np.uint64)))
    starts, ends = np.concatenate([[0], edges[:-1] + 1]), edges
    long_enough = ends - starts >= LEAST_TOKENS
    starts, ends = starts[long_enough], ends[long_enough]
    places = np.maximum(1, ends - starts - WINDOW + 1)
    owners = np.repeat(np.arange(len(starts)), places)
    firsts = np.repeat(starts, places) + np.arange(len(owners)) - np.repeat(np.cumsum(places) - places, places)
    lasts = np.minimum(firsts + WINDOW, np.repeat(ends, places))
    return (sums[lasts] - sums[firsts]) * back[firsts], owners
