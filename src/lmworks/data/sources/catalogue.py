"""Which published sets serve a purpose: those of the table, and of a checkout of the Data Provenance Initiative."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from lmworks.data.licences.gate import NO_LICENCE, LicenceGate, Purpose
from lmworks.data.sources.dataset import adapters
from lmworks.data.sources.provenance import licence_of, read_records
from lmworks.errors import UsageError

UNKNOWN = "terms that nobody has stated: read them, and state them in `licences.terms`"
_DATED = ("PwC Date", "S2 Date", "Github Date", "HF Date")


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """One set, or one part of a collection, as its publisher or a record describes it."""

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
    written_by: tuple[str, ...] = ()
    """Models that wrote some of it: their makers' terms bind as well."""
    source: str
    """Item of a recipe's `sources` that reads it."""

    def as_text(self) -> str:
        licence = self.licence or ("each record its own" if self.each_its_own else "no licence stated")
        facts = [licence, self.stage, _first(self.languages), _first(self.tasks), str(self.year or ""), self.size]
        if self.written_by:
            facts.append(f"partly written by {', '.join(self.written_by)}, whose terms hold too")
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


def recorded_sets(folder: Path) -> Iterator[PublishedSet]:
    """Yield the sets that files of a folder `data_summaries` of the initiative describe.

    Raises UsageError for a folder without such files, and for a file that holds no records.
    """
    files = sorted(path for path in folder.glob("*.json") if not path.name.startswith("_"))
    if not files:
        raise UsageError(
            f"--records {folder}: expected the folder data_summaries of a checkout of "
            "https://github.com/Data-Provenance-Initiative/Data-Provenance-Collection, with its JSON files"
        )
    for path in files:
        for name, record in read_records(path, "--records", "fetch it again").items():
            yield _recorded(path, name, record)


def _recorded(path: Path, name: str, record: Mapping[str, Any]) -> PublishedSet:
    formats = _texts(record, "Format")
    dialogs = _mapping(record, "Text Metrics").get("Num Dialogs")
    dates = (re.match(r"(?:19|20)\d\d", str(_mapping(record, "Inferred Metadata").get(key) or "")) for key in _DATED)
    return PublishedSet(
        name=name,
        title=f"{record.get('Dataset Name') or name} ({record.get('Collection') or path.stem})",
        licence=licence_of({name: record}),
        stage="preference" if "Response Ranking" in formats else "instruction",
        languages=_texts(record, "Languages"),
        tasks=(*_texts(record, "Task Categories"), *formats),
        year=min((int(date[0]) for date in dates if date), default=None),
        size=f"{dialogs:,} records" if isinstance(dialogs, int) else "",
        written_by=_texts(record, "Model Generated"),
        source=f"{{kind: files, path: …, provenance: {{file: {json.dumps(str(path))}, dataset: {json.dumps(name)}}}}}",
    )


def _texts(record: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = record.get(name)
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _mapping(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


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
