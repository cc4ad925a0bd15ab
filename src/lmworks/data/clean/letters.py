"""Letters in other forms of the same: those that fonts join or shape, and all that Unicode calls compatible (NFKC)."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from itertools import chain, groupby

SHAPED = "ligatures and presentation forms, now letters"
"""What `as_letters` changes is counted under these words."""

FORMS = re.compile(
    "[\ufb00-\ufb06\ufb13-\ufb17\ufb20-\ufb28\ufb4f\ufb50-\ufbb1\ufbd3-\ufbff\ufc00-\ufd3d\ufd50-\ufdf9\ufe70-\ufefc]"
)
"""Latin and Armenian ligatures, Hebrew and Arabic letters as they are drawn: no keyboard has them, fonts do. The signs
behind U+FDF9, such as ﷺ, are written as they are."""
_RANGES = (range(0x80, 0x3400), range(0xA69C, 0xAB6A), range(0xF900, 0x10000), range(0x10780, 0x1F300))
"""Where Unicode has compatible characters of letters and digits."""
_LEFT = "™℠№℡"
"""Signs that are no part of the word before them."""


def as_letters(text: str) -> tuple[str, int]:
    """A text in the letters that a font joined or shaped, and how many of its characters were changed."""
    return (text, 0) if text.isascii() else FORMS.subn(_letters, text)


def _letters(shaped: re.Match[str]) -> str:
    return letter(shaped[0])


def compatible(text: str) -> str:
    """A text in the plain letters and digits of Unicode's form NFKC; raised and enclosed numbers stand alone.

    "²" behind a word is a note's number. What holds no letter or digit, such as "…", is left, and so are fractions.
    """
    if text.isascii() or unicodedata.is_normalized("NFKC", text) or _compatible().isdisjoint(text):
        return text
    return _runs().sub(_plain, text)


@cache
def _compatible() -> frozenset[str]:
    """Characters that NFKC writes with other letters, digits or accents."""
    found = set()
    for sign in map(chr, chain(*_RANGES)):
        plain = unicodedata.normalize("NFKC", sign)
        is_word = any(each.isalnum() or unicodedata.combining(each) for each in plain) and "\u2044" not in plain
        if is_word and sign not in _LEFT and plain != unicodedata.normalize("NFC", sign):
            found.add(sign)
    return frozenset(found)


@cache
def _runs() -> re.Pattern[str]:
    spans: list[str] = []
    for sign in sorted(_compatible()):
        if spans and ord(spans[-1][-1]) + 1 == ord(sign):
            spans[-1] = f"{spans[-1][0]}-{sign}"  # a class of single characters takes twenty times as long
        else:
            spans.append(sign)
    return re.compile(f"[{''.join(spans)}]+")


def _plain(found: re.Match[str]) -> str:
    return "".join(
        f" {unicodedata.normalize('NFKC', ''.join(signs))} " if is_number else "".join(map(letter, signs))
        for is_number, signs in groupby(found[0], lambda sign: unicodedata.category(sign) == "No")
    )


@lru_cache(maxsize=10_000)
def letter(sign: str) -> str:
    """What a joined or shaped letter, or another compatible one, is made of: one letter or more."""
    return unicodedata.normalize("NFKC", sign).lstrip(" ")  # a vowel sign stands above the letter before it
