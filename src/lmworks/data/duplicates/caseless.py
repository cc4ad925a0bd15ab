"""What may be a name in scripts without capitals: every word, and where words are not parted, every run of characters.

No form tells a name there, so a text counts as a copy of another only if its words stand in that one, in any order.
"""

from __future__ import annotations

import re

from lmworks.data.words import UNSPACED

_UNSPACED = rf"{UNSPACED}\u0f00-\u0fff\u3005-\u3007\uf900-\ufaff\U00020000-\U0003ffff"
"""Beside Han, kana, Thai, Lao, Myanmar and Khmer: Tibetan, and what of Han is rare."""
_WORDS = (
    "\u0590-\u08ff\u0900-\u0dff\u10a0-\u11ff\u1200-\u139f\u1800-\u18af\u1a00-\u1c4f\u3130-\u318f\ua840-\uabff\uac00-\ud7af"
    "\ufb1d-\ufdff\ufe70-\ufeff"
)
"""Hebrew, Arabic, those of India, Georgian, Hangul, Ethiopic and others."""
CASELESS = re.compile(f"[{_WORDS}{_UNSPACED}]")
_RUN = re.compile(rf"[{_UNSPACED}](?:[\s\"'“”‘’«»「」『』《》〈〉【】()（）*_`·-]*[{_UNSPACED}\d])*")
_BESIDE = re.compile(rf"[^{_UNSPACED}\d]+")
_LENGTH = 4
"""Characters of a piece: a text of a few pages holds most pieces of two, and so any name."""


def pieces_of(text: str) -> tuple[str, set[str]]:
    """A text without what is written in scripts that do not part words, and the pieces of that.

    Pieces are all runs of four characters between marks that end a clause: spaces, quotes and brackets do not count.
    """
    pieces: set[str] = set()
    for run in _RUN.findall(text):
        signs = _BESIDE.sub("", run)
        pieces.update(signs[place : place + _LENGTH] for place in range(max(1, len(signs) - _LENGTH + 1)))
    return re.sub(f"[{_UNSPACED}]+", " ", text) if pieces else text, pieces
