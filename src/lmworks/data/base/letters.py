"""Letters that fonts join or shape, replaced by letters as people type them (NFKC)."""

from __future__ import annotations

import re
import unicodedata

SHAPED = "ligatures and presentation forms, now letters"
"""Name of the count of characters that `as_letters` changes."""

_FORMS = re.compile(
    "[\ufb00-\ufb06\ufb13-\ufb17\ufb20-\ufb28\ufb4f\ufb50-\ufbb1\ufbd3-\ufbff\ufc00-\ufd3d\ufd50-\ufdf9\ufe70-\ufefc]"
)
"""Pattern of Latin and Armenian ligatures, and shaped Hebrew and Arabic letters, which fonts have but no keyboard. The
signs after U+FDF9, such as ﷺ, stay as they are."""


def as_letters(text: str) -> tuple[str, int]:
    """Return a text in which joined and shaped letters are plain letters, and the number of characters changed."""
    return (text, 0) if text.isascii() else _FORMS.subn(_plain, text)


def _plain(shaped: re.Match[str]) -> str:
    """Return the letters of a shape. A vowel sign gets no space before it, because it belongs to the letter before."""
    return unicodedata.normalize("NFKC", shaped[0]).lstrip(" ")
