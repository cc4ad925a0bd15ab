"""Words and phrases from a user's file, such as a toxicity list, and how often a text holds them.

No list comes with lmworks: whom a word hurts depends on who speaks to whom, and published lists drop the texts of the
groups that they name (Dodge et al. 2021, arXiv 2104.08758).
"""

from __future__ import annotations

import functools
from pathlib import Path

from lmworks.data.words import letters_a_word, words_in
from lmworks.errors import UsageError


def read_list(folder: Path, words: list[str] | str) -> list[str]:
    """Words given as such, or those of a file with one word or phrase a line. Raises `UsageError` if there are none."""
    if isinstance(words, list):
        return words
    try:
        lines = (folder / words).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{folder / words}: cannot be read as UTF-8 text ({error}); mend its name in the recipe"
        ) from None
    if not any(map(str.strip, lines)):
        raise UsageError(f"{folder / words}: no word found; write one word or phrase a line")
    return [line.strip() for line in lines if line.strip()]


def share_listed(text: str, terms: tuple[str, ...]) -> tuple[int, int]:
    """How often a text holds a term, without regard to case, and its number of words.

    Where a script puts no space between words, a term is found wherever it stands.
    """
    words, known = words_in(text.lower()), _by_first_word(terms)
    found = 0
    if not known.keys().isdisjoint(words):
        for place, word in enumerate(words):
            found += any(tuple(words[place : place + len(term)]) == term for term in known.get(word, ()))
    return found, len(words) // letters_a_word(text)


@functools.lru_cache(maxsize=4)
def _by_first_word(terms: tuple[str, ...]) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for term in terms:
        if words := tuple(words_in(term.lower())):
            found.setdefault(words[0], []).append(words)
    return found
