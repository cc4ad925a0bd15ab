"""Sentences of a text."""

from __future__ import annotations

import re

_ABBREVIATION = re.compile(
    r"(?:\b(?i:e\.g|i\.e|etc|vs|cf|ca|approx|incl|excl|fig|sec|dr|mr|mrs|st|inc|corp|ltd)|(?:^|[\s(])[A-Z])\.$"
)
_END = re.compile(r"[.!?][\"'”’)]*(?=\s+[\"'“‘(]*[A-Z0-9]|\s*$)|[。！？।॥؟۔።။។][\"'”’)」』）]*")

LONGEST_ABBREVIATION = 12
"""Number of characters before the end of a sentence that are searched for an abbreviation."""


def sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph. No sentence ends at an abbreviation or a full stop in a name or number."""
    found, start = [], 0
    for match in _END.finditer(text):
        end = match.end()
        if end < len(text) and _ABBREVIATION.search(text[max(start, end - LONGEST_ABBREVIATION) : end].lstrip()):
            continue
        found.append(text[start:end].strip())
        start = end
    rest = text[start:].strip()
    return [*found, rest] if rest else found
