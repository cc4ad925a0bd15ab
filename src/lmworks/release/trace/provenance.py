"""Where the texts that a model learned from come from, record by record."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lmworks.data.shards.records import Documents, read_columns
from lmworks.data.tuning.conversations import Conversations, is_conversations
from lmworks.data.tuning.preferences import Preferences
from lmworks.pipeline.lineage import Lineage
from lmworks.pipeline.stage import Handle
from lmworks.pipeline.store import Artifact


@dataclass(frozen=True)
class Provenance:
    """Where one text was read from."""

    source: str
    licence: str
    language: str | None = None
    path: str = ""
    """The file below the source; empty if it was not asked for, or is not known."""


COUNTED = ("id", "source", "licence", "language")
WITH_PATH = (*COUNTED, "meta")
UNKNOWN = Provenance("unknown", "unknown")
"""Of a document that is in no part of the store that lineage leads to."""
WRITTEN = Provenance("written by lmworks", "")
"""Of a record that was made from no document."""


@dataclass(frozen=True)
class Text:
    """One record, as a model learns it."""

    id: str
    document: str | None
    """Id of the document that it is, or was made from."""
    text: str
    passages: Sequence[str] = ()
    """Ids of further documents, whose passages stand in it."""


def texts(folder: Path) -> Iterator[Text]:
    """The documents, conversations or judgements of a folder; none if it holds none."""
    for document in Documents(folder, "").iterate():
        yield Text(document.id, document.id, document.text)
    yield from records(folder)


def records(folder: Path) -> Iterator[Text]:
    """Its conversations or judgements."""
    if is_conversations(Handle(folder, "")):
        for record in Conversations(folder, "").iterate():
            read = record.get("passages", ())
            yield Text(record["id"], record["document"], _joined(record["messages"]), read)
    if (folder / "preferences.jsonl").exists():
        for judged in Preferences(folder, "").iterate():
            turns = [*judged.prompt, *(judged.chosen or ()), *(judged.rejected or ())]
            yield Text(judged.id, judged.document, _joined(turns), judged.passages or ())


def holds_texts(folder: Path) -> bool:
    """Whether there is any."""
    return next(texts(folder), None) is not None


def provenances(lineage: Lineage, artifact: Artifact, part: str = "") -> Iterator[Provenance]:
    """That of each record of an artifact, or of a part of it, and of each document whose passage stands in one."""
    folder = artifact.path(part)
    if shards := Documents(folder, "").shards():
        for shard in shards:
            yield from (provenance for _, provenance in _read(shard, COUNTED))
        return
    documents = [name for text in texts(folder) for name in (text.document, *text.passages)]
    found = look_up(lineage, artifact, {name for name in documents if name})
    yield from (found.get(name, UNKNOWN) if name else WRITTEN for name in documents)


def look_up(
    lineage: Lineage, artifact: Artifact, documents: Collection[str], columns: Sequence[str] = COUNTED
) -> dict[str, Provenance]:
    """That of documents which an artifact, or what it was made from, holds, by their ids; unknown ones are left out.

    With `WITH_PATH` as `columns` each has its path.
    """
    found: dict[str, Provenance] = {}
    folders = [artifact.payload, *(link.path for link in lineage.read_from(artifact))]
    for folder in folders:
        for shard in Documents(folder, "").shards() if folder and len(found) < len(documents) else ():
            found = {name: each for name, each in _read(shard, columns) if name in documents} | found
    return found


def _read(shard: Path, columns: Sequence[str]) -> Iterator[tuple[str, Provenance]]:
    for row in read_columns(shard, columns).to_pylist():
        path = str(json.loads(row.pop("meta", "{}")).get("path", ""))
        yield row.pop("id"), Provenance(path=path, **row)


def _joined(turns: Sequence[Mapping[str, str]]) -> str:
    return "\n\n".join(turn["content"] for turn in turns)
