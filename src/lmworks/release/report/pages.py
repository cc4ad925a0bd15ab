"""Parts of the first pages of a report: the questions of a reader, each answered by facts of the build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

NAMED = 4
"""Most steps, models or tasks named in a sentence. The others are counted, so that a page is read in a minute."""


@dataclass(frozen=True)
class Answer:
    """A question of a reader, and this build's answer."""

    title: str
    lines: Sequence[str]
    """Sentences of the answer. The page escapes those that are no Markup."""
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    """Rows of a table below the sentences."""


@dataclass(frozen=True)
class FirstPage:
    """First page of a report for one kind of reader."""

    id: str
    title: str
    verdict: str
    answers: Sequence[Answer]
    folded: Sequence[Answer] = ()
    """Answers that the page shows only on demand."""


def code(text: str) -> Markup:
    """Return a command or a file name as HTML code."""
    return Markup("<code>{}</code>").format(text)


def link(address: str, text: str) -> Markup:
    """Return a link to a place on the page, or to a file beside the page."""
    return Markup('<a href="{}">{}</a>').format(address, text)


def listed(names: Sequence[str], most: int = NAMED) -> Markup:
    """Return names for a sentence: the first `most` names, and how many more there are."""
    shown = [*names[:most], *([f"{len(names) - most:,} more"] if len(names) > most else [])]
    *first, last = map(escape, shown)
    return Markup(" and ").join([Markup(", ").join(first), last]) if first else last


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with the noun for what is counted."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
