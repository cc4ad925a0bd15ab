"""Long texts in sections, between which others can be answered."""

from __future__ import annotations

import re

LENGTH = 4096
"""Maximum characters of a section: about 1,000 tokens, which are two windows of most models."""
PAUSES = tuple(map(re.compile, (r"\n\s*\n", r"\n", r"[.!?]\s", r"\s")))
"""Patterns of the places where a text may be cut, the best first."""


def sections(text: str) -> list[str]:
    """Return the text in parts of at most `LENGTH`. Cut each part at the last of the best pauses in its second half."""
    found, start = [], 0
    while len(text) - start > LENGTH:
        end = start + LENGTH
        pauses = (list(pause.finditer(text, start + LENGTH // 2, end)) for pause in PAUSES)
        end = next((found[-1].end() for found in pauses if found), end)
        found.append(text[start:end])
        start = end
    return [*found, text[start:]]
