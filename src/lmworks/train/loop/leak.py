"""Share of texts that are among the training rows, whatever the rows hold and wherever they begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lmworks.tokens.rows.shards import ROWS_AT_ONCE, Rows

WINDOW = 13
"""Tokens: as many as words in the usual search for contamination (Brown et al. 2020, appendix C)."""
LEAST_TOKENS = 5
"""Fewest tokens of a short text that counts whole: shorter ones are alike by accident."""
FORM = 0.1
"""Share of the texts, and at least two, beyond which a window is their form, such as a system prompt."""
SEEN = 0.8
"""Share of a text's windows that must be in the training rows."""
MOST_TOKENS = 10_000_000
"""Most tokens of training rows that are searched: some seconds."""
POWERS = np.cumprod(np.full(WINDOW, 0x9E3779B97F4A7C15, np.uint64))
Hashes = NDArray[np.uint64]


def share_seen(trained: Rows, numbers: Rows, unseen: Rows, breaks: Sequence[int]) -> float:
    """Return the share of different texts [M,T] that are in training rows [N,T] of these numbers; 0 without texts.

    A text lies between two of the tokens that begin, end or fill up.
    """
    hashes, owners = _windows(unseen, breaks)
    texts = {frozenset(part.tolist()) for part in np.split(hashes, np.flatnonzero(np.diff(owners)) + 1) if len(part)}
    spread = Counter(window for text in texts for window in text)
    own = [{window for window in text if spread[window] <= max(2, FORM * len(texts))} for text in texts]
    read, wanted = np.unique(numbers[: max(1, MOST_TOKENS // trained.shape[1])]), np.array(list(spread), np.uint64)
    seen = set[int]()
    for start in range(0, len(read), ROWS_AT_ONCE):
        here, _ = _windows(trained[read[start : start + ROWS_AT_ONCE]], breaks)
        seen.update(wanted[np.isin(wanted, here)].tolist())
    shares = [len(text & seen) / len(text) for text in own if text]
    return float(np.mean(np.array(shares) >= SEEN)) if shares else 0.0


def _windows(tokens: Rows, breaks: Sequence[int]) -> tuple[Hashes, NDArray[np.int64]]:
    """Return hash and text of every window inside a text, and of each shorter text as a whole."""
    rows = np.pad(np.asarray(tokens, np.uint64), ((0, 0), (0, 1)), constant_values=breaks[0]).ravel()
    ends = np.isin(rows, np.asarray(breaks, np.uint64))
    inside = np.ones(len(rows), bool)
    hashes, lengths = np.zeros(len(rows), np.uint64), np.zeros(len(rows), np.int64)
    for offset in range(WINDOW):  # tokens behind the end of a text do not count
        inside[len(rows) - offset :] = False
        inside[: len(rows) - offset] &= ~ends[offset:]
        hashes[inside] += (rows[np.flatnonzero(inside) + offset] + np.uint64(1)) * POWERS[offset]
        lengths += inside
    begins = np.append(True, ends[:-1])
    counted = (lengths == WINDOW) | (begins & (lengths >= LEAST_TOKENS))
    return hashes[counted], np.cumsum(ends)[counted]
