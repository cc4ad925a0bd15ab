"""Alternatives of a regular expression, sorted by how they begin, so that most are passed over at a glance.

Python tries one after the other, and in any case each at length: a hundred words took a microsecond a letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_DEEP = 3
"""Letters by which alternatives are parted: further ones save nothing that can be measured."""
_FEW = 2
"""Alternatives that are tried as they are."""
_QUANTIFIERS = ("?", "*", "+", "{")
_ODD_CASES = "İı\u017f\u212a\u212bẞ\u00b5ςϐϑϕϖϰϱϵ"
"""Letters with a case that is no other letter's upper or lower one."""


def in_any_case(pattern: str) -> str:
    """A pattern that matches what `(?i:pattern)` does, and of two alternatives takes the same.

    Alternatives change places only where they begin with different letters, and so never match at one place.
    """
    return _parted(list(_begun(pattern)), _DEEP)


def _parted(begun: list[str], deep: int) -> str:
    """A group of alternatives, those that begin with one letter behind its cases, so many letters deep."""
    if not deep or len(begun) <= _FEW:
        return f"(?i:{'|'.join(begun)})"
    parts: list[str] = []
    by_letter: dict[str, list[str]] = {}
    for each in (*begun, ""):
        if _begins_with_a_letter(each):
            by_letter.setdefault(each[0].lower(), []).append(each[1:])
            continue
        parts += [_cases(letter) + _parted(rest, deep - 1) for letter, rest in by_letter.items()]
        by_letter = {}
        parts.append(f"(?i:{each})")
    return f"(?:{'|'.join(parts if '' in begun else parts[:-1])})"


def _begins_with_a_letter(alternative: str) -> bool:
    return alternative[:1].isalpha() and not alternative.startswith(_QUANTIFIERS, 1)


def _cases(letter: str) -> str:
    """All characters that are the letter where case is ignored."""
    same = {letter, letter.upper(), *(each for each in _ODD_CASES if re.fullmatch(letter, each, re.IGNORECASE))}
    return f"[{''.join(sorted(each for each in same if len(each) == 1))}]"


def _begun(pattern: str) -> Iterator[str]:
    """The alternatives of a pattern; those that begin with a choice, or what may be left out, as several."""
    for each in alternatives(pattern):
        end = _first_end(each)
        first, rest = each[:end], each[end:]
        if rest.startswith("?") and not rest.startswith(("??", "?+")):
            yield from _begun(first + rest[1:])
            yield from _begun(rest[1:])
        elif first.startswith("(?:") and not rest.startswith(_QUANTIFIERS):
            for choice in alternatives(first[3:-1]):
                yield from _begun(choice + rest)
        else:
            yield each


def _first_end(alternative: str) -> int:
    """Where the first character, class or group of an alternative ends."""
    depth = 0
    for place, character in _outside_classes(alternative):
        depth += (character == "(") - (character == ")")
        if not depth:
            return place
    return len(alternative)


def alternatives(pattern: str) -> list[str]:
    """The alternatives of a pattern."""
    found, start, depth = [], 0, 0
    for place, character in _outside_classes(pattern):
        depth += (character == "(") - (character == ")")
        if character == "|" and not depth:
            found.append(pattern[start : place - 1])
            start = place
    return [*found, pattern[start:]]


def _outside_classes(pattern: str) -> Iterator[tuple[int, str]]:
    """Each character, escaped one or class, and where it ends."""
    for match in re.finditer(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", pattern, re.DOTALL):
        yield match.end(), match[0]
