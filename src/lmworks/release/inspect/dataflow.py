"""What happened to the documents: step by step, by source and licence, by group, and what could not be read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.data.records import Documents
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, read_json, read_lines, reference
from lmworks.release.inspect.show import by_reason
from lmworks.release.trace.trace import parents, training_data

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
            _worked_on(built, artifact),
            outputs,
            reasons_of(artifact),
            by_reason(artifact),
        )
        for name, artifact in built.artifacts.items()
        if "/" not in name and (outputs := texts_of(name, artifact))
    ]


def reasons_of(artifact: Artifact) -> dict[str, int]:
    """Why the step dropped or changed texts, and how often."""
    return {reason: count for reason, count in artifact.manifest["counts"].items() if not _is_total(reason)}


def inputs_of(artifact: Artifact) -> list[dict[str, str]]:
    """The record of each input."""
    return [record for records in artifact.manifest["inputs"].values() for record in records]


def texts_of(name: str, artifact: Artifact) -> list[Texts]:
    """What a step's output holds, part by part; empty if it holds no texts."""
    files = [path for path in artifact.manifest["files"] if path.endswith((".parquet", *LINES))]
    parts = sorted({path.rpartition("/")[0] for path in files}, key=lambda part: ("train" not in part, part))
    counts = artifact.manifest["counts"]
    found = []
    for part in parts:
        lines = next((path for name in LINES if (path := artifact.path(part) / name).exists()), None)
        unit = LINES[lines.name] if lines else "documents"
        count = _count(lines) if lines else Documents(artifact.path(part), "").count()
        size = counts.get(f"{part} bytes" if part else "bytes")
        found.append(Texts(reference(name, part), unit, count, size))
    return found


def origins(built: Built, models: Iterable[Artifact]) -> list[Origin]:
    """Sources by licence: what was read, and how much of it stands in the documents that the models were trained on."""
    data = {(step, part): artifact for model in models for artifact, step, part in training_data(built.store, model)}
    counted = {reference(step, part): Counter(_provenance(data[step, part], part)) for step, part in data}
    trained = {name: counts for name, counts in counted.items() if counts}
    found = []
    for artifact in built.artifacts.values():
        if "files.json" not in artifact.manifest["files"]:
            continue
        read = Counter(_provenance(artifact))
        files: dict[str, list[dict[str, Any]]] = {}
        for record in json.loads((artifact.payload / "files.json").read_text(encoding="utf-8")):
            files.setdefault(record["source"], []).append(record)
        for source, records in files.items():
            size = sum(record["bytes"] for record in records)
            licences = [licence for name, licence in read if name == source] or [str(records[0]["licence"])]
            for licence in sorted(licences):
                used = {name: counts[source, licence] for name, counts in trained.items()}
                found.append(Origin(source, licence, len(records), size, read[source, licence], used))
    return found


def trained_on(built: Built, model: Artifact) -> list[Texts]:
    """The texts that a model, and the models it started from, were trained on."""
    return _texts_at(training_data(built.store, model))


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


def _worked_on(built: Built, artifact: Artifact) -> list[Texts]:
    name = "documents" if "documents" in artifact.manifest["inputs"] else None
    return _texts_at(parents(built.store, artifact, name))


def _texts_at(links: Iterable[tuple[Artifact, str, str]]) -> list[Texts]:
    return [
        texts
        for artifact, step, part in links
        for texts in texts_of(step, artifact)
        if texts.name == reference(step, part)
    ]


def _count(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _provenance(artifact: Artifact, part: str = "") -> list[tuple[str, str]]:
    import pyarrow.parquet as pq

    found: list[tuple[str, str]] = []
    for shard in Documents(artifact.path(part), "").shards():
        table = pq.read_table(shard, columns=["source", "licence"])
        found += zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True)
    return found
