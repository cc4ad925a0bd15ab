"""Regular expressions that users and foreign files state, matched in linear time by RE2.

Python's own matcher may go back over a text exponentially often, as `(\\w+\\s?)+\\.` makes it. RE2 never does, and so
has no look-around and no backreferences. RE2 is given Python's meaning of `\\w`, `\\d`, `\\s` and `$`.
"""

from __future__ import annotations

import re
import sys
from functools import cache, lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator

LONGEST_SEARCHED = 2**16
"""Characters, the last of a text, in which a last match is looked for: each match may look at all that follows."""
MEMORY = 2**26
"""Bytes that RE2 may take for a pattern, eight times its default: classes of all letters are long."""

_PART = re.compile(r"\\.|\[\^?\]?|\]|\$|\{,", re.DOTALL)
_BY_LINES = re.compile(r"\(\?[a-zA-Z]*m")
_LACKING = (
    "look-around, backreferences, conditions on groups, possessive repetitions, comments, and repetitions of more than "
    "1000; write alternatives that match the whole text"
)
_BORDERS = r"borders of words in every script, `\b` and `\B`; write `(?:^|\W)` before a word and `(?:\W|$)` after it"


class Pattern:
    """A regular expression of RE2. Raises ValueError, with what to write instead, for one that RE2 does not read."""

    def __init__(self, pattern: str) -> None:
        self._whole, self._part = _compiled(pattern, True), _compiled(pattern, False)

    def matches(self, text: str) -> bool:
        """Return whether it matches the whole text; `.` is any character, ends of lines too."""
        return self._whole.fullmatch(text) is not None

    def begins(self, text: str) -> bool:
        """Return whether it matches at the beginning of a text."""
        return self._part.match(text) is not None

    def is_in(self, text: str) -> bool:
        """Return whether it matches anywhere in a text."""
        return self._part.search(text) is not None

    def last_found(self, text: str) -> str | None:
        """Return what its first group, or without groups all of it, matches last; None if that is nothing."""
        last = None
        for last in self._part.finditer(text[-LONGEST_SEARCHED:]):  # noqa: B007 - the last one is wanted
            pass
        found: str | None = None if last is None else last[min(1, self._part.groups)]
        return found


def checked_pattern(pattern: str) -> str:
    """Return the pattern, if it is one."""
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
        raise ValueError(f"{pattern!r} is not a regular expression of RE2 ({problem}); it has no {_LACKING}") from None


def _for_re2(pattern: str, whole: bool) -> str:
    """Return a pattern with classes of every script, in which `$` also precedes a last end of a line, as in Python."""
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
    """Return all characters that Python's `re` takes for `\\w` or another class, as ranges for RE2."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    ranges = (found.span() for found in re.finditer(rf"\{sign}+", every))
    return "".join(rf"\x{{{start:x}}}-\x{{{end - 1:x}}}" for start, end in ranges)
