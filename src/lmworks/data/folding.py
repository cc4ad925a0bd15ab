"""One form of letters for all cases: what capitals lose, and what languages write differently, tells nothing apart."""

from __future__ import annotations

import re
import unicodedata

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")


class _Folds(dict[int, str]):
    """By code what a character is in the one form, made when first asked for."""

    def __missing__(self, code: int) -> str:
        small = unicodedata.normalize("NFKD", chr(code)).casefold().lower()
        plain = "".join(each for each in small if not "\u0300" <= each <= "\u036f").replace("ı", "i")
        self[code] = unicodedata.normalize("NFC", plain)
        return self[code]


_FOLDS = _Folds()


def fold(text: str) -> str:
    """A text in small letters without accents, in which İ, I, ı and i are one letter, as are ß, ẞ and ss, ς and σ.

    Capitals lose accents in Greek and often in French. Some letters become none or several: see `places`.
    """
    return _BEYOND_ASCII.sub(lambda found: found[0].translate(_FOLDS), text).lower()


def places(text: str) -> list[int]:
    """Where in a text each character of its folded form stands, and last the text's end."""
    return [place for place, each in enumerate(text) for _ in _FOLDS[ord(each)]] + [len(text)]


class _Forms(dict[int, str]):
    """By code what a character is in one form that keeps accents, and is none where nobody sees it."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        form = "" if unicodedata.category(letter) == "Cf" else unicodedata.normalize("NFKC", letter)
        if unicodedata.decomposition(letter).startswith(("<super>", "<sub>", "<fraction>")):  # 2² is not 22
            form = letter
        self[code] = form.casefold()
        return self[code]


_FORMS = _Forms()


def one_form(text: str, *, accents: bool = True) -> str:
    """A text in small letters and one of Unicode's forms, without signs that nobody sees, single spaces between words;
    without `accents`, as of ü, these are lost too."""
    if text.isascii():
        return " ".join(text.lower().split())
    small = unicodedata.normalize("NFC", text).translate(_FORMS)
    if not accents:
        small = "".join(each for each in unicodedata.normalize("NFD", small) if not "\u0300" <= each <= "\u036f")
    return unicodedata.normalize("NFC", " ".join(small.split()))
