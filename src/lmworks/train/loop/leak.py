"""Share of texts that are in the training rows, wherever the texts begin in a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lmworks.tokens.rows.shards import ROWS_AT_ONCE, Rows

WINDOW = 13
"""Tokens per window. The usual search for contamination has 13 words (Brown et al. 2020, appendix C)."""
LEAST_TOKENS = 5
"""Least tokens of a short text, which is compared as a whole. Shorter texts can be equal by accident."""
FORM = 0.1
"""Largest share of the texts that share a window. A window in more texts is a form, such as a system prompt."""
SEEN = 0.8
"""Least share of a text's windows that are in the training rows of a seen text."""
MOST_TOKENS = 10_000_000
"""Maximum number of training tokens to search, which takes some seconds."""
POWERS = np.cumprod(np.full(WINDOW, 0x9E3779B97F4A7C15, np.uint64))
Hashes = NDArray[np.uint64]


def share_seen(trained: Rows, numbers: Rows, unseen: Rows, breaks: Sequence[int]) -> float:
    """Return the share of distinct texts in rows [M,T] that are also in training rows [N,T]. Without texts, it is 0.

    `numbers` are the training rows to search. Tokens in `breaks`, such as begin, end and padding, separate texts.
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
    """Return the hash and the text number of every window inside a text, and of each shorter text as a whole."""
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
