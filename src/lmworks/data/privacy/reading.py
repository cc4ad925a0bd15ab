"""A text as detectors read it: with plain spaces, dashes and digits, and behind the name of its field.

What looks like a space to a reader is one, whatever its code; what cannot be seen is not there.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_DASHES = re.compile(
    "(?<=[0-9])[\u2010-\u2013\u2212\ufe58\ufe63\uff0d](?=[0-9A-Z])|(?<=[A-Z])[\u2010-\u2013\u2212](?=[0-9])"
    "|(?<=[0-9])\u2014(?=[0-9])"
)
"""Those inside of numbers: between words a dash parts them."""
_WIDE = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff0b\uff0e\uff20\u0660-\u0669\u06f0-\u06f9\u0966-\u096f]")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]|&(?:nbsp|#160|#x0*[aA]0|thinsp|#8239);")
_ODD = re.compile(
    "[\u00a0\u00ad\u1680\u2000-\u2014\u202f\u205f\u2060\u2212\u3000\ufe58\ufe63\ufeff\uff0b-\uff5a"
    "\u0660-\u0669\u06f0-\u06f9\u0966-\u096f]"
)
_WHOLE_FLOAT = re.compile(r"[0-9]{7,16}\.0")
"""A number that a table took for one with decimals, as tables do where a row lacks it."""

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
"""Names that say nothing of what stands under them, though some of their words do so in a sentence."""
_NAMES = 3
"""Of a path, the last so many: those further up are of too much."""


class Reading(NamedTuple):
    """A text that detectors are given."""

    text: str
    before: int = 0
    """Characters of the field's name before the text."""
    places: Sequence[int] | None = None
    """Where each character stands in the text as it is, and its end; None where that is the same."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text as it is a stretch stands; empty for one in the field's name."""
        start, end = max(0, start - self.before), max(0, end - self.before)
        return (start, end) if self.places is None or end <= start else (self.places[start], self.places[end - 1] + 1)


def read(text: str, name: str = "") -> Reading:
    """A text and the name of its field as detectors read them."""
    said = words_of(name) if name else ""
    places: Sequence[int] | None = None
    if text[-2:] == ".0" and _WHOLE_FLOAT.fullmatch(text):
        text, places = text[:-2], [*range(len(text) - 3), len(text) - 1]  # what takes the last digit takes the rest
    elif ("&" in text and _UNSEEN.search(text)) or (not text.isascii() and _ODD.search(text)):
        text, places = _plain(text)
    return Reading(said + text, len(said), places)


def _plain(text: str) -> tuple[str, Sequence[int] | None]:
    places: list[int] | None = None
    if _UNSEEN.search(text):
        places, pieces, position = [], [], 0
        for match in _UNSEEN.finditer(text):
            pieces.append(text[position : match.start()])
            places += range(position, match.start())
            if match[0][0] == "&":
                pieces.append(" ")
                places.append(match.start())
            position = match.end()
        pieces.append(text[position:])
        places += range(position, len(text))
        text = "".join(pieces)
    text = _WIDE.sub(lambda match: unicodedata.normalize("NFKC", _digit(match[0])), _SPACES.sub(" ", text))
    return _DASHES.sub("-", text), places


def _digit(character: str) -> str:
    """The character, or the European digit of the same value."""
    return str(unicodedata.digit(character)) if character.isdigit() else character


@functools.lru_cache(maxsize=10_000)
def words_of(name: str) -> str:
    """What a field's path says before its value: "phone number: " for `people.0.phoneNumber`; "" if it says nothing."""
    parts = [part for part in name.split(".") if not part.isdigit()][-_NAMES:]
    words = [word for part in parts for word in _PART.findall(part)]
    if all(word.lower() in _SILENT for word in words):
        return ""
    return f"{' '.join(words)}: "
