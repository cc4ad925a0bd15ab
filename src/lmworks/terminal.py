"""What reaches a terminal: text of others moves no cursor, fills no clipboard and hides nothing."""

from __future__ import annotations

import re
from typing import Any, TextIO

_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""All control characters but tab and new line, and those that turn the direction of writing (UAX #9, section 2)."""


def shown(text: str) -> str:
    """A text with its control characters written out, as JSON does."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Shown:
    """A stream on which everything is written as `shown`."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream  # where `rich` writes, whose texts the display has made plain already

    def write(self, text: str) -> int:
        """Write a text; returns its length before."""
        self.rich_proxied_file.write(shown(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)
