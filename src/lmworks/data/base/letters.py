"""Letters that fonts join or shape, written as they are typed (NFKC)."""

from __future__ import annotations

import re
import unicodedata

SHAPED = "ligatures and presentation forms, now letters"
"""Name of the count of characters that `as_letters` changes."""

_FORMS = re.compile(
    "[\ufb00-\ufb06\ufb13-\ufb17\ufb20-\ufb28\ufb4f\ufb50-\ufbb1\ufbd3-\ufbff\ufc00-\ufd3d\ufd50-\ufdf9\ufe70-\ufefc]"
)
"""Latin and Armenian ligatures, Hebrew and Arabic letters as they are drawn: no keyboard has them, fonts do. The signs
behind U+FDF9, such as ﷺ, are written as they are."""


def as_letters(text: str) -> tuple[str, int]:
    """Return a text without the letters that a font joined or shaped, and the number of characters changed."""
    return (text, 0) if text.isascii() else _FORMS.subn(_plain, text)


def _plain(shaped: re.Match[str]) -> str:
    """Return the letters of a shape, without the space before a vowel sign, which belongs to the letter before it."""
    return unicodedata.normalize("NFKC", shaped[0]).lstrip(" ")
