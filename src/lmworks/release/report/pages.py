"""What the first pages of a report are made of: a reader's questions, each with the answer of the build's own facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

NAMED = 4
"""Of many steps, models or tasks: the others are counted, since a first page is read in a minute."""


@dataclass(frozen=True)
class Answer:
    """A question of a reader, and what this build says to it."""

    title: str
    lines: Sequence[str]
    """Escaped where they are no Markup."""
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    """A table below them."""


@dataclass(frozen=True)
class FirstPage:
    """All that one reader is told before she looks further."""

    id: str
    title: str
    verdict: str
    answers: Sequence[Answer]
    folded: Sequence[Answer] = ()
    """What is read only by who asks for more."""


def code(text: str) -> Markup:
    """A command, or a name of a file."""
    return Markup("<code>{}</code>").format(text)


def link(address: str, text: str) -> Markup:
    """A link to a place on the page, or to a file beside it."""
    return Markup('<a href="{}">{}</a>').format(address, text)


def listed(names: Sequence[str], most: int = NAMED) -> Markup:
    """Names in a sentence, of many the first."""
    shown = [*names[:most], *([f"{len(names) - most:,} more"] if len(names) > most else [])]
    *first, last = map(escape, shown)
    return Markup(" and ").join([Markup(", ").join(first), last]) if first else last


def count(number: int, one: str, many: str = "") -> str:
    """A number with what is counted."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
