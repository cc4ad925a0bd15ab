"""A text as detectors read it: with plain spaces, dashes and digits, and behind the name of its field.

What looks like a space to a reader is one, whatever its code; what cannot be seen is not there.
"""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from lmworks.data.clean.letters import FORMS, letter

_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_ANY_DASH = re.compile("[\u2010-\u2014\u2212\ufe58\ufe63\uff0d]")
_DASHES = re.compile(  # the dash comes first, since nothing else is looked for as fast
    f"{_ANY_DASH.pattern}(?:(?<=[0-9][^\u2014])(?=[0-9A-Z])"
    "|(?<=[A-Z][\u2010-\u2013\u2212])(?=[0-9])|(?<=[0-9]\u2014)(?=[0-9]))"
)
"""Those inside of numbers: between words a dash parts them."""
_WIDE = re.compile(r"[\ufe52\ufe6b\uff08\uff09\uff0b\uff0e\uff0f\uff1a\uff20-\uff3a\uff3f\uff41-\uff5a]|[^\D0-9]")
"""Wide letters and marks of addresses, and decimal digits of every script."""
_OTHER_FORMS = re.compile(
    f"{FORMS.pattern}|[\u210a-\u2113\u2115\u2119-\u211d\u2124\u2128\u212c-\u2134\u2145-\u2149\U0001d400-\U0001d7cb]"
)
"""Letters that fonts join or shape, and those of mathematics, in which posts are written to stand out."""
_USUAL = bytes((9, 10, 12, 13, *range(32, 127)))
"""What texts are mostly made of, and none of it odd."""
_SIGNS = (
    "\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f"
    "\ufeff\ufff9-\ufffc\U000e0000-\U000e007f\U000e0100-\U000e01ef"
)
"""What cannot be seen: control characters, signs of direction, joiners, fillers, variation selectors and tags."""
_REFERENCE = re.compile("&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,24});")
_SIGN = re.compile(f"[{_SIGNS}]")
_UNSEEN = re.compile(f"{_SIGN.pattern}|{_REFERENCE.pattern}")
_ALL_UNSEEN = re.compile(f"[{_SIGNS}]*")
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
    elif unusual := _unusual(text):
        text, places = _plain(text, unusual)
    return Reading(said + text, len(said), places)


def _unusual(text: str) -> str:
    """Every character of a text that may have to be read otherwise, once; `&` for references to such."""
    rest = text.encode("utf-8", "surrogatepass").translate(None, _USUAL)
    unusual = "".join(set(rest.decode("utf-8", "surrogatepass"))) if rest else ""
    return unusual + "&" if "&" in text and _REFERENCE.search(text) else unusual


def _plain(text: str, unusual: str) -> tuple[str, Sequence[int] | None]:
    places: list[int] | None = None
    seen = _SIGN.search(unusual) is None
    if not seen or "&" in unusual:
        places, pieces, position = [], [], 0
        for match in (_REFERENCE if seen else _UNSEEN).finditer(text):
            said = html.unescape(match[0])
            is_space = bool(_SPACES.fullmatch(said))
            if not is_space and not _ALL_UNSEEN.fullmatch(said):
                continue
            pieces.append(text[position : match.start()])
            places += range(position, match.start())
            if is_space:
                pieces.append(" ")
                places.append(match.start())
            position = match.end()
        if pieces:
            pieces.append(text[position:])
            places += range(position, len(text))
            text = "".join(pieces)
        else:
            places = None
    if _OTHER_FORMS.search(unusual):
        text, places = _in_letters(text, places)
    for space in _SPACES.findall(unusual):
        text = text.replace(space, " ")
    for wide in _WIDE.findall(unusual):
        text = text.replace(wide, unicodedata.normalize("NFKC", _digit(wide)))
    return _DASHES.sub("-", text) if _ANY_DASH.search(unusual) else text, places


def _in_letters(text: str, places: list[int] | None) -> tuple[str, list[int]]:
    """The text in plain letters, several for one that joins them, and where each stands."""
    pieces: list[str] = []
    where: list[int] = []
    position = 0
    for match in _OTHER_FORMS.finditer(text):
        plain = letter(match[0])
        pieces += text[position : match.start()], plain
        where += (*range(position, match.start()), *[match.start()] * len(plain))
        position = match.end()
    where += range(position, len(text))
    return "".join([*pieces, text[position:]]), where if places is None else [places[each] for each in where]


def _digit(character: str) -> str:
    """The character, or the European digit of the same value."""
    return str(unicodedata.decimal(character)) if character.isdecimal() else character


@functools.lru_cache(maxsize=10_000)
def words_of(name: str) -> str:
    """What a field's path says before its value: "phone number: " for `people.0.phoneNumber`; "" if it says nothing."""
    parts = [part for part in name.split(".") if not part.isdigit()][-_NAMES:]
    words = [word for part in parts for word in _PART.findall(part)]
    if all(word.lower() in _SILENT for word in words):
        return ""
    return f"{' '.join(words)}: "
