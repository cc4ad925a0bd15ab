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
_YEAR = re.compile(r"(?:19|20)\d\d")
_DATED = ("PwC Date", "S2 Date", "Github Date", "HF Date")


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """One set, or one part of a collection, as its publisher or a record describes it."""

    name: str
    title: str
    licence: str | None
    """SPDX; None where none is stated."""
    each_its_own: bool = False
    """Whether each record states its own licence, which the gate of a build judges."""
    stage: str
    languages: tuple[str, ...]
    """English names; `many` where the publisher has one edition a language, or mixes dozens."""
    tasks: tuple[str, ...]
    year: int | None
    """In which it, or the paper on it, came out; None where nobody wrote it down."""
    size: str
    written_by: tuple[str, ...] = ()
    """Models that wrote some of it: their makers' terms bind as well."""
    source: str
    """What a recipe's `sources` says of it."""

    def as_text(self) -> str:
        licence = self.licence or ("each record its own" if self.each_its_own else "no licence stated")
        facts = [licence, self.stage, _first(self.languages), _first(self.tasks), str(self.year or ""), self.size]
        if self.written_by:
            facts.append(f"partly written by {', '.join(self.written_by)}, whose terms hold too")
        told = fill("; ".join(filter(None, facts)), 80, initial_indent="    ", subsequent_indent="    ")
        return f"{self.name}: {self.title}\n{told}\n    {self.source}"


def _first(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


@dataclass(frozen=True)
class Selection:
    """What was found, and why the others were not."""

    found: tuple[PublishedSet, ...]
    refused: Mapping[str, int]
    """Why a licence does not pass → sets that fit otherwise."""


def known_sets() -> Iterator[PublishedSet]:
    """The sets of the table."""
    for name, row in adapters().items():
        yield PublishedSet(
            name=name,
            title=row.title,
            licence=row.licence,
            each_its_own=row.licence is None,
            stage=row.stage,
            languages=tuple(row.languages),
            tasks=(row.domain, *row.tasks),
            year=row.year,
            size=row.size,
            source=f"{{kind: dataset, dataset: {name}, path: …}}",
        )


def recorded_sets(folder: Path) -> Iterator[PublishedSet]:
    """The sets that files of a folder `data_summaries` of the initiative describe.

    Raises UsageError for a folder without such files, and for a file that is none.
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
    formats = _texts(record.get("Format"))
    dialogs = _mapping(record.get("Text Metrics")).get("Num Dialogs")
    inferred = _mapping(record.get("Inferred Metadata"))
    years = [int(found[0]) for key in _DATED if (found := _YEAR.match(str(inferred.get(key) or "")))]
    return PublishedSet(
        name=name,
        title=f"{record.get('Dataset Name') or name} ({record.get('Collection') or path.stem})",
        licence=licence_of({name: record}),
        stage="preference" if "Response Ranking" in formats else "instruction",
        languages=_texts(record.get("Languages")),
        tasks=(*_texts(record.get("Task Categories")), *formats),
        year=min(years, default=None),
        size=f"{dialogs:,} records" if isinstance(dialogs, int) else "",
        written_by=_texts(record.get("Model Generated")),
        source=f"{{kind: files, path: …, provenance: {{file: {json.dumps(str(path))}, dataset: {json.dumps(name)}}}}}",
    )


def _texts(found: object) -> tuple[str, ...]:
    return tuple(str(each) for each in found) if isinstance(found, list) else ()


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def select(
    sets: Iterable[PublishedSet], use: Purpose | None = None, language: str | None = None, task: str | None = None
) -> Selection:
    """Those whose licence allows a use, in a language (ISO 639-1 code or English name), for a task, in words.

    What needs its terms read first is not found, but counted: no licence is not a permission. Raises UsageError for a
    code that is no language.
    """
    wanted = _language(language) if language else None
    words = _words(task or "")
    gate = LicenceGate(use=use, share_alike=True) if use else None
    found: list[PublishedSet] = []
    refused: dict[str, int] = {}
    for each in sets:
        spoken = wanted is None or wanted in {name.lower() for name in each.languages} or "many" in each.languages
        if not spoken or not any(words <= _words(stated) for stated in (*each.tasks, each.stage)):
            continue
        if gate and not each.each_its_own and (reason := gate.refusal(each.licence)):
            unread = each.licence is not None and "LicenseRef-" in each.licence
            said = UNKNOWN if unread else NO_LICENCE if reason == NO_LICENCE else f"licence refuses {use} use"
            refused[said] = refused.get(said, 0) + 1
        else:
            found.append(each)
    return Selection(tuple(found), refused)


def _language(asked: str) -> str:
    if len(asked) > 3:
        return asked.lower()
    from babel import Locale

    names = Locale("en").languages
    if asked.lower() not in names:
        raise UsageError(f"--language {asked}: expected a code of ISO 639, such as de, or an English name")
    return str(names[asked.lower()]).lower()


def _words(text: str) -> set[str]:
    """The words of a task as all spell them: dialogue and dialog, summarisation and summarization are one."""
    spelt = text.lower().replace("dialogue", "dialog").replace("isation", "ization")
    return set(re.findall(r"[a-z]+", spelt))
