"""Way of the documents through a build: step by step, by source and licence, by group, and unreadable records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from lmworks.data.personal.hidden import hide, hide_all
from lmworks.data.reading.reader import QUARANTINED
from lmworks.data.shards.records import Documents
from lmworks.data.sources.artifact import ArtifactSource
from lmworks.pipeline.lineage import Link
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, files_read, is_tokenizer, read_json, reference
from lmworks.release.inspect.hidden import hiding
from lmworks.release.inspect.show import by_reason
from lmworks.release.trace.provenance import UNKNOWN, Provenance, provenances

TOTALS = ("documents", "bytes", "groups", "files", "items")
"""Last words of counts that are amounts, not reasons why texts were dropped or changed."""


QUARANTINE_SHOWN = 10
"""Most records shown of those that could not be read."""

LINES = {"conversations.jsonl": "conversations", "preferences.jsonl": "judgements"}
"""File with one text per line → what its texts are."""


@dataclass(frozen=True)
class Texts:
    """Documents, conversations or judgements in one folder."""

    name: str
    unit: str
    count: int
    bytes: int | None


@dataclass(frozen=True)
class DataStep:
    """One step that the data went through."""

    name: str
    stage: str
    before: list[Texts]
    """Texts that the step works on, without those that it only compares with."""
    unknown: list[str]
    """Inputs to work on that are no longer in the store."""
    after: list[Texts]
    reasons: dict[str, int]
    examples: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Origin:
    """All files of one source under one licence, and the documents read from them."""

    source: str
    licence: str
    files: int
    """Number of files read. 0 for texts that lmworks wrote, or that another build has read."""
    bytes: int
    documents: int
    used: dict[str, int]
    """Texts that a model or its tokenizer learned from → number of documents of this origin in them."""


@dataclass(frozen=True)
class Reading:
    """Amount of its rows, or of one part of a mixture of rows, that the training of a model read."""

    model: str
    part: str
    rows: int
    read: float
    """Number of rows read in all epochs. An epoch is a permutation of the rows."""

    def __str__(self) -> str:
        share = f"all {self.rows:,}" if self.read >= self.rows else f"{self.read:,.0f} of {self.rows:,}"
        epochs = self.read / self.rows
        return f"{f'{self.part} ' if self.part else ''}{share} ({epochs:{',.0f' if epochs >= 100 else '.2f'}} epochs)"


def data_steps(built: Built) -> list[DataStep]:
    """Return the steps of the recipe whose output is texts, without helper steps of models."""
    return [
        DataStep(
            name,
            artifact.stage,
            texts_at(built.lineage.links(artifact, Role.READS)),
            [str(link) for link in built.lineage.links(artifact, Role.READS) if not link.parent],
            outputs,
            reasons_of(artifact),
            by_reason(artifact, built),
        )
        for name, artifact in built.artifacts.items()
        if "/" not in name and (outputs := texts_of(name, artifact))
    ]


def reasons_of(artifact: Artifact) -> dict[str, int]:
    """Return the reasons why a step dropped or changed texts, and how often each occurred."""
    return {reason: count for reason, count in artifact.manifest.counts.items() if not _is_total(reason)}


def holds_texts(path: str) -> bool:
    """Return whether a file of a step holds texts."""
    return path.endswith((".parquet", *LINES))


def texts_of(name: str, artifact: Artifact) -> list[Texts]:
    """Return the texts of a step's output, part by part. Empty if it holds no texts."""
    files = [path for path in artifact.manifest.files if holds_texts(path)]
    parts = sorted({path.rpartition("/")[0] for path in files}, key=lambda part: ("train" not in part, part))
    counts = artifact.manifest.counts
    found = []
    for part in parts:
        lines = next((path for name in LINES if (path := artifact.path(part) / name).exists()), None)
        unit = LINES[lines.name] if lines else "documents"
        count = _count(lines) if lines else Documents(artifact.path(part), "").count()
        size = counts.get(f"{part} bytes" if part else "bytes")
        found.append(Texts(reference(name, part), unit, count, size))
    return found


def origins(built: Built, models: Sequence[Artifact]) -> list[Origin]:
    """Return sources by licence: how much was read, and how much of it is in the texts that models were trained on.

    In each origin, texts that only tokenizers learned from come last. At the end come origins of which no step has
    read a file: texts that lmworks wrote, and unknown ones.
    """
    links = {link.reference: link for model in models for link in built.lineage.trained_on(model)}
    more = [link for model in models for link in tokenizer_texts(built, model)]
    links |= {f"{link.reference}, of the tokenizer": link for link in more if link.reference not in links}
    trained: dict[str, Counter[tuple[str, str]]] = {}
    for name, link in links.items():
        counts = _by_source(provenances(built.lineage, link.parent, link.part)) if link.parent else Counter()
        trained[name] = counts or Counter({(UNKNOWN.source, UNKNOWN.licence): 0})
    found = []
    for artifact in built.artifacts.values():
        read = _by_source(provenances(built.lineage, artifact)) if files_read(artifact) else Counter()
        elsewhere, files = made_elsewhere(artifact), dict[str, list[dict[str, Any]]]()
        for record in files_read(artifact):
            if record["source"] not in elsewhere:
                files.setdefault(record["source"], []).append(record)
        for source in dict.fromkeys([*files, *sorted(name for name, _ in read)]):
            records = files.get(source, [])
            size = sum(record["bytes"] for record in records)
            licences = [licence for name, licence in read if name == source] or [records[0]["licence"] or ""]
            for licence in sorted(licences):
                used = {name: counts[source, licence] for name, counts in trained.items()}
                found.append(Origin(source, licence, len(records), size, read[source, licence], used))
    named = {(origin.source, origin.licence) for origin in found}
    for source, licence in sorted({place for counts in trained.values() for place in counts} - named):
        used = {name: counts[source, licence] for name, counts in trained.items()}
        found.append(Origin(source, licence, 0, 0, 0, used))
    return found


def tokenizer_texts(built: Built, model: Artifact) -> list[Link]:
    """Return what the tokenizers of a model, and of the models that it began with, learned from."""
    lineage = built.lineage
    items = [model, *(link.parent for link in lineage.begun_with(model) if link.parent)]
    for item in items:
        packed = [link.parent for link in lineage.links(item, Role.TRAINS_ON)]
        items += [each for each in packed if each and each not in items]
    read = [link.parent for item in items for link in lineage.links(item, Role.READS)]
    tokenizers = dict.fromkeys(each for each in read if each and is_tokenizer(each))
    return list({link.reference: link for each in tokenizers for link in lineage.trained_on(each)}.values())


def made_elsewhere(artifact: Artifact) -> set[str]:
    """Return the sources of a step whose documents another build made. These documents state their own sources."""
    sources = artifact.manifest.config.get("sources", ()) if files_read(artifact) else ()
    return {ArtifactSource.model_validate(each).label for each in sources if each["kind"] == "artifact"}


def readings(built: Built, model: Artifact) -> list[Reading]:
    """Return how many rows the trainings of a model, and of those that it began with, read. The earliest is first."""
    begun_with = [link.parent for link in built.lineage.begun_with(model) if link.parent]
    return [reading for each in [*begun_with, model] for reading in _readings(built, each)]


def _readings(built: Built, model: Artifact) -> Iterator[Reading]:
    name, counts, config = built.lineage.name_of(model), model.manifest.counts, model.manifest.config
    for link in built.lineage.links(model, Role.TRAINS_ON):
        rows = link.parent.manifest.counts if link.parent else {}
        parts = {part: key for key in rows if (part := key.removesuffix(" rows")) != key and key in counts}
        for part, key in parts.items():
            yield Reading(name, part, rows[key], counts[key])
        if "tokens" in counts and rows.get("rows") and not parts:
            length = config.get("sequence_length") or rows["sequence_length"]
            answers = config.get("group_size", 1) * config.get("epochs", 1)  # to one prompt, and steps on each answer
            yield Reading(name, "", rows["rows"], counts["tokens"] / length / answers)


def trained_on(built: Built, model: Artifact) -> list[Texts]:
    """Return the texts that a model, and the models it began with, were trained on."""
    return texts_at(built.lineage.trained_on(model))


@dataclass(frozen=True)
class Quarantine:
    """Records of sources that could not be read."""

    count: int
    shown: list[dict[str, Any]]
    """First of these records: their place and the reason, without personal data."""


def quarantine(built: Built) -> Quarantine:
    """Return the records of sources that could not be read. Only those shown are loaded, as there can be millions."""
    shown, steps = partial(hide, more=hiding(built)), [each for each in built.artifacts.values() if files_read(each)]
    records = islice(chain.from_iterable(map(_quarantined, steps)), QUARANTINE_SHOWN)
    return Quarantine(
        sum(count for step in steps for reason, count in reasons_of(step).items() if reason.startswith(QUARANTINED)),
        [{**each, "raw": "", "reason": shown(each["reason"]), "path": shown(each["path"])} for each in records],
    )


def _quarantined(artifact: Artifact) -> Iterator[dict[str, Any]]:
    path = artifact.payload / "quarantine.jsonl"
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def held_out(built: Built) -> list[dict[str, Any]]:
    """Return the groups of each split by held-out part or by fold, with personal data in their names hidden."""
    found = [(name, read_json(artifact.payload / "groups.json")) for name, artifact in built.artifacts.items()]
    told = [
        {"step": name, **{each: groups.pop(each) for each in ("by", "groups")}, "parts": groups}
        for name, groups in found
        if groups
    ]
    return hide_all(told, hiding(built))


def _is_total(count: str) -> bool:
    return count.rpartition(" ")[2] in TOTALS and ":" not in count


def texts_at(links: Iterable[Link]) -> list[Texts]:
    """Return the texts of inputs, without those of unknown inputs."""
    return [
        texts
        for link in links
        for texts in (texts_of(link.step, link.parent) if link.parent else ())
        if texts.name == link.reference
    ]


def _count(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _by_source(found: Iterable[Provenance]) -> Counter[tuple[str, str]]:
    return Counter((each.source, each.licence) for each in found)
