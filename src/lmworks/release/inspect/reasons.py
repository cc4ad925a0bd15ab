"""Why a step dropped or changed a document, as far as its payload tells or can be worked out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise
from lmworks.data.quality.curate import CurateConfig, curate
from lmworks.data.records import Document, Documents
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, read_lines
from lmworks.release.inspect.dataflow import reasons_of
from lmworks.release.inspect.hidden import Show
from lmworks.release.render.differences import Piece, differences, excerpt, show_spaces
from lmworks.release.render.words import printable, visible

WIDTH = 100
EXPLAINED: Mapping[str, type[CurateConfig | AnonymiseConfig]] = {
    curate.name: CurateConfig,
    anonymise.name: AnonymiseConfig,
}
"""Stages that have several reasons and decide on each document alone; their configs tell the reasons."""


@dataclass(frozen=True)
class Change:
    """One document that a step dropped or changed."""

    id: str
    outcome: str
    """"dropped", "changed", "kept" (but noted), or "quarantined"."""
    pieces: list[Piece]
    """A changed document, or a duplicate against the document that it repeats; otherwise the whole text."""
    about: str = ""
    """What else the step noted of it."""

    def in_words(self) -> Iterator[str]:
        """Lines for a terminal."""
        head = f"{self.id} {self.outcome}" + (f"; {self.about}" if self.about else "")
        yield from textwrap.wrap(printable(head), WIDTH, initial_indent="  ", subsequent_indent="    ")
        signs = {"out": "[-{}-]", "in": "{{+{}+}}"}
        text = "".join(signs[kind].format(show_spaces(part)) if kind in signs else part for kind, part in self.pieces)
        for line in text.split("\n") if text else ():
            yield from textwrap.wrap(visible(line), WIDTH, initial_indent="    ", subsequent_indent="    ")


class Reasons:
    """Why a step dropped or changed a document, as far as its payload tells or can be worked out."""

    def __init__(self, built: Built, artifact: Artifact, left: Mapping[str, int]) -> None:
        self._artifact, self._left = artifact, left
        self._counted = reasons_of(artifact)
        self.noted: dict[str, dict[str, dict[str, Any]]] = {}
        """Id → reason → what the step kept as an example."""
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
        """The reasons, at least one."""
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
        """One document as it is shown, before and after."""
        note = self.noted.get(document.id, {}).get(reason, {})
        other = [
            f"{name} {value}" for name, value in note.items() if name not in ("id", "reason", "text", "raw", "path")
        ]
        about, text = show(replace(document, text=", ".join(other))), show(document)
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
    """A text with the passage that the step noted between »brackets«, if it did, marked."""
    passage = noted.partition("»")[2].rpartition("«")[0]
    before, found, after = text.partition(passage) if passage else (text, "", "")
    pieces: list[Piece] = [("same", show_spaces(before)), ("out", found), ("same", after)]
    return [piece for piece in pieces if piece[1]]


def digests(documents: Documents) -> Iterator[tuple[str, int]]:
    """Id and beginning of the text's digest of each document, without the texts."""
    for shard in documents.shards():
        yield from zip(column(shard, "id"), map(number_of, column(shard, "text_digest")), strict=True)


def number_of(digest: str) -> int:
    """Its first 64 bits: small to hold, and too long to meet by chance."""
    return int(digest[:16], 16)


def column(shard: Path, name: str) -> list[str]:
    """One column of a shard."""
    import pyarrow.parquet as pq

    values: list[str] = pq.read_table(shard, columns=[name]).column(name).to_pylist()
    return values
