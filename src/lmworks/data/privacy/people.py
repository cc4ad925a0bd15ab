"""Persons whom a record names itself: their names are found in its text without guessing at who else is one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lmworks.data.privacy.findings import Detector, Finding, Function, Trigger
from lmworks.data.records import Document

SHORTEST_PART = 3
"""Letters of a part of a name that counts by itself: "Li" and "de" stand in too many other words' place."""


def people_of(document: Document, fields: Sequence[str]) -> list[str]:
    """The names in some fields of a document, given name first: "Doe, Jane" is Jane Doe. Of an object, all texts."""
    return [name for path in fields for name in _names(document.value(path))]


def subject_of(document: Document, fields: Sequence[str]) -> str | None:
    """Whom a document is about: as it states, else the first name in these fields; an object has no one name."""
    values = [value for path in fields for value in _items(document.value(path)) if not isinstance(value, Mapping)]
    return document.subject or next((name for value in values for name in _names(value)), None)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield given_name_first(value)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _names(each)


def given_name_first(name: str) -> str:
    """A name without commas and double spaces."""
    family, _, given = name.partition(",")
    return " ".join(f"{given} {family}".split())


def people_detector(names: Iterable[str]) -> Detector:
    """Finds the names as a whole in any case, and their longer parts as they are written."""
    owners: dict[str, str] = {}
    for name in names:
        words = name.split()
        turned = [f"{words[-1]}, {' '.join(words[:-1])}"] if len(words) > 1 else []
        for form in (name, *turned, *(word for word in words if len(word.strip(".")) >= SHORTEST_PART)):
            owners.setdefault(form, name)
    longest_first = sorted(owners, key=len, reverse=True)
    pattern = re.compile(rf"(?i)(?<![^\W_])(?<![^\W_]_)(?:{'|'.join(map(re.escape, longest_first))})(?!_?[^\W_])")
    lower = {form.lower(): name for form, name in reversed(owners.items())}

    def find(text: str) -> Iterator[Finding]:
        for match in pattern.finditer(text):
            if " " in match[0] or not match[0].islower():
                owner = lower.get(match[0].lower(), longest_first[0])  # a few letters have two lower-case forms
                yield Finding("person", *match.span(), match[0], whole=owner)

    return Function("person", Trigger(words=tuple({form.lower(): None for form in longest_first})), find)
