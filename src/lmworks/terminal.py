"""Safe text for terminals: foreign text moves no cursor, fills no clipboard and hides nothing."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, TextIO

COLUMNS, LINES = 80, 12
"""Size of a box: it is read at a glance, on the narrowest terminal."""
MOST_COLUMNS = 110
"""Columns of a line of words: longer ones are hard to follow to the next."""

_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]")
"""All control characters but tab and new line."""
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of writing until it ends (UAX #9, section 2). Marks of one place are part of words."""


def shown(text: str, *, turning: bool = True) -> str:
    """Return a text with its control characters written out, as JSON does; those that turn its direction where told."""
    text = _CONTROL.sub(_written_out, text)
    return _TURNING.sub(_written_out, text) if turning else text


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


class Shown:
    """A stream on which everything is written as `shown`; what turns the direction is kept for a file or a pipe."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream  # where `rich` writes, whose texts the display has made plain already
        self._turning = stream.isatty()

    def write(self, text: str) -> int:
        """Write a text; returns its length before."""
        self.rich_proxied_file.write(shown(text, turning=self._turning))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


def print_coloured(text: str) -> None:
    """Print a text of which all but our own colours is `shown` already."""
    print(text, file=raw(sys.stdout))


def wrapped(text: str) -> str:
    """Return lines as they are, and on a terminal broken between words, with what follows indented by two spaces."""
    if not sys.stdout.isatty():
        return text
    width = max(40, min(MOST_COLUMNS, shutil.get_terminal_size().columns))
    parts = [
        textwrap.wrap(line, width, subsequent_indent=" " * (len(line) - len(line.lstrip()) + 2), break_long_words=False)
        for line in text.splitlines()
    ]
    return "\n".join(line for lines in parts for line in lines or [""])


def print_box(lines: Callable[[int, int], Sequence[str]]) -> None:
    """Print what fits into so many columns and lines: in a box on a terminal, as plain lines elsewhere."""
    if not sys.stdout.isatty():
        print("\n".join(lines(COLUMNS, LINES)))
        return
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    console = Console(file=raw(sys.stdout), highlight=False)
    width = min(COLUMNS, console.width)
    first, *others = map(shown, lines(width - 4, LINES - 2))
    text = Text("\n").join([Text(first, "bold"), *map(Text, others)])
    console.print(Panel(text, width=width, border_style="dim"))


def raw(stream: TextIO) -> TextIO:
    """Return the stream below one that shows, for what makes texts of others plain itself."""
    found: TextIO = getattr(stream, "rich_proxied_file", stream)
    return found
