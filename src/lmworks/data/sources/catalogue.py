"""Published sets of the table by use, language and task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

from lmworks.data.licences.gate import NO_LICENCE, LicenceGate, Purpose
from lmworks.data.sources.dataset import adapters
from lmworks.errors import UsageError

UNKNOWN = "terms that nobody has stated: read them, and state them in `licences.terms`"


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """One set, or one part of a collection, as its publisher describes it."""

    name: str
    title: str
    licence: str | None
    """SPDX expression; None where none is stated."""
    each_its_own: bool = False
    """Whether each record states its own licence, which the gate of a build judges."""
    stage: str
    languages: tuple[str, ...]
    """English names; `many` where the publisher has one edition a language, or mixes dozens."""
    tasks: tuple[str, ...]
    year: int | None
    """Year in which it, or the paper on it, came out; None where it is not written down."""
    size: str
    source: str
    """Item of a recipe's `sources` that reads it."""

    def as_text(self) -> str:
        licence = self.licence or ("each record its own" if self.each_its_own else "no licence stated")
        facts = [licence, self.stage, _first(self.languages), _first(self.tasks), str(self.year or ""), self.size]
        lines = fill("; ".join(filter(None, facts)), 80, initial_indent="    ", subsequent_indent="    ")
        return f"{self.name}: {self.title}\n{lines}\n    {self.source}"


def _first(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


@dataclass(frozen=True)
class Selection:
    """The sets that serve a purpose, and the reasons why others do not."""

    found: tuple[PublishedSet, ...]
    refused: Mapping[str, int]
    """Number of sets that fit except for their licence, by the reason."""


def known_sets() -> Iterator[PublishedSet]:
    """Yield the sets of the table."""
    for name, row in adapters().items():
        yield PublishedSet(
            **{key: getattr(row, key) for key in ("title", "licence", "stage", "year", "size")},
            name=name,
            each_its_own=row.licence is None,
            languages=tuple(row.languages),
            tasks=(row.domain, *row.tasks),
            source=f"{{kind: dataset, dataset: {name}, path: …}}",
        )


def select(
    sets: Iterable[PublishedSet], use: Purpose | None = None, language: str | None = None, task: str | None = None
) -> Selection:
    """Return the sets whose licence allows a use, in a language (ISO 639-1 code or English name), for a task.

    A set whose terms must be read first is counted as refused: no licence is not a permission. Raises UsageError for
    an unknown code of a language.
    """
    wanted, words = _language(language) if language else "many", _words(task or "")
    gate = LicenceGate(use=use, share_alike=True) if use else None
    selected: list[PublishedSet] = []
    refused: dict[str, int] = {}
    for item in sets:
        is_spoken = wanted == "many" or {wanted, "many"} & {name.lower() for name in item.languages}
        if not is_spoken or not any(words <= _words(stated) for stated in (*item.tasks, item.stage)):
            continue
        if gate and not item.each_its_own and (reason := gate.refusal(item.licence)):
            unread = item.licence is not None and "LicenseRef-" in item.licence
            reason = UNKNOWN if unread else NO_LICENCE if reason == NO_LICENCE else f"licence refuses {use} use"
            refused[reason] = refused.get(reason, 0) + 1
        else:
            selected.append(item)
    return Selection(tuple(selected), refused)


def _language(name: str) -> str:
    """Return the English name of a language in small letters."""
    if len(name) > 3:
        return name.lower()
    from babel import Locale

    names = Locale("en").languages
    if name.lower() not in names:
        raise UsageError(f"--language {name}: expected a code of ISO 639, such as de, or an English name")
    return str(names[name.lower()]).lower()


def _words(text: str) -> set[str]:
    """Return the words of a task in one spelling: dialogue and dialog, summarisation and summarization are one."""
    spelt = text.lower().replace("dialogue", "dialog").replace("isation", "ization")
    return set(re.findall(r"[a-z]+", spelt))
