"""The report of the data alone: one self-contained HTML page. Personal data that is not anonymised yet is hidden."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lmworks.data.shards.records import Documents, read_columns
from lmworks.lazy import pc
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.record import split_reference
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built, read_json, read_lines
from lmworks.release.inspect import dataflow
from lmworks.release.inspect.changes import Change, changes_of, inputs_of, inspectable, texts_shown
from lmworks.release.inspect.personal import anonymised
from lmworks.release.render.differences import differences, excerpt
from lmworks.release.render.templates import environment
from lmworks.release.render.words import number

EXAMPLES = 2
"""Most examples shown of each reason."""
CLUSTERS, MEMBERS = 5, 3
"""Number of clusters of duplicates shown, the largest ones, and of texts of each."""
ROWS = 12
"""Most languages, licences and sources that are named. The others are counted together."""

Rows = Sequence[tuple[str, float]]
"""Bars: name and length."""


def write_data_report(store: Store, name: str | None = None) -> Path:
    """Write the report of the data of a recipe's last build. Return its path."""
    built = Built.open(store, name)
    path = store.root / "reports" / f"{built.name}-data.html"
    write_atomically(path, render(built))
    return path


def render(built: Built) -> str:
    """Return the page. Every text that comes from data is escaped. Texts are read shard by shard."""
    origins, quarantine = dataflow.origins(built, list(built.models.values())), dataflow.quarantine(built)
    steps = dataflow.data_steps(built)
    profiles = dict(_profiles(built, steps))
    facts: dict[str, float] = {
        "Documents read": sum(origin.documents for origin in origins),
        "Could not be read": quarantine.count,
    }
    facts |= {f"In {name}": sum((count for _, count in bars["Source"]), 0.0) for name, bars in profiles.items()}
    return (
        environment(__package__)
        .get_template("data_report.html.jinja")
        .render(
            built=built,
            written=datetime.now(UTC),
            facts={name: number(count) for name, count in facts.items()},
            origins=origins,
            data_steps=[replace(step, examples={}) for step in steps],
            changed={name: changes_of(built, name, EXAMPLES).examples for name in inspectable(built)},
            quarantine=quarantine,
            held_out=dataflow.held_out(built),
            profiles=profiles,
            other_texts=[text for step in steps for text in step.after],
            licences=[each for artifact in built.artifacts.values() if (each := _licences(artifact))],
            duplicates=list(_duplicates(built)),
            personal=list(anonymised(built)),
            balance=dict(_balance(built)),
            contamination=dict(_contamination(built)),
        )
    )


def _profiles(built: Built, steps: Sequence[dataflow.DataStep]) -> Iterator[tuple[str, dict[str, Rows]]]:
    """Yield for documents from which no others are made: lengths, in bins of doubling size, and origins."""
    used = {text.name for step in steps for text in step.before if any(made.unit == "documents" for made in step.after)}
    for step in steps:
        for text in step.after:
            if text.unit == "documents" and text.name not in used:
                _, part = split_reference(text.name)
                yield text.name, _profile(Documents(built.artifacts[step.name].path(part), ""))


def _profile(documents: Documents) -> dict[str, Rows]:
    lengths: Counter[int] = Counter()
    columns: dict[str, Counter[str]] = {name: Counter() for name in ("language", "licence", "source")}
    for shard in documents.shards():
        table = read_columns(shard, ["text", *columns])
        lengths.update(length.bit_length() for length in pc.utf8_length(table.column("text")).to_pylist())
        for name, counts in columns.items():
            counts.update(value or "not known" for value in table.column(name).to_pylist())
    bins = range(min(lengths, default=0), max(lengths, default=-1) + 1)
    histogram = [(f"{2**size // 2:,} to {2**size - 1:,}", lengths[size]) for size in bins]
    return {"Characters of a text": histogram, **{name.title(): _most(counts) for name, counts in columns.items()}}


def _most(counts: Counter[str]) -> Rows:
    named = counts.most_common(ROWS)
    others = counts.total() - sum(count for _, count in named)
    return [*named, ("others", others)] if others else named


def _licences(artifact: Artifact) -> dict[str, Any]:
    """Return the licence gate's findings on the mixture, with the text to publish. Empty if no use was stated."""
    text = artifact.payload / "ATTRIBUTION.txt"
    return read_json(artifact.payload / "licences.json") | (
        {"attribution": text.read_text(encoding="utf-8")} if text.exists() else {}
    )


def _duplicates(built: Built) -> Iterator[tuple[str, Rows, list[tuple[int, list[Change]]]]]:
    """Yield each step with the sizes of its clusters, and some documents of the largest clusters."""
    for step in inspectable(built):
        artifact = built.artifacts[step]
        records = read_lines(artifact.payload / "clusters.jsonl")
        found = [[*record["held_out"], *record["kept"], *record["dropped"]] for record in records]
        largest = heapq.nlargest(CLUSTERS, found, key=len)
        places = [*inputs_of(built, artifact, Role.READS), *inputs_of(built, artifact, Role.JUDGES)]
        texts = texts_shown(built, places, {key for members in largest for key in members[:MEMBERS]})
        if found:
            sizes = sorted(Counter(map(len, found)).items())
            shown = [
                (len(members), [_member(members[0], key, texts) for key in members[:MEMBERS]]) for members in largest
            ]
            yield step, [(f"{size:,} documents", count) for size, count in sizes], shown


def _member(first: str, key: str, texts: Mapping[str, str]) -> Change:
    """Return how a document of a cluster is shown: the first is whole, the others show differences from the first."""
    if not texts.keys() >= {first, key}:
        return Change(key, "", [], "its text is no longer in the store")
    pieces = differences(texts[first], texts[key])
    about = "" if key == first else "equal" if len(pieces) < 2 else "what differs is marked"
    return Change(key, "", [] if about == "equal" else list(excerpt(pieces)), about)


def _balance(built: Built) -> Iterator[tuple[str, Rows]]:
    """Yield each split with the distance of each part from the whole in each feature, and that of random groups."""
    for step, artifact in built.artifacts.items():
        rows: list[tuple[str, float]] = []
        for part, record in read_json(artifact.payload / "balance.json").items():
            for feature, values in record["features"].items():
                own, others = (round(values[name], 4) for name in ("total_variation", "random"))
                rows += [(f"{part}: {feature}", own), ("random groups", others)]
        if rows:
            yield step, rows


def _contamination(built: Built) -> Iterator[tuple[str, list[tuple[str, int, str]]]]:
    """Yield each step with its evaluation sets: items, and how many were found in documents, by the surest method."""
    for step in inspectable(built):
        sets: dict[str, Counter[str]] = defaultdict(Counter)
        for item in read_lines(built.artifacts[step].payload / "items.jsonl"):
            sets[item["set"]][item["method"] or "none"] += 1
        if sets:
            said = {
                name: ", ".join(f"{count:,} {method}" for method, count in found.items())
                for name, found in sets.items()
            }
            yield step, [(name, sets[name].total(), text) for name, text in said.items()]
