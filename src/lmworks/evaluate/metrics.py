"""Scores of one answer against one reference."""

from __future__ import annotations

import re
from collections.abc import Sequence

ROUGE_L_SIGNATURE = (
    "ROUGE-L F1 (LCS of whole texts, lower case, [a-z0-9]+ words, no stemming: rouge-score 0.1.2's rougeL)"
)
"""The signature printed beside every ROUGE-L: variants of this metric differ by tens of per cent."""

_WORD = re.compile("[a-z0-9]+")


def rouge_l(reference: str, answer: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004), 0 to 1; equal to `rougeL` of `rouge-score` 0.1.2."""
    wanted, given = _WORD.findall(reference.lower()), _WORD.findall(answer.lower())
    common = longest_common_subsequence(wanted, given)
    return 2 * common / (len(wanted) + len(given)) if common else 0.0


def longest_common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, a whole row of the table at a time in the bits of one integer.

    Hyyrö 2004, "Bit-parallel LCS-length computation revisited": a cleared bit i says that the length grows at a[i].
    """
    places: dict[str, int] = {}
    for index, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(a)) - 1
    row = full
    for word in b:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & full
    return len(a) - row.bit_count()
