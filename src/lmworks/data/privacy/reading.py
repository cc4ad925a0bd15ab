"""A text as detectors read it: with plain spaces, dashes and digits, and behind the name of its field.

What looks like a space to a reader is one, whatever its code; what cannot be seen is not there.
"""

from __future__ import annotations

import bisect
import functools
import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
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
_NOTES = r"[\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2473\u24ea]"
"""Numbers in raised, lowered or enclosed digits, which are those of notes behind a letter or digit."""
_IN_CIRCLES = r"[\u24b6-\u24e9]"
"""Letters; one by itself stands for a sign, as in `jane ⓐ example.org`."""
_OTHER_FORMS = re.compile(
    f"{FORMS.pattern}|(?<!\\w){_NOTES}+|{_IN_CIRCLES}{{2,}}|[\u210a-\u2113\u2115\u2119-\u211d\u2124\u2128\u212c-\u2134\u2145-\u2149\U0001d400-\U0001d7cb]"
)
"""Letters that fonts join or shape, and those of mathematics or in circles, in which posts are written to stand out."""
_MAY_BE_OTHER_FORMS = re.compile(f"{_NOTES}|{_IN_CIRCLES}|{_OTHER_FORMS.pattern}")
_USUAL = bytes((9, 10, 12, 13, *range(32, 127)))
"""What texts are mostly made of, and none of it odd."""
_SIGNS = (
    "\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u0332\u0333\u0335-\u0338\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20d0-\u20f0\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""What cannot be seen (control characters, and all that Unicode calls Default_Ignorable_Code_Point), and lines and
frames that are drawn through, below or around a letter."""
_SIGN = re.compile(f"[{_SIGNS}]")
_REFERENCE = re.compile("&(?:amp;){0,2}(?:#[0-9]{1,12}|#[xX][0-9a-fA-F]{1,12}|[A-Za-z]{2,24});")
_TAG = r"/?(?:b|bdi|em|font|i|mark|small|span|strong|u|wbr)\b[^<>]{0,200}>"
_SOME = f"{_TAG}(?:<{_TAG}){{0,3}}"
_TAGS = re.compile(rf"<(?:(?<=@<){_SOME}(?=\w)|(?<=[\w.+-]<){_SOME}(?=@)|(?<=[0-9]<){_SOME}(?=[0-9]))")
"""Tags beside the sign of an address or between digits: there they hide what stands in one piece on a page."""
_MARKS_OF_VALUES = frozenset(" @.,:+-_/()'#")
"""Of signs in references, those that are read: what markup needs, such as `&lt;`, stays as it is."""
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
    ends: Mapping[int, int] = MappingProxyType({})
    """Where what stands at a place ends, if it is longer than a character."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text as it is a stretch stands; empty for one in the field's name."""
        start, end = max(0, start - self.before), max(0, end - self.before)
        if self.places is None or end <= start:
            return start, end
        last = self.places[end - 1]
        return self.places[start], self.ends.get(last, last + 1)


def read(text: str, name: str = "") -> Reading:
    """A text and the name of its field as detectors read them."""
    said = words_of(name) if name else ""
    places: Sequence[int] | None = None
    ends: dict[int, int] = {}
    if text[-2:] == ".0" and _WHOLE_FLOAT.fullmatch(text):
        text, places = text[:-2], [*range(len(text) - 3), len(text) - 1]  # what takes the last digit takes the rest
    elif unusual := _unusual(text):
        text, places = _plain(text, unusual, ends)
    return Reading(said + text, len(said), places, ends)


def _unusual(text: str) -> str:
    """Every character of a text that may have to be read otherwise, once; `&` for references, `<` for tags."""
    rest = text.encode("utf-8", "surrogatepass").translate(None, _USUAL)
    unusual = "".join(set(rest.decode("utf-8", "surrogatepass"))) if rest else ""
    unusual += "&" if "&" in text and _REFERENCE.search(text) else ""
    return unusual + "<" if "<" in text and _TAGS.search(text) else unusual


def _plain(text: str, unusual: str, ends: dict[int, int]) -> tuple[str, Sequence[int] | None]:
    places: list[int] | None = None
    parts = (("&", _REFERENCE), ("<", _TAGS))
    sought = [pattern for sign, pattern in parts if sign in unusual]
    sought += [_SIGN] if _SIGN.search(unusual) else []
    if sought:
        text, places = _read_out(text, re.compile("|".join(each.pattern for each in sought)), ends)
        unusual += "".join({text[bisect.bisect_left(places, start)] for start in ends})
    if _MAY_BE_OTHER_FORMS.search(unusual) and _OTHER_FORMS.search(text):
        text, places = _in_letters(text, places)
    for space in _SPACES.findall(unusual):
        text = text.replace(space, " ")
    for wide in _WIDE.findall(unusual):
        text = text.replace(wide, unicodedata.normalize("NFKC", _digit(wide)))
    return _DASHES.sub("-", text) if _ANY_DASH.search(unusual) else text, places


def _read_out(text: str, sought: re.Pattern[str], ends: dict[int, int]) -> tuple[str, list[int]]:
    """The text without what cannot be seen, and with characters for their references; where each stands, and ends."""
    places, pieces, position = list[int](), list[str](), 0
    for match in sought.finditer(text):
        said = _said(match[0])
        if said is None:
            continue
        pieces += text[position : match.start()], said
        places += range(position, match.start())
        if said:
            places.append(match.start())
            ends[match.start()] = match.end()
        position = match.end()
    pieces.append(text[position:])
    places += range(position, len(text))
    return "".join(pieces), places


@functools.lru_cache(maxsize=1_000)
def _said(sign: str) -> str | None:
    """What a reference says; "" for what cannot be seen, None for what is left as it is."""
    if sign[0] != "&":
        return ""
    said = sign
    for _ in range(sign.count("&") + sign.count("amp;")):
        said = html.unescape(said)
    if len(said) != 1:
        return None
    if _SIGN.fullmatch(said):
        return ""
    if _SPACES.fullmatch(said):
        return " "
    return said if said.isalnum() or said in _MARKS_OF_VALUES or _ANY_DASH.fullmatch(said) else None


def _in_letters(text: str, places: list[int] | None) -> tuple[str, list[int]]:
    """The text in plain letters, several for one that joins them, and where each stands."""
    pieces: list[str] = []
    where: list[int] = []
    position = 0
    for match in _OTHER_FORMS.finditer(text):
        pieces.append(text[position : match.start()])
        where += range(position, match.start())
        for place, sign in enumerate(match[0], match.start()):
            pieces.append(letter(sign))
            where += [place] * len(pieces[-1])
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
