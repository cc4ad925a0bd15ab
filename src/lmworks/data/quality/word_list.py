"""Words and phrases from a user's file, such as a toxicity list, and how often a text holds them.

No list comes with lmworks: whom a word hurts depends on who speaks to whom, and published lists drop the texts of the
groups that they name (Dodge et al. 2021, arXiv 2104.08758).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from lmworks.data.base.text import one_form
from lmworks.data.base.words import letters_a_word, words_in
from lmworks.errors import UsageError

LEAST_LETTERS = 3
"""Minimum number of single letters in a row that are read as one spelt-out word. "a I" is not a word."""


def read_list(folder: Path, words: list[str] | str) -> list[str]:
    """Return the given words, or those of a file with one term per line. Raises `UsageError` if the file has none."""
    if isinstance(words, list):
        return words
    try:
        lines = (folder / words).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{folder / words}: cannot be read as UTF-8 text ({error}); fix its name in the recipe"
        ) from None
    if not any(map(str.strip, lines)):
        raise UsageError(f"{folder / words}: no word found; write one word or phrase per line")
    return [line.strip() for line in lines if line.strip()]


def share_listed(text: str, terms: tuple[str, ...], *, accents: bool = True) -> tuple[int, int]:
    """Return how often a text has one of the terms, whatever the case and Unicode form, and its number of words.

    A term that ends with * matches all words that begin with it. Spaced letters, as in s t u p i d, are one word. In
    scripts without spaces between words, a term is found anywhere. Without `accents`, stüpid equals stupid.
    """
    words, (known, begun) = words_in(one_form(text, accents=accents)), _by_first_word(terms, accents)
    looked_at = list(words)
    if sum(map((1).__eq__, map(len, words))) >= LEAST_LETTERS:
        looked_at += ["".join(letters) for letters in _letters_apart(words)]
    distinct, found = set(looked_at), 0
    if not known.keys().isdisjoint(distinct) or (begun and any(each.startswith(begun) for each in distinct)):
        for place, word in enumerate(looked_at):
            found += word.startswith(begun) or any(_stands(*each, looked_at, place) for each in known.get(word, ()))
    return found, len(words) // letters_a_word(text)


def _stands(term: tuple[str, ...], is_open: bool, words: Sequence[str], place: int) -> bool:
    *before, last = words[place : place + len(term)]
    whole = len(before) + 1 == len(term) and before == [*term[:-1]]
    return whole and (last.startswith(term[-1]) if is_open else last == term[-1])


def _letters_apart(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield each longest run of one-letter words in scripts that put space between words."""
    for apart, run in groupby(words, lambda word: len(word) == 1 and letters_a_word(word) == 1):
        if apart and len(letters := list(run)) >= LEAST_LETTERS:
            yield letters


@functools.lru_cache(maxsize=4)
def _by_first_word(
    terms: tuple[str, ...], accents: bool
) -> tuple[dict[str, list[tuple[tuple[str, ...], bool]]], tuple[str, ...]]:
    """Return the terms by first word, each with whether it ends with *, and the one-word terms that do."""
    found: dict[str, list[tuple[tuple[str, ...], bool]]] = {}
    begun = list[str]()
    for term in terms:
        words, is_open = tuple(words_in(one_form(term, accents=accents))), term.rstrip().endswith("*")
        if len(words) == 1 and is_open:
            begun += words
        elif words:
            found.setdefault(words[0], []).append((words, is_open))
    return found, tuple(begun)
