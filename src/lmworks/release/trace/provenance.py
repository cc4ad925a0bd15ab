"""Origin of the texts that a model learned from, record by record."""

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
    """Origin of one text."""

    source: str
    licence: str
    language: str | None = None
    path: str = ""
    """Path of the file in the source. Empty if it was not requested, or is not known."""


COUNTED = ("id", "source", "licence", "language")
WITH_PATH = (*COUNTED, "meta")
UNKNOWN = Provenance("unknown", "unknown")
"""Origin of a document that lineage finds nowhere in the store."""
WRITTEN = Provenance("written by lmworks", "")
"""Origin of a record that was made from no document."""


@dataclass(frozen=True)
class Text:
    """One record, as a model learns it."""

    id: str
    document: str | None
    """Id of the document that the record is, or was made from."""
    text: str
    passages: Sequence[str] = ()
    """Ids of further documents of which the record contains passages."""


def texts(folder: Path) -> Iterator[Text]:
    """Yield the documents, conversations or judgements of a folder."""
    for document in Documents(folder, "").iterate():
        yield Text(document.id, document.id, document.text)
    yield from records(folder)


def records(folder: Path) -> Iterator[Text]:
    """Yield the conversations or judgements of a folder."""
    if is_conversations(Handle(folder, "")):
        for record in Conversations(folder, "").iterate():
            read = record.get("passages", ())
            yield Text(record["id"], record["document"], _joined(record["messages"]), read)
    if (folder / "preferences.jsonl").exists():
        for judged in Preferences(folder, "").iterate():
            turns = [*judged.prompt, *(judged.chosen or ()), *(judged.rejected or ())]
            yield Text(judged.id, judged.document, _joined(turns), judged.passages or ())


def holds_texts(folder: Path) -> bool:
    """Return whether a folder holds any text."""
    return next(texts(folder), None) is not None


def provenances(lineage: Lineage, artifact: Artifact, part: str = "") -> Iterator[Provenance]:
    """Yield the origin of each record of an artifact or a part, and of each document with a passage in a record."""
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
    """Return id → origin of documents in an artifact, or in what it was made from. Unknown documents are left out.

    With `WITH_PATH` as `columns`, each origin has its path.
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
