"""Texts as detectors read them: with plain letters, spaces, dashes and digits, after the name of their field."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from lmworks.data.base.text import View, view

_MARKUP = re.compile("&(?:#[0-9]{1,12}|#[xX][0-9a-fA-F]{1,12}|[A-Za-z]{2,24});|<[^<>]{0,200}>[@0-9]|[@0-9]<[A-Za-z/]")
"""Pattern of character references, and of tags beside an @ or a digit. They hide a value that a page shows."""
_NOTE = re.compile(r"<(?=/?su[bp]\b)")
"""Pattern of the start of tags around the number of a note, which does not belong to the number before it."""
_ANY_DASH = "[\u2010-\u2014\u2212\ufe58\ufe63\uff0d]"
_DASHES = re.compile(  # the dash comes first, since nothing else is looked for as fast
    f"{_ANY_DASH}(?:(?<=[0-9][^\u2014])(?=[0-9A-Z])|(?<=[A-Z][\u2010-\u2013\u2212])(?=[0-9])|(?<=[0-9]\u2014)(?=[0-9]))"
)
"""Pattern of dashes inside numbers. A dash between words separates them."""
_NUMBER = "[\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u24ea]"
_NUMBERS = re.compile(rf"{_NUMBER}(?<!\w.){_NUMBER}*")
"""Pattern of raised, lowered or enclosed digits, except behind a letter or digit, where they number a note."""
_AT_IN_CIRCLE = re.compile(" [ⓐⒶ] ")
"""Pattern of the sign of an address as a letter in a circle, as in `jane ⓐ example.org`."""
_WHOLE_FLOAT = re.compile(r"[0-9]{7,16}\.0")
"""Pattern of a whole number that a table stores with decimals, as tables do if a row lacks the number."""

_PART = re.compile(r"[A-ZÀ-Þ]?[^\W\d_A-ZÀ-Þ]+|[A-ZÀ-Þ]+(?![^\W\d_A-ZÀ-Þ])")
_SILENT = frozenset(
    (
        "text", "texts", "message", "messages", "content", "contents", "body", "value", "values", "data", "key",
        "keys", "token", "tokens", "number", "num", "nr", "no", "id", "ids", "index", "line", "lines", "name", "title",
        "desk", "question", "answer", "answers", "prompt", "response", "input", "output", "instruction", "role",
        "user", "assistant", "system", "description", "note", "notes", "add", "signal", "secret", "pass", "contra",
        "nata", "nato", "car", "auto", "case",
    )
)  # fmt: skip
"""Words in names of fields that say nothing about the value, although some of them do so in a sentence."""
_NAMES = 3
"""Number of last parts of a field's path that count. Earlier parts cover too much."""


class Reading(NamedTuple):
    """Text as detectors get it."""

    text: str
    before: int
    """Number of characters of the field's name before the text."""
    view: View
    is_float: bool = False
    """Whether ".0" after a number is left out of the text. A finding of the last digit then includes it."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a stretch is in the original text. A stretch in the field's name becomes empty."""
        start, end = self.view.span(max(0, start - self.before), max(0, end - self.before))
        return start, end + 2 * (self.is_float and end == len(self.view.text))


def readings(text: str, name: str = "") -> Iterator[Reading]:
    """Yield a text after the name of its field: as it is and, if it has markup, as a page shows it."""
    words = words_of(name) if name else ""
    is_float = text[-2:] == ".0" and _WHOLE_FLOAT.fullmatch(text) is not None
    text = text if text.isascii() else _AT_IN_CIRCLE.sub(" @ ", text)
    has_markup = ("&" in text or "<" in text) and _MARKUP.search(text) is not None
    for markup in (False, True)[: 1 + has_markup]:
        seen = view(_NOTE.sub("[", text) if markup else text[:-2] if is_float else text, markup=markup)
        yield Reading(words + _plain(seen.text), len(words), seen, is_float)


def _plain(text: str) -> str:
    """Return a text of equal length with plain digits, and plain dashes inside of numbers."""
    if text.isascii():
        return text
    text = _NUMBERS.sub(lambda run: "".join(unicodedata.normalize("NFKC", sign) for sign in run[0]), text)
    return _DASHES.sub("-", text)


@functools.lru_cache(maxsize=10_000)
def words_of(name: str) -> str:
    """Return the words of a field's path before its value: "phone number: " for `people.0.phoneNumber`, or ""."""
    parts = [part for part in name.split(".") if not part.isdigit()][-_NAMES:]
    words = [word for part in parts for word in _PART.findall(part)]
    if all(word.lower() in _SILENT for word in words):
        return ""
    return f"{' '.join(words)}: "
