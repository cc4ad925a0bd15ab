"""Regular expressions from users and from other people's files, matched in linear time by RE2.

Python's own matcher can take exponential time, for example with `(\\w+\\s?)+\\.`. RE2 never does. For this reason it
has no look-around and no backreferences. `\\w`, `\\d`, `\\s` and `$` keep their meaning in Python.
"""

from __future__ import annotations

import re
import sys
from functools import cache, lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator

LONGEST_SEARCHED = 2**16
"""Number of characters at the end of a text that are searched for the last match. Each match may read all the rest."""
MEMORY = 2**26
"""Maximum bytes that RE2 may use for a pattern. It is eight times the default, as classes of all letters are long."""

_PART = re.compile(r"\\.|\[\^?\]?|\]|\$|\{,", re.DOTALL)
_BY_LINES = re.compile(r"\(\?[a-zA-Z]*m")
_LACKING = (
    "look-around, backreferences, conditions on groups, possessive repetitions, comments, and repetitions of more than "
    "1000; write alternatives that match the whole text"
)
_BORDERS = r"borders of words in every script, `\b` and `\B`; write `(?:^|\W)` before a word and `(?:\W|$)` after it"


class Pattern:
    """Regular expression of RE2. Raises ValueError, saying what to write instead, if RE2 cannot read the expression."""

    def __init__(self, pattern: str) -> None:
        self._whole, self._part = _compiled(pattern, True), _compiled(pattern, False)

    def matches(self, text: str) -> bool:
        """Return whether the pattern matches the whole text. `.` matches any character, also the end of a line."""
        return self._whole.fullmatch(text) is not None

    def begins(self, text: str) -> bool:
        """Return whether the pattern matches at the beginning of a text."""
        return self._part.match(text) is not None

    def is_in(self, text: str) -> bool:
        """Return whether the pattern matches anywhere in a text."""
        return self._part.search(text) is not None

    def last_found(self, text: str) -> str | None:
        """Return the text of the last match, or of its first group if the pattern has groups. None without a match."""
        last = None
        for last in self._part.finditer(text[-LONGEST_SEARCHED:]):  # noqa: B007 - the last one is wanted
            pass
        found: str | None = None if last is None else last[min(1, self._part.groups)]
        return found


def checked_pattern(pattern: str) -> str:
    """Return the pattern if RE2 can read it. Raises ValueError otherwise."""
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
        return re2.compile("(?s)" * whole + _for_re2(pattern, whole), options)
    except UnicodeEncodeError as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    except re2.error as error:
        problem = error.args[0].decode(errors="replace").split(":")[0]  # the rest is the pattern as RE2 was given it
        raise ValueError(f"{pattern!r} is not a regular expression of RE2 ({problem}). RE2 has no {_LACKING}") from None


def _for_re2(pattern: str, whole: bool) -> str:
    """Return the pattern for RE2. Classes cover every script and `$` matches before a final newline, as in Python."""
    by_lines, inside = _BY_LINES.search(pattern), False

    def meant(found: re.Match[str]) -> str:
        nonlocal inside
        part = found[0]
        if part[0] == "\\" and part[1] in "wWdDsS":
            return _members(part[1]) if inside else f"[{_members(part[1])}]"
        if part in (r"\b", r"\B") and not inside:
            raise ValueError(f"{pattern!r} has {part!r}, and RE2 has no {_BORDERS}")
        if part[0] in "[]":
            inside = part[0] == "["
        elif not inside:
            end = "$" if by_lines else r"\z" if whole else r"(?:\n?\z)"
            return {"$": end, r"\Z": r"\z", "{,": "{0,"}.get(part, part)
        return part

    return _PART.sub(meant, pattern)


@cache
def _members(sign: str) -> str:
    """Return all characters that Python's `re` includes in `\\w` or another class, as ranges for RE2."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    ranges = (found.span() for found in re.finditer(rf"\{sign}+", every))
    return "".join(rf"\x{{{start:x}}}-\x{{{end - 1:x}}}" for start, end in ranges)
