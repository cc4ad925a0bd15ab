"""Loose forms of a value, which a person must review: declined, in another order, split, or in a longer word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import permutations

from lmworks.data.base.text import fold, letters
from lmworks.data.base.words import HANGUL, UNSPACED, words_in
from lmworks.data.erased.contacts import phones_of
from lmworks.data.erased.names import MOST_ENDING, MOST_WORDS
from lmworks.data.privacy.people import given_name_first

LEAST_STEM = 3
"""Minimum letters of a word that is searched with an ending."""
LONGEST_FIELD = 60
"""Maximum characters of a field that may hold a part of a value."""
_LAST_VOWEL = re.compile(r"(?<=..)[aeiouyаеёиоуыэюяйьеї]\Z")
"""Pattern of the last vowel of a word, which other endings replace: Anna, Anny."""
_GAP, _NEAR = r"[\W_]{1,3}", r"[\W_]{1,8}(?:[^\W_]{1,20}[\W_]{1,8}){0,3}"
_SPELLED = r"[\W_]{1,4}(?:(?:at|dot|punkt)[\W_]{1,4})?"
_GLUES = re.compile(f"[\u0590-\u06ff{HANGUL}]")
"""Pattern of letters of scripts that attach words to the front of a name."""
_TRANSLITERATED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


class Loose:
    """Loose forms of values: declined, in another order, split, or in a longer word."""

    def __init__(self, values: Sequence[str]) -> None:
        self._words: list[tuple[int, list[str], re.Pattern[str]]] = []
        self._digits = [(place, digits) for place, value in enumerate(values) for digits in _digits_of(value)]
        for place, value in enumerate(values):
            name = given_name_first(letters(value))
            for form in dict.fromkeys((fold(name), fold(name.casefold().translate(_TRANSLITERATED)))):
                if pattern := _pattern(form):
                    words = [word for word in words_in(form) if not re.search(f"[{HANGUL}]", word)]
                    self._words.append((place, words, re.compile(pattern)))

    def find(self, text: str) -> set[int]:
        """Return the places of the values that a text may hold."""
        plain = fold(text)
        found = {
            place
            for place, words, pattern in self._words
            if all(_stem(word) in plain for word in words) and pattern.search(plain)
        }
        runs = [re.sub(r"[\W_]+", "", run) for run in re.split(r"\D{41,}", plain)] if self._digits else ()
        return found | {
            place for place, digits in self._digits if any(digits in re.sub(r"\D", "", run) for run in runs)
        }

    def in_fields(self, texts: Sequence[str]) -> set[int]:
        """Return the places of values whose parts are in several short fields of a record without other words."""
        short = [text for text in texts if 0 < len(text) <= LONGEST_FIELD] if self._words or self._digits else []
        plain = [*map(fold, short)]
        numbers = [re.sub(r"\D", "", text) for text in plain if not re.search(r"[^\W\d_]", text)]
        pairs = [(one, other) for one, other in permutations(filter(None, numbers), 2)]
        found = {
            place
            for place, digits in self._digits
            if any((one + other).endswith(digits) and not other.endswith(digits) for one, other in pairs)
        }
        for place, words, pattern in self._words:
            own = [text for text in plain if {*words}.issuperset(words_in(text))]
            if len(own) > 1 and pattern.search(" ".join(own)):
                found.add(place)
        return found


def _stem(word: str) -> str:
    return _LAST_VOWEL.sub("", word) if len(word) > LEAST_STEM - 1 else word


def _declined(word: str) -> str:
    return rf"{re.escape(_stem(word))}\w{{0,{MOST_ENDING}}}" if len(word) >= LEAST_STEM else re.escape(word)


def _pattern(form: str) -> str:
    """Return a pattern of the loose forms of a folded value, or "" if it has none."""
    words = words_in(form)
    if "@" in form:
        return rf"(?<![\w.+-]){_SPELLED.join(map(re.escape, words))}(?!\w|[.-]\w)"
    if any(map(str.isdigit, form)):
        return ""
    if re.search(f"[{UNSPACED}{HANGUL}]", form):
        return r"\s?".join(re.escape(sign) for sign in "".join(words))
    if not 0 < len(words) <= MOST_WORDS:
        return ""
    if len(words) == 1 and len(words[0]) <= (2 if _GLUES.search(form) else LEAST_STEM):
        return ""
    orders = list(permutations(words) if len(words) <= 3 else ([*words[at:], *words[:at]] for at in range(len(words))))
    front = rf"(?<!\w)\w{{0,{3 if _GLUES.search(form) else 0}}}"
    declined = (_GAP.join(map(_declined, order)) for order in orders)
    apart = (rf"{_NEAR}".join(rf"(?<!\w){re.escape(word)}(?!\w|\.\w)" for word in order) for order in orders)
    return rf"{front}(?:{'|'.join(declined)})(?!\w|\.\w)" + (f"|{'|'.join(apart)}" if len(words) > 1 else "")


def _digits_of(value: str) -> Iterator[str]:
    """Yield the digits of a telephone number, which may be part of a longer number."""
    digits = "".join(filter(str.isalnum, value))
    if "@" not in value and digits.isdigit() and 7 <= len(digits) <= 15:
        yield from {digits for kind, digits in phones_of(value, digits) if kind != "abroad"}
