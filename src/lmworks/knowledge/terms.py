"""The terms by which passages are found: the beginnings of words, in one form of letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from lmworks.data.base.text import fold
from lmworks.data.base.words import letters_a_word, words_in
from lmworks.data.quality.language import languages_of

LETTERS = 6
"""Letters of a word that count. Endings, which a question seldom shares with a passage, are cut without knowing the
language (truncation: McNamee and Mayfield 2004). Five and seven find less. A stemmer for English finds as much."""
EVERYWHERE = frozenset(
    """a an and are as at be been but by can could did do does for from had has have how if in into is it no not of on
    or should such that the their then there these they this to was were what when where which who whom whose why will
    with would""".split()  # noqa: SIM905
)
"""English words of which no answer is told by; those of questions are rare in documents, and would weigh most."""


LOOKED_AT, LEAST_SHARE = 200, 0.2
"""Texts whose languages are looked at, and the share of them that a language needs: passages of code are misread."""


def terms_of(text: str, left_out: Collection[str] = ()) -> list[str]:
    """Return the terms of a text, in their order. In scripts that put no space between words every letter is one."""
    return [word[:LETTERS] for word in words_in(fold(text)) if word not in EVERYWHERE and word not in left_out]


def stop_words_of(texts: Sequence[str]) -> list[str]:
    """Return the stop words of the languages of some texts, to be left out of questions; none of English.

    `EVERYWHERE` finds more in English than the longer list of the package. Scripts without spaces have none: their
    terms are letters.
    """
    import stopwordsiso

    some = texts[:: len(texts) // LOOKED_AT + 1]
    languages = Counter(languages_of(text).language for text in some)
    found = [name for name, count in languages.items() if name not in (None, "en") and count >= LEAST_SHARE * len(some)]
    words = {word for name in found for word in stopwordsiso.stopwords(name)}
    return sorted({fold(word) for word in words if letters_a_word(word) == 1})
