"""Safe text for terminals: foreign text cannot move the cursor, fill the clipboard or hide anything."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, TextIO

COLUMNS, LINES = 80, 12
"""Maximum size of a box in columns and lines, so that it fits a narrow terminal and is read at a glance."""
MOST_COLUMNS = 110
"""Maximum number of columns of a line. After longer lines, readers lose the beginning of the next one."""

_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]")
"""Pattern of all control characters except tab and new line."""
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Pattern of marks that change the direction of the text after them (UAX #9, section 2). Single-place marks stay."""


def shown(text: str, *, turning: bool = True) -> str:
    """Return a text with control characters escaped, as in JSON, and with `turning` also marks of direction."""
    text = _CONTROL.sub(_written_out, text)
    return _TURNING.sub(_written_out, text) if turning else text


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


class Shown:
    """A stream that writes every text as `shown`. Marks of direction are kept in a file or a pipe."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream  # where `rich` writes, whose texts the display has made plain already
        self._turning = stream.isatty()

    def write(self, text: str) -> int:
        """Write a text. Return the length of the original text."""
        self.rich_proxied_file.write(shown(text, turning=self._turning))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


def print_coloured(text: str) -> None:
    """Print a text with lmworks' own colours. All other parts must be `shown` already."""
    print(text, file=raw(sys.stdout))


def wrapped(text: str) -> str:
    """Return a text unchanged. On a terminal, break long lines between words, and indent the rest by two spaces."""
    if not sys.stdout.isatty():
        return text
    width = max(40, min(MOST_COLUMNS, shutil.get_terminal_size().columns))
    parts = [
        textwrap.wrap(line, width, subsequent_indent=" " * (len(line) - len(line.lstrip()) + 2), break_long_words=False)
        for line in text.splitlines()
    ]
    return "\n".join(line for lines in parts for line in lines or [""])


def print_box(lines: Callable[[int, int], Sequence[str]]) -> None:
    """Print lines, on a terminal in a box. `lines` gets the maximum numbers of columns and lines."""
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
    """Return the stream inside a `Shown`, for callers that make foreign texts safe themselves."""
    found: TextIO = getattr(stream, "rich_proxied_file", stream)
    return found
