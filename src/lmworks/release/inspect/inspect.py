"""Random examples of what data steps did, in plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from lmworks.release.inspect.changes import Changes
from lmworks.release.inspect.reasons import Change
from lmworks.release.render.differences import Piece, show_spaces
from lmworks.release.render.words import printable, visible

WIDTH = 100


def in_words(found: Changes) -> str:
    """What one step did, for a terminal: taken out in [-these-], put in in {+these+}."""
    lines = [f"{found.step} ({found.stage})"]
    if found.before:
        lines[0] += f": of {found.before:,} documents {found.dropped:,} dropped, {found.changed:,} changed"
    lines += [f"its input {name} is no longer in the store: what it did there is unknown" for name in found.unknown]
    for reason in dict.fromkeys([*found.counted, *found.examples]):
        times = f"{found.counted[reason]:,} " if reason in found.counted else ""
        lines += ["", printable(f"{times}{reason}")]
        for change in found.examples.get(reason, ()):
            lines += _say(change)
    return "\n".join(lines)


def _say(change: Change) -> Iterator[str]:
    head = f"{change.id} {change.outcome}" + (f"; {change.about}" if change.about else "")
    yield from textwrap.wrap(printable(head), WIDTH, initial_indent="  ", subsequent_indent="    ")
    text = "".join(map(_marked, change.pieces))
    for line in text.split("\n") if text else ():
        yield from textwrap.wrap(visible(line), WIDTH, initial_indent="    ", subsequent_indent="    ")


def _marked(piece: Piece) -> str:
    kind, text = piece
    if kind == "same":
        return text
    text = show_spaces(text)
    return f"[-{text}-]" if kind == "out" else f"{{+{text}+}}"
