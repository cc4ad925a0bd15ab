"""Names and telephone numbers whose parts stand apart: beside other words, or in several fields of a record.

Nobody can tell from that alone that they are one person's: such records are offered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import permutations

from lmworks.data.erasure.candidates import COUNTRY
from lmworks.data.erasure.names import MOST_WORDS, plain_name
from lmworks.data.erasure.values import phones
from lmworks.data.privacy.people import TITLES
from lmworks.data.text import fold
from lmworks.data.words import UNSPACED, borders, words_in

LONGEST_FIELD = 60
"""Characters of a field that may hold a part of a name, or of a number."""
MOST_BETWEEN = 3
"""Words between two of a name: "Müller, Dr. med. Erika", "Nachname: Müller, Vorname: Erika"."""
MOST_TURNED = 3
"""Words of a name that is sought in every order; of a longer one, each word comes first in turn."""
LEAST_REST = 4
"""Digits of a telephone number behind the code of its area."""
_BETWEEN = rf"[\W_]{{1,8}}(?:[^\W_]{{1,20}}[\W_]{{1,8}}){{0,{MOST_BETWEEN}}}"
_GROUPED = r"[ ./()-]{0,2}"
_NO_DIGITS, _LETTER = re.compile(r"\D+"), re.compile(r"[^\W\d_]")


class Parted:
    """Finds values whose parts stand apart."""

    def __init__(self, values: Sequence[str]) -> None:
        names = [(place, words) for place, value in enumerate(values) if (words := _words_of(value))]
        alone = {word: re.compile(borders(word)) for _, words in names for word in words}
        self._names = [(place, words, _near(words), [alone[word] for word in words]) for place, words in names]
        self._numbers = [(place, digits) for place, value in enumerate(values) for digits in _digits_of(value)]

    def __bool__(self) -> bool:
        return bool(self._names or self._numbers)

    def find(self, text: str) -> set[int]:
        """The places of the values whose parts a text has near one another."""
        said, digits = text.casefold(), _NO_DIGITS.sub("", text) if self._numbers else ""
        found = {
            place for place, words, near, _ in self._names if all(map(said.__contains__, words)) and near.search(said)
        }
        return found | {place for place, number in self._numbers if number in digits and _parted(number).search(text)}

    def in_fields(self, texts: Collection[str]) -> set[int]:
        """The places of the values whose parts fields of a record hold, and nothing else than these and titles."""
        short = [text.casefold() for text in texts if 0 < len(text) <= LONGEST_FIELD]
        said = "\n".join(short)
        found = set[int]()
        for place, words, _, patterns in self._names:
            if all(map(said.__contains__, words)):
                own = "\n".join(text for text in short if _is_of(text, words))
                found.update([place] * all(pattern.search(own) for pattern in patterns))
        numbers = [_NO_DIGITS.sub("", text) for text in short if not _LETTER.search(text)] if self._numbers else []
        return found | {place for place, number in self._numbers if _is_put_together(number, numbers)}


def _words_of(value: str) -> list[str]:
    """The words of what may be a name of several; none of another value."""
    if "@" in value or any(map(str.isdigit, value)) or re.search(f"[{UNSPACED}]", value):
        return []
    words = words_in(plain_name(value))
    return words if 1 < len(words) <= MOST_WORDS else []


def _near(words: Sequence[str]) -> re.Pattern[str]:
    turned = ([*words[at:], *words[:at]] for at in range(len(words)))
    orders = permutations(words) if len(words) <= MOST_TURNED else turned
    return re.compile("|".join(_BETWEEN.join(map(borders, order)) for order in orders))


def _is_of(text: str, words: Collection[str]) -> bool:
    """Whether a field holds nothing but words of a name, titles and initials."""
    return all(word in words or len(word) == 1 or fold(word) in TITLES for word in words_in(text))


def _digits_of(value: str) -> Iterator[str]:
    plain = "".join(filter(str.isalnum, value))
    if plain.isdigit() and 7 <= len(plain) <= 15:
        yield from {digits for kind, digits in phones(value, plain) if kind != "abroad"}


def _parted(number: str) -> re.Pattern[str]:
    """A number with something else behind the code of its area."""
    parts = ((number[:at], number[at:]) for at in range(2, len(number) - LEAST_REST + 1))
    either = (rf"{_GROUPED.join(area)}\D{{1,40}}{_GROUPED.join(rest)}" for area, rest in parts)
    return re.compile(rf"(?<!\d)0?(?:{'|'.join(either)})(?!\d)")


def _is_put_together(number: str, fields: Sequence[str]) -> bool:
    rests = {number[: -len(each)] for each in fields if len(each) >= LEAST_REST and number.endswith(each)} - {""}
    return any(
        rest in (each, each.lstrip("0"))
        or (each.endswith(rest) and COUNTRY.fullmatch(each.removesuffix(rest).lstrip("0")))
        for rest in rests
        for each in fields
    )
