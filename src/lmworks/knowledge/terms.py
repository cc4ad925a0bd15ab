"""Terms for the search of passages: the first letters of each word, in normalised form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from lmworks.data.base.text import fold
from lmworks.data.base.words import letters_a_word, words_in
from lmworks.data.quality.language import languages_of

LETTERS = 6
"""Number of first letters of a word that form its term. Endings often differ between question and passage, so they are
cut (truncation: McNamee and Mayfield 2004), in any language. Five and seven find less, an English stemmer as much."""
EVERYWHERE = frozenset(
    """a an and are as at be been but by can could did do does for from had has have how if in into is it no not of on
    or should such that the their then there these they this to was were what when where which who whom whose why will
    with would""".split()  # noqa: SIM905
)
"""English words that are left out of the search. Question words are rare in documents, so they would weigh most."""


LOOKED_AT, LEAST_SHARE = 200, 0.2
"""Number of texts whose language is detected, and minimum share of a language among them, since code misleads."""


def terms_of(text: str, left_out: Collection[str] = ()) -> list[str]:
    """Return the terms of a text, in order. In scripts without spaces between words, every letter is a term."""
    return [word[:LETTERS] for word in words_in(fold(text)) if word not in EVERYWHERE and word not in left_out]


def stop_words_of(texts: Sequence[str]) -> list[str]:
    """Return the stop words of the texts' languages, to be left out of questions, except for English.

    For English, `EVERYWHERE` gives better results than the package's longer list. Scripts without spaces have no stop
    words here, because their terms are letters.
    """
    import stopwordsiso

    some = texts[:: len(texts) // LOOKED_AT + 1]
    languages = Counter(languages_of(text).language for text in some)
    found = [name for name, count in languages.items() if name not in (None, "en") and count >= LEAST_SHARE * len(some)]
    words = {word for name in found for word in stopwordsiso.stopwords(name)}
    return sorted({fold(word) for word in words if letters_a_word(word) == 1})
