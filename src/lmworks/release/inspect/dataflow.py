"""What happened to the documents: step by step, by source and licence, by group, and what could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.data.records import Documents
from lmworks.pipeline.lineage import Link
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, files_read, read_json, read_lines, reference
from lmworks.release.inspect.show import by_reason
from lmworks.release.trace.provenance import UNKNOWN, Provenance, provenances

TOTALS = ("documents", "bytes", "groups", "files", "items")
"""Last words of counts that say how much there is, not why something was dropped or changed."""


LINES = {"conversations.jsonl": "conversations", "preferences.jsonl": "judgements"}
"""Files that hold a text a line, and what they hold."""


@dataclass(frozen=True)
class Texts:
    """Documents, conversations or judgements in one folder."""

    name: str
    unit: str
    count: int
    bytes: int | None


@dataclass(frozen=True)
class DataStep:
    """One step of the data's way."""

    name: str
    stage: str
    before: list[Texts]
    """What it works on; texts that it only looks at are left out."""
    unknown: list[str]
    """Inputs of these that are no longer in the store."""
    after: list[Texts]
    reasons: dict[str, int]
    examples: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Origin:
    """All files of one source under one licence, and the documents read from them."""

    source: str
    licence: str
    files: int
    bytes: int
    documents: int
    used: dict[str, int]
    """Training data step → documents from here that it holds."""


def data_steps(built: Built) -> list[DataStep]:
    """Steps of the recipe whose output is texts; a model's helpers are left out."""
    return [
        DataStep(
            name,
            artifact.stage,
            texts_at(built.lineage.links(artifact, Role.READS)),
            [str(link) for link in built.lineage.links(artifact, Role.READS) if not link.parent],
            outputs,
            reasons_of(artifact),
            by_reason(artifact),
        )
        for name, artifact in built.artifacts.items()
        if "/" not in name and (outputs := texts_of(name, artifact))
    ]


def reasons_of(artifact: Artifact) -> dict[str, int]:
    """Why the step dropped or changed texts, and how often."""
    return {reason: count for reason, count in artifact.manifest.counts.items() if not _is_total(reason)}


def texts_of(name: str, artifact: Artifact) -> list[Texts]:
    """What a step's output holds, part by part; empty if it holds no texts."""
    files = [path for path in artifact.manifest.files if path.endswith((".parquet", *LINES))]
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


def origins(built: Built, models: Iterable[Artifact]) -> list[Origin]:
    """Sources by licence: what was read, and how much of it stands in the texts that the models were trained on.

    Sources of which no step of the build has read a file follow: texts that lmworks wrote, and what is not known.
    """
    trained: dict[str, Counter[tuple[str, str]]] = {}
    for link in dict.fromkeys(link for model in models for link in built.lineage.trained_on(model)):
        counts = _by_source(provenances(built.lineage, link.parent, link.part)) if link.parent else Counter()
        trained[link.reference] = counts or Counter({(UNKNOWN.source, UNKNOWN.licence): 0})
    found = []
    for artifact in built.artifacts.values():
        read = _by_source(provenances(built.lineage, artifact)) if files_read(artifact) else Counter()
        files: dict[str, list[dict[str, Any]]] = {}
        for record in files_read(artifact):
            files.setdefault(record["source"], []).append(record)
        for source, records in files.items():
            size = sum(record["bytes"] for record in records)
            licences = [licence for name, licence in read if name == source] or [str(records[0]["licence"])]
            for licence in sorted(licences):
                used = {name: counts[source, licence] for name, counts in trained.items()}
                found.append(Origin(source, licence, len(records), size, read[source, licence], used))
    named = {(origin.source, origin.licence) for origin in found}
    for source, licence in sorted({place for counts in trained.values() for place in counts} - named):
        used = {name: counts[source, licence] for name, counts in trained.items()}
        found.append(Origin(source, licence, 0, 0, 0, used))
    return found


def trained_on(built: Built, model: Artifact) -> list[Texts]:
    """The texts that a model, and the models it started from, were trained on."""
    return texts_at(built.lineage.trained_on(model))


def quarantine(built: Built) -> list[dict[str, Any]]:
    """Records of sources that could not be read."""
    files = (artifact.payload / "quarantine.jsonl" for artifact in built.artifacts.values())
    return [record for file in files for record in read_lines(file) if "raw" in record]


def held_out(built: Built) -> list[dict[str, Any]]:
    """Groups kept away from training, of each split."""
    found = [(name, read_json(artifact.payload / "groups.json")) for name, artifact in built.artifacts.items()]
    return [{"step": name, **groups} for name, groups in found if groups]


def _is_total(count: str) -> bool:
    return count.rpartition(" ")[2] in TOTALS and ":" not in count


def texts_at(links: Iterable[Link]) -> list[Texts]:
    """The texts of inputs, as far as these are known."""
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
