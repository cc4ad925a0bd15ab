"""Documents that a data step dropped or changed: random ones for each reason, found by comparing input and output."""

from __future__ import annotations

import base64
import hashlib
import heapq
import json
import textwrap
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from lmworks.data.personal.hidden import hide
from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise
from lmworks.data.quality.curate import CurateConfig, curate
from lmworks.data.shards.records import Document, Documents, read_columns
from lmworks.errors import UsageError
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, read_lines
from lmworks.release.inspect.dataflow import reasons_of
from lmworks.release.inspect.hidden import Show, find, hiding, make_show, outputs
from lmworks.release.render.differences import SHOWN, Piece, differences, excerpt, show_spaces
from lmworks.release.render.words import printable, visible

WIDTH = 100
EXPLAINED: Mapping[str, type[CurateConfig | AnonymiseConfig]] = {
    curate.name: CurateConfig,
    anonymise.name: AnonymiseConfig,
}
"""Stages with several reasons that decide on each document alone → their configs, which compute the reasons."""


@dataclass(frozen=True)
class Change:
    """One document that a step dropped or changed."""

    id: str
    outcome: str
    """"dropped", "changed", "kept" (but noted), or "quarantined"."""
    pieces: list[Piece]
    """Differences of a changed document, or of a duplicate from the document that it repeats; else the whole text."""
    about: str = ""
    """Further notes of the step about the document."""

    def as_text(self) -> Iterator[str]:
        head = f"{self.id} {self.outcome}" + (f"; {self.about}" if self.about else "")
        yield from textwrap.wrap(printable(head), WIDTH, initial_indent="  ", subsequent_indent="    ")
        signs = {"out": "[-{}-]", "in": "{{+{}+}}"}
        text = "".join(signs[kind].format(show_spaces(part)) if kind in signs else part for kind, part in self.pieces)
        for line in text.split("\n") if text else ():
            yield from textwrap.wrap(visible(line), WIDTH, initial_indent="    ", subsequent_indent="    ")


class Reasons:
    """Reasons why a step dropped or changed documents, as far as its payload states them or lets them be computed."""

    def __init__(self, built: Built, artifact: Artifact, left: Mapping[str, int]) -> None:
        self._artifact, self._left = artifact, left
        self._counted = reasons_of(artifact)
        self.noted: dict[str, dict[str, dict[str, Any]]] = {}
        """Id → reason → the example that the step kept."""
        self._by_outcome: dict[bool, set[str]] = {True: set(), False: set()}
        for example in read_lines(artifact.payload / "examples.jsonl"):
            if "id" in example:
                self.noted.setdefault(example["id"], {})[example["reason"]] = example
                self._by_outcome[example["id"] in left].add(example["reason"])
        self.like: dict[str, str] = {}
        """Id of a duplicate → the document that it repeats."""
        for cluster in read_lines(artifact.payload / "clusters.jsonl"):
            self.like |= dict.fromkeys(cluster["dropped"], [*cluster["held_out"], *cluster["kept"]][0])
        originals = set(self.like.values())
        held_out = [Documents(link.path, "") for link in built.lineage.links(artifact, Role.JUDGES) if link.path]
        self._held_out = {key: digest for each in held_out for key, digest in digests(each) if key in originals}

    def of(self, document: Document) -> list[str]:
        """Return the reasons for a document, at least one."""
        stays = document.id in self._left
        if document.id in self.noted:
            return list(self.noted[document.id])
        if original := self.like.get(document.id):
            same = self._held_out.get(original, self._left.get(original)) == number_of(document.text_digest)
            kind = "exact duplicate" if same else "near duplicate"
            return [f"{kind} of a held-out document" if original in self._held_out else kind]
        if config := EXPLAINED.get(self._artifact.stage):
            reasons = config.model_validate(self._artifact.manifest.config).reasons_for(document)
            found = {each for each in reasons if each in self._counted}
        else:
            found = self._by_outcome[stays] if len(self._by_outcome[stays]) == 1 else set()
        return sorted(found) or ["changed" if stays else "dropped"]

    def change(
        self, document: Document, reason: str, show: Show, after: str | None, originals: Mapping[str, str]
    ) -> Change:
        """Return how one document is shown, before and after the step."""
        note = self.noted.get(document.id, {}).get(reason, {})
        other = [
            f"{name} {value}" for name, value in note.items() if name not in ("id", "reason", "text", "raw", "path")
        ]
        about, text = show(replace(document, text=", ".join(other), fields=(), structure=None)), show(document)
        original = self.like.get(document.id, "")
        if after is not None:
            pieces = differences(text, after)
        elif original in originals:
            about = f"repeats {original}; what differs from it is marked"
            pieces = differences(originals[original], text)
        else:
            pieces = _marked(text, str(note.get("text", "")))
        outcome = "dropped" if after is None else "kept" if after == text else "changed"
        return Change(document.id, outcome, list(excerpt(pieces)), about)


def _marked(text: str, noted: str) -> list[Piece]:
    """Return a text as pieces, with the passage marked that the step noted between »brackets«, if there is one."""
    passage = noted.partition("»")[2].rpartition("«")[0]
    before, found, after = text.partition(passage) if passage else (text, "", "")
    pieces: list[Piece] = [("same", show_spaces(before)), ("out", found), ("same", after)]
    return [piece for piece in pieces if piece[1]]


def digests(documents: Documents) -> Iterator[tuple[str, int]]:
    """Yield each document's id and the beginning of its text's digest, without reading the texts."""
    for shard in documents.shards():
        yield from zip(column(shard, "id"), map(number_of, column(shard, "text_digest")), strict=True)


def number_of(digest: str) -> int:
    """Return the first 64 bits of a digest: small in memory, and long enough to avoid equal values by chance."""
    return int(digest[:16], 16)


def column(shard: Path, name: str) -> list[str]:
    values: list[str] = read_columns(shard, [name]).column(name).to_pylist()
    return values


CANDIDATES = 2_000
"""Number of random dropped or changed documents that are read: about 20 of them have a reason of one in 100."""


@dataclass(frozen=True)
class Changes:
    """Documents that one step dropped or changed."""

    step: str
    stage: str
    before: int
    dropped: int
    changed: int
    counted: dict[str, int]
    """Reason → how often the step counted it."""
    examples: dict[str, list[Change]]
    """Reason → random documents."""
    unknown: list[str]
    """Inputs that are no longer in the store: what the step did to their documents cannot be shown."""

    def as_text(self) -> str:
        """Return what the step did, for a terminal: [-these-] words were taken out, {+these+} put in."""
        lines = [f"{self.step} ({self.stage})"]
        if self.before:
            lines[0] += f": of {self.before:,} documents {self.dropped:,} dropped, {self.changed:,} changed"
        lines += [f"its input {name} is no longer in the store: what it did there is unknown" for name in self.unknown]
        for reason in dict.fromkeys([*self.counted, *self.examples]):
            times = f"{self.counted[reason]:,} " if reason in self.counted else ""
            lines += ["", printable(f"{times}{reason}")]
            for change in self.examples.get(reason, ()):
                lines += change.as_text()
        return "\n".join(lines)


def changes_of(
    built: Built, name: str, count: int, seed: int = 0, *, personal: bool = False, only: str = ""
) -> Changes:
    """Return up to `count` random documents for each reason of a step, or for each reason that begins with `only`.

    If the step kept no reason for a document, the reason is found again: from the clusters of duplicates, by the
    step's own function, or because only one reason leads to this outcome. Reasons too rare to occur in `CANDIDATES`
    random documents are shown by the first examples, which the step kept. Personal data is hidden, see `hidden`.
    Raises `UsageError` if the step makes no documents.
    """
    if name not in inspectable(built):
        known = ", ".join(inspectable(built)) or "none is built"
        raise UsageError(f"step {name!r} neither works on documents nor reads sources; steps that do: {known}")
    artifact = built.artifacts[name]
    counted = {reason: number for reason, number in reasons_of(artifact).items() if reason.startswith(only)}
    examples = _quarantined(built, artifact, count, seed, only, personal=personal)
    before = inputs_of(built, artifact, Role.READS)
    after = [(artifact, output) for output in outputs(artifact)] if before else []
    left = {key: digest for _, output in after for key, digest in digests(output)}
    lost = [key for _, documents in before for key, digest in digests(documents) if left.get(key) != digest]
    reasons = Reasons(built, artifact, left)
    chosen = {*heapq.nsmallest(CANDIDATES, lost, key=lambda key: rank(seed, key)), *reasons.noted}
    found: dict[str, list[tuple[bytes, Document, Show]]] = defaultdict(list)
    for parent, documents in before:
        show = make_show(built, parent, personal=personal)
        for document in find(documents, chosen):
            for reason in reasons.of(document):
                entry = (rank(seed, document.id), document, show)
                found[reason] = sorted([*found[reason], entry], key=itemgetter(0))[:count]
    found = {reason: entries for reason, entries in sorted(found.items()) if reason.startswith(only)}
    wanted = {document.id for entries in found.values() for _, document, _ in entries}
    texts = texts_shown(built, after, wanted, personal)
    repeated = {reasons.like[key] for key in wanted & reasons.like.keys()}
    originals = texts_shown(built, [*before, *inputs_of(built, artifact, Role.JUDGES)], repeated, personal)
    for reason, entries in found.items():
        examples[reason] = [
            reasons.change(document, reason, show, texts.get(document.id), originals) for _, document, show in entries
        ]
    dropped, total = sum(key not in left for key in lost), sum(documents.count() for _, documents in before)
    unknown = [str(link) for link in built.lineage.links(artifact, Role.READS) if not link.parent]
    return Changes(name, artifact.stage, total, dropped, len(lost) - dropped, counted, examples, unknown)


def inspectable(built: Built) -> list[str]:
    """Return the steps of the recipe that make documents, from documents or from sources."""
    found = {name: artifact for name, artifact in built.artifacts.items() if "/" not in name}
    return [
        name
        for name, artifact in found.items()
        if (built.lineage.links(artifact, Role.READS) or _quarantine(artifact).exists()) and outputs(artifact)
    ]


def _quarantine(artifact: Artifact) -> Path:
    return artifact.payload / "quarantine.jsonl"


def _quarantined(
    built: Built, artifact: Artifact, count: int, seed: int, only: str, *, personal: bool
) -> dict[str, list[Change]]:
    """Return random records that could not be read: their place, and, with `personal`, their bytes as text."""
    found: dict[str, list[tuple[bytes, str, dict[str, Any]]]] = defaultdict(list)
    if _quarantine(artifact).exists():
        with _quarantine(artifact).open(encoding="utf-8") as lines:
            for bad in map(json.loads, lines):
                place = f"{bad['source']}: {bad['path']}, record {bad['record'] or '–'}, byte {bad['offset']}"
                reason = f"quarantined: {bad['reason'].split(':')[0]}"
                if reason.startswith(only):
                    ranked = [*found[reason], (rank(seed, place), place, bad)]
                    found[reason] = sorted(ranked, key=itemgetter(0))[:count]
    shown = str if personal else partial(hide, more=hiding(built))

    def change(place: str, bad: Mapping[str, Any]) -> Change:
        raw = base64.b64decode(bad.get("raw", "")).decode(errors="replace") if personal else ""
        pieces: list[Piece] = [("same", raw[:SHOWN])] if raw else []
        return Change(shown(place), "quarantined", pieces, shown(bad["reason"]))

    return {reason: [change(place, bad) for _, place, bad in ranked] for reason, ranked in found.items()}


def inputs_of(built: Built, artifact: Artifact, role: Role) -> list[tuple[Artifact, Documents]]:
    """Return the known inputs of a role, each with the artifact that contains it."""
    links = built.lineage.links(artifact, role)
    return [(link.parent, Documents(link.parent.path(link.part), "")) for link in links if link.parent]


def texts_shown(
    built: Built, places: Iterable[tuple[Artifact, Documents]], ids: Collection[str], personal: bool = False
) -> dict[str, str]:
    """Return the texts of the documents with these ids in any of these places, as they are shown."""
    return {
        document.id: show(document)
        for artifact, documents in places
        for show in [make_show(built, artifact, personal=personal)]
        for document in find(documents, ids)
    }


def rank(seed: int, key: str) -> bytes:
    """Return the place of a document in a random order. It does not depend on the document's shard."""
    return hashlib.sha256(f"{seed}\0{key}".encode()).digest()
