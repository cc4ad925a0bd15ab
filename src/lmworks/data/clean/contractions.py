"""Contractions, by language: those with one meaning, written out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

Language = Literal["en", "fr", "it"]
_Pairs = Sequence[tuple[str, str]]

# English 's and 'd have several meanings, and "ain't" belongs to dialects.
_ENGLISH: _Pairs = (
    (r"\bcan['’]t\b", "cannot"),
    (r"\bwon['’]t\b", "will not"),
    (r"\bshan['’]t\b", "shall not"),
    (r"\blet['’]s\b", "let us"),
    (r"\b(do|does|did|is|are|was|were|has|have|had|would|could|should|might|must)n['’]t\b", r"\1 not"),
    (r"\b(i)['’]m\b", r"\1 am"),
    (r"\b(you|we|they)['’]re\b", r"\1 are"),
    (r"\b(i|you|we|they|would|could|should|might|must)['’]ve\b", r"\1 have"),
    (r"\b(i|you|he|she|it|we|they|that|there|who)['’]ll\b", r"\1 will"),
)
# French l' is le or la, and s' before il is si; "des" is an article, too.
_FRENCH: _Pairs = (
    (r"\b(s)['’](?=ils?\b)", r"\1i "),
    (r"\b(j|d|n|m|t|c|s|qu|jusqu|lorsqu|puisqu|quoiqu)['’](?=\w)", r"\1e "),
    (r"\bau\b", "à le"),
    (r"\baux\b", "à les"),
    (r"\bdu\b", "de le"),
)
# Italian "dei", "nei" and "sui" are words of their own, too, and un' stands for una alone.
_ITALIAN: _Pairs = (
    (r"\b(un)['’](?=\w)", r"\1a "),
    (r"\b(d)['’](?=\w)", r"\1i "),
    (r"\b(c)['’](?=[eè])", r"\1i "),
    (r"\bdell['’](?=\w)", "di l’"),
    (r"\bnell['’](?=\w)", "in l’"),
    (r"\b(a|da|su)ll['’](?=\w)", r"\1 l’"),
    (r"\bdel\b", "di il"),
    (r"\bdell([oae])\b", r"di l\1"),
    (r"\bdegli\b", "di gli"),
    (r"\bnel\b", "in il"),
    (r"\bnell([oae])\b", r"in l\1"),
    (r"\bnegli\b", "in gli"),
    (r"\b(a|da|su)l\b", r"\1 il"),
    (r"\b(a|da|su)ll([oae])\b", r"\1 l\2"),
    (r"\b(a|da|su)gli\b", r"\1 gli"),
)
_PAIRS: Mapping[Language, _Pairs] = {"en": _ENGLISH, "fr": _FRENCH, "it": _ITALIAN}
CONTRACTIONS: Mapping[Language, Sequence[tuple[re.Pattern[str], str]]] = {
    language: [(re.compile(pattern, re.IGNORECASE), full) for pattern, full in pairs]
    for language, pairs in _PAIRS.items()
}


def written_out(text: str, language: Language) -> str:
    """A text without contractions."""
    if language == "en" and "'" not in text and "’" not in text:
        return text
    for pattern, full in CONTRACTIONS[language]:
        text = pattern.sub(full, text)
    return text
