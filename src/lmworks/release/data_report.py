"""The report of the data alone: one self-contained HTML page. Personal data that is not anonymised yet is hidden."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lmworks.data.documents import Documents
from lmworks.data.privacy.anonymise import anonymise
from lmworks.data.privacy.findings import KINDS
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.store import Store
from lmworks.release import dataflow
from lmworks.release.built import Built, figures_of, read_json, read_lines
from lmworks.release.changes import changes_of, inspectable, texts_shown
from lmworks.release.differences import differences, excerpt
from lmworks.release.reasons import Change
from lmworks.release.templates import environment
from lmworks.release.trace import parents
from lmworks.release.words import number

EXAMPLES = 2
"""Of each reason."""
CLUSTERS, MEMBERS = 5, 3
"""Of duplicates: the largest clusters, and texts of each."""
ROWS = 12
"""Languages, licences and sources that are named; the others are counted together."""

Rows = list[tuple[str, int]]


@dataclass(frozen=True)
class Profile:
    """What the documents of one output are like."""

    name: str
    lengths: Rows
    """Characters of a text, in bins that double."""
    languages: Rows
    licences: Rows
    sources: Rows


@dataclass(frozen=True)
class Duplicates:
    """What one step found to be duplicates."""

    step: str
    sizes: Rows
    """Documents in a cluster → clusters."""
    largest: list[tuple[int, list[Change]]]
    """Number of documents, and some of them: the one that the others repeat first."""


@dataclass(frozen=True)
class Personal:
    """Personal data in one step."""

    step: str
    kinds: Sequence[tuple[str, int, Figure | None]]
    """Kind, number found, recall on what was planted."""
    others: list[Figure] = field(default_factory=list)


def write_data_report(store: Store, name: str | None = None) -> Path:
    """Write the report of the data of a recipe's last build. Returns its path."""
    built = Built.open(store, name)
    path = store.root / "reports" / f"{built.name}-data.html"
    write_atomically(path, render(built))
    return path


def render(built: Built) -> str:
    """The page. Every text that comes from data is escaped; texts are read shard by shard."""
    origins = dataflow.origins(built, built.models.values())
    profiles = list(_profiles(built))
    listings = [read_json(artifact.payload / "licences.json") for artifact in built.artifacts.values()]
    facts = {
        "Documents read": number(sum(origin.documents for origin in origins)),
        "Could not be read": number(len(dataflow.quarantine(built))),
        **{f"In {each.name}": number(sum(count for _, count in each.lengths)) for each in profiles},
    }
    return (
        environment()
        .get_template("data_report.html.jinja")
        .render(
            built=built,
            written=datetime.now(UTC),
            facts=facts,
            origins=origins,
            data_steps=[replace(step, examples={}) for step in dataflow.data_steps(built)],
            changed={name: changes_of(built, name, EXAMPLES).examples for name in inspectable(built)},
            quarantine=dataflow.quarantine(built),
            held_out=dataflow.held_out(built),
            profiles=profiles,
            licences=[listing for listing in listings if listing],
            attribution=_texts(built, "ATTRIBUTION.txt"),
            duplicates=list(_duplicates(built)),
            personal=list(_personal(built)),
            balance=dict(_balance(built)),
            contamination=dict(_contamination(built)),
        )
    )


def _profiles(built: Built) -> Iterator[Profile]:
    """Of each output that no other data step works on."""
    steps = dataflow.data_steps(built)
    used = {text.name for step in steps for text in step.before}
    for step in steps:
        for text in step.after:
            if text.unit == "documents" and text.name not in used:
                part = text.name.partition(".")[2]
                yield _profile(text.name, Documents(built.artifacts[step.name].path(part), ""))


def _profile(name: str, documents: Documents) -> Profile:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    lengths: Counter[int] = Counter()
    columns: dict[str, Counter[str]] = {"language": Counter(), "licence": Counter(), "source": Counter()}
    for shard in documents.shards():
        table = pq.read_table(shard, columns=["text", *columns])
        lengths.update(length.bit_length() for length in pc.utf8_length(table.column("text")).to_pylist())
        for column, counts in columns.items():
            counts.update(value or "not known" for value in table.column(column).to_pylist())
    bins = range(min(lengths, default=0), max(lengths, default=-1) + 1)
    histogram = [(f"{2**size // 2:,} to {2**size - 1:,}", lengths[size]) for size in bins]
    return Profile(name, histogram, *(_most(counts) for counts in columns.values()))


def _most(counts: Counter[str]) -> Rows:
    others = counts.total() - sum(count for _, count in counts.most_common(ROWS))
    return [*counts.most_common(ROWS), *([("others", others)] if others else [])]


def _duplicates(built: Built) -> Iterator[Duplicates]:
    for step in inspectable(built):
        artifact = built.artifacts[step]
        found = [
            [*each["held_out"], *each["kept"], *each["dropped"]] for each in _records(built, step, "clusters.jsonl")
        ]
        if not found:
            continue
        largest = heapq.nlargest(CLUSTERS, found, key=len)
        above = [*parents(built.store, artifact, "documents"), *parents(built.store, artifact, "avoid")]
        places = [(parent, Documents(parent.path(part), "")) for parent, _, part in above]
        texts = texts_shown(built, places, {key for members in largest for key in members[:MEMBERS]})
        shown = [(len(members), list(_members(members[:MEMBERS], texts))) for members in largest]
        sizes = sorted(Counter(map(len, found)).items())
        yield Duplicates(step, [(f"{size:,} documents", count) for size, count in sizes], shown)


def _members(members: list[str], texts: dict[str, str]) -> Iterator[Change]:
    """The first text, and what is different in the others."""
    first = texts[members[0]]
    for key in members:
        pieces = differences(first, texts[key])
        about = "" if key == members[0] else "its differences are marked" if len(pieces) > 1 else "equal"
        yield Change(key, "", list(excerpt(pieces)) if about != "equal" else [], about)


def _personal(built: Built) -> Iterator[Personal]:
    for step, artifact in built.artifacts.items():
        if artifact.stage == anonymise.name:
            recalls = {figure.name.removeprefix("recall of planted "): figure for figure in figures_of(artifact)}
            counts: Counter[str] = Counter()
            for reason, count in artifact.manifest["counts"].items():
                counts[reason.partition(" ")[0]] += count
            kinds = [(kind, counts[kind], recalls.get(kind)) for kind in KINDS if counts[kind] or kind in recalls]
            yield Personal(step, kinds, [figure for name, figure in recalls.items() if name not in KINDS])


def _balance(built: Built) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Split → how far each part is from the whole in each feature, beside random groups."""
    for step, artifact in built.artifacts.items():
        rows: list[tuple[str, float]] = []
        for part, record in read_json(artifact.payload / "balance.json").items():
            for feature, values in record["features"].items():
                own, others = (round(values[name], 4) for name in ("total_variation", "random"))
                rows += [(f"{part}: {feature}", own), ("random groups", others)]
        if rows:
            yield step, rows


def _contamination(built: Built) -> Iterator[tuple[str, list[tuple[str, int, str]]]]:
    """Step → evaluation set, its items, and how many of them documents held, by the surest method."""
    for step in inspectable(built):
        items: Counter[str] = Counter()
        held: dict[str, Counter[str]] = {}
        for item in _records(built, step, "items.jsonl"):
            items[item["set"]] += 1
            held.setdefault(item["set"], Counter())[item["method"] or ""] += 1
        said = {name: [f"{count:,} {method}" for method, count in held[name].items() if method] for name in items}
        if items:
            yield step, [(name, count, ", ".join(said[name]) or "none") for name, count in items.items()]


def _records(built: Built, step: str, file: str) -> list[dict[str, Any]]:
    return read_lines(built.artifacts[step].payload / file)


def _texts(built: Built, file: str) -> list[str]:
    paths = [artifact.payload / file for artifact in built.artifacts.values()]
    return [path.read_text(encoding="utf-8") for path in paths if path.exists()]
