"""Words that two texts share, as ROUGE counts them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

from lmworks.data.base.words import words_in

Split = Callable[[str], list[str]]
"""Function that finds the words of a text."""
_WORD = re.compile("[a-z0-9]+")
_A_LETTER, _LATIN = re.compile(r"[^\W\d_]"), re.compile("[A-Za-z\u00aa-\u024f\u1e00-\u1eff]")


def words_of(text: str) -> list[str]:
    """Return the words that ROUGE-L counts."""
    return _WORD.findall(text.lower())


def words_of_any_script(text: str) -> list[str]:
    """Return the words that ROUGE counts if references are not in Latin script."""
    return words_in(text.lower())


def split_of(references: Iterable[str]) -> Split:
    """Return the function that finds words: that of `rouge-score` if half of the references' letters are Latin."""
    text = " ".join(references)
    is_latin = text.isascii() or 2 * len(_LATIN.findall(text)) >= len(_A_LETTER.findall(text))
    return words_of if is_latin else words_of_any_script


def rouge_n(reference: str, answer: str, order: int, split: Split = words_of) -> float:
    """Return F1 of shared n-grams of `order` words (Lin 2004), 0 to 1, equal to `rouge1`, … of `rouge-score` 0.1.2."""
    wanted, given = (
        Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))
        for words in map(split, (reference, answer))
    )
    common = (wanted & given).total()
    return 2 * common / (wanted.total() + given.total()) if common else 0.0
