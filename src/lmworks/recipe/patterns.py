"""Regular expressions that users and foreign files state: matched in linear time by RE2, in the meaning of Python's.

Python's own matcher may go back over a text exponentially often, as `(\\w+\\s?)+\\.` makes it. RE2 never does, and so
has no look-around and no backreferences; where the two mean different things by one sign, RE2 is given what Python
means.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache, lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator

LONGEST_SEARCHED = 2**16
"""Characters, the last of a text, in which a last match is looked for: each match may look at all that follows."""
MEMORY = 2**26
"""Bytes that RE2 may take for a pattern, eight times its default: classes of all letters are long."""

_CHARACTER = r"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|0[0-7]{0,2}|[0-7]{3}|.)|"
_INSIDE = re.compile(_CHARACTER.replace("[0-7]{3}", "[0-7]{1,3}") + ".", re.DOTALL)
_OUTSIDE = re.compile(
    _CHARACTER + r"\(\?(?:P=|<?[=!]|[>(#]|[a-zA-Z-]*[:)])?|\[\^?\]?"
    r"|(?:[*+?]|\{(?:[0-9]+(?:,[0-9]*)?|,[0-9]*)\})[?+]?|.",
    re.DOTALL,
)
_BACKREFERENCE = "backreferences; write out what the group may hold"
_INSTEAD = {
    **dict.fromkeys(("(?=", "(?!", "(?<=", "(?<!"), "look-around; write alternatives that match the whole text"),
    "(?P=": _BACKREFERENCE,
    "(?(": "conditions on groups; write both cases as alternatives, (?:…|…)",
    "(?>": "possessive groups; write (?:…)",
    "(?#": "comments; write them beside the pattern",
}


class Pattern:
    """A regular expression as Python's `re` reads it. Raises ValueError, with what to write instead, for the rest."""

    def __init__(self, pattern: str) -> None:
        self._whole, self._part = _compiled(pattern, True), _compiled(pattern, False)

    def matches(self, text: str) -> bool:
        """Whether it matches the whole text; `.` is any character, ends of lines too."""
        return self._whole.fullmatch(text) is not None

    def begins(self, text: str) -> bool:
        """Whether it matches at the beginning of a text."""
        return self._part.match(text) is not None

    def is_in(self, text: str) -> bool:
        """Return whether it matches anywhere in a text."""
        return self._part.search(text) is not None

    def last_found(self, text: str) -> str | None:
        """What its first group, or without groups all of it, matches last; None if that is nothing."""
        last = None
        for last in self._part.finditer(text[-LONGEST_SEARCHED:]):  # noqa: B007 - the last one is wanted
            pass
        found: str | None = None if last is None else last[min(1, self._part.groups)]
        return found


def checked_pattern(pattern: str) -> str:
    """The pattern, if it is one."""
    Pattern(pattern)
    return pattern


PatternText = Annotated[str, AfterValidator(checked_pattern)]
"""A field of a recipe that holds a pattern."""


@lru_cache(maxsize=64)
def _compiled(pattern: str, whole: bool) -> Any:
    import re2

    options = re2.Options()
    options.log_errors, options.max_mem = False, MEMORY
    try:
        re.compile(pattern)
        return re2.compile("(?s)" * whole + _for_re2(pattern, whole), options)
    except (re.error, UnicodeEncodeError, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    except re2.error as error:
        raise ValueError(
            f"{pattern!r} cannot be matched in linear time: {error.args[0].decode(errors='replace')}; write a shorter "
            "one, in which nothing is repeated more than 1000 times"
        ) from None


def _for_re2(pattern: str, whole: bool) -> str:
    written: list[str] = []
    place, inside, by_lines = 0, False, False  # of a class of characters; whether `$` is every line's end
    while place < len(pattern):
        part = (_INSIDE if inside else _OUTSIDE).match(pattern, place)[0]  # type: ignore[index]  # each has a `.`
        place += len(part)
        if part[0] == "\\":
            part = _escape(pattern, part, inside)
        elif inside:
            inside, part = part != "]", part.replace("[", r"\[")
        elif part[0] == "[":
            inside, part = True, part.replace("]", r"\]")
        elif part[:2] == "(?":
            _check_group(pattern, part)
            by_lines |= "m" in part
        elif len(part) > 1:
            if part[-1] == "+":
                raise _refused(pattern, part, f"possessive repetitions; write {part[:-1]}")
            part = part.replace("{,", "{0,")
        elif part == "$" and not by_lines:
            part = r"\z" if whole else r"(?:\n?\z)"  # a match that ends before the last line's end
        written.append(part)
    return "".join(written)


def _check_group(pattern: str, part: str) -> None:
    if part in _INSTEAD:
        raise _refused(pattern, part, _INSTEAD[part])
    if "m" in part and part[-1] == ":":
        raise _refused(pattern, part, "lines in one part of a pattern; write (?m) at its beginning")
    if set(part) & set("auLx"):
        raise _refused(pattern, part, "this flag; for a write [A-Za-z0-9_], and without x a pattern without spaces")


def _escape(pattern: str, part: str, inside: bool) -> str:
    sign = part[1]
    if sign in "wWdDsS":
        return _members(sign) if inside else f"[{_members(sign)}]"
    if sign in "bB" and not inside:
        raise _refused(pattern, part, r"borders of words in every script; write (?:^|\W) before and (?:\W|$) after")
    if sign in "123456789" and not (inside or len(part) == 4):
        raise _refused(pattern, part, _BACKREFERENCE)
    if sign.isdigit():
        return f"\\x{{{int(part[1:], 8):x}}}"
    if sign in "uU":
        return f"\\x{{{part[2:]}}}"
    if sign == "N":
        return f"\\x{{{ord(unicodedata.lookup(part[3:-1])):x}}}"
    if not sign.isascii():
        return f"\\x{{{ord(sign):x}}}"
    return {"Z": r"\z", "b": r"\x08"}.get(sign, part)


def _refused(pattern: str, part: str, what: str) -> ValueError:
    return ValueError(f"{pattern!r} has {part!r}, and a pattern that is matched in linear time has no {what}")


@cache
def _members(sign: str) -> str:
    """All characters that Python's `re` takes for `\\w` or another class, as ranges for RE2."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    ranges = (found.span() for found in re.finditer(rf"\{sign}+", every))
    return "".join(rf"\x{{{start:x}}}-\x{{{end - 1:x}}}" for start, end in ranges)
