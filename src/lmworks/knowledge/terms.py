"""The terms by which passages are found: the beginnings of words, in one form of letters."""

from __future__ import annotations

from lmworks.data.folding import fold
from lmworks.data.words import words_in

LETTERS = 6
"""Of a word that count: its endings, which a question seldom shares with a passage, are cut off without knowing the
language (truncation: McNamee and Mayfield 2004). Five and seven find less; a stemmer for English finds as much."""
EVERYWHERE = frozenset(
    """a an and are as at be been but by can could did do does for from had has have how if in into is it no not of on
    or should such that the their then there these they this to was were what when where which who whom whose why will
    with would""".split()  # noqa: SIM905
)
"""English words of which no answer is told by; those of questions are rare in documents, and would weigh most."""


def terms_of(text: str) -> list[str]:
    """The terms of a text, in their order. In scripts that put no space between words every letter is one."""
    return [word[:LETTERS] for word in words_in(fold(text)) if word not in EVERYWHERE]
