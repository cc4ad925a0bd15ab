"""Documents from pieces of sources. Other records are quarantined, left out or refused."""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from lmworks.data.base.identity import document_id
from lmworks.data.erased.values import Erased, Line, said_by, text_line
from lmworks.data.licences.gate import LicenceGate
from lmworks.data.parsers.facts import TWO_WAYS, WRITTEN
from lmworks.data.parsers.parser import RAW_BYTES_KEPT
from lmworks.data.shards.named import Seen
from lmworks.data.shards.records import Document
from lmworks.data.shards.steps import Parts, Tally
from lmworks.data.sources.source import Found, Piece, Record, Skipped, SourceConfig, Unreadable
from lmworks.errors import LmworksError

QUARANTINED = "quarantined: "
"""Beginning of the reasons for records that could not be read."""
NOT_KEPT = "could not be read and is counted alone"
"""Reason of records that are quarantined but not kept. They also count under their own reasons."""
KEPT_BYTES = 2**21
"""Maximum bytes kept of a file's unreadable records in a unit, which count a KiB more each. Without a limit, a
small file that unpacks to millions of broken rows would fill the disk."""
BEHIND_DAMAGE = "records behind damage, by its bytes"
"""Estimated number of records behind damage, from the mean size of earlier records in the piece, or one KiB each."""
MOST_BAD = 10_000
"""Number of unreadable records from which the rest of a piece is not read, if their share is too large."""
GIVEN_UP = "given up"
MOST_TIMES, LEAST_TEXT = 200, 2**28
"""Limit of a piece's text: characters per byte of its file, but at least a number of characters. A longer rest is not
read, because one value of a column can occur in millions of rows."""
HOLDS_ERASED = "erased: holds an erased value"
IN_PLACE = "where another text was erased"
"""Count of records that have the number of an erased record, and a different text."""
PieceUnit = tuple[int, Sequence[Piece]]
"""Number of a source, and those of its pieces that make one shard."""


@dataclass(frozen=True)
class Reader:
    """Settings that decide whether a record is read, and with which id."""

    sources: Sequence[SourceConfig]
    gate: LicenceGate
    key: bytes
    """Key of document ids, and of the digests of erased values."""
    erased: frozenset[str]
    """Ids of documents to leave out."""
    lines: Sequence[Line]
    """Erased values. A document that holds one of them is left out."""
    largest_bad_share: float = 1.0
    """Share of unreadable records above which the rest of a piece is not read, if they are many."""
    contents: Mapping[str, Set[str]] = field(default_factory=dict)
    """Keyed digests of erased texts, by id, if they are known."""

    def identity(self, source: SourceConfig, record: Found | Document) -> tuple[str, bool]:
        """Return a record's id, and whether another text was erased in its place. If so, its text is part of the id."""
        name = _id(self.key, source.label, record)
        known = self.contents.get(name)
        if known and isinstance(record, Record) and source.is_numbered(record.path):
            content = text_line(self.key, _document(name, source.label, record).text_digest).digest
            if content not in known:
                return document_id(self.key, source.label, record.path, f"{record.key}\0{content}"), True
        return name, False

    def values(self) -> Erased:
        return Erased(self.key, self.lines)


def read_unit(reader: Reader, unit: PieceUnit, taken: dict[str, bool] | None = None) -> tuple[Parts, Tally]:
    """Return the documents of a unit. `taken` states, for each repeated id, whether a record already has the id."""
    tally, taken = Tally(), taken or {}
    documents: list[Document] = []
    facts: dict[str, Any] = {"erased": [], "left_out": [], "dates": {}}
    values, kept = reader.values(), Counter[str]()
    number, pieces = unit
    source = reader.sources[number]
    seen = Seen(source.named())
    for piece in pieces:
        found = _until_given_up(source, piece, _read_piece(source, piece, tally), reader.largest_bad_share)
        for records, record in enumerate(found):
            empty: Sequence[str] = ()
            if isinstance(record, Record):
                empty = seen.see(record.row, record.empty, record.meta)
            elif isinstance(record, Unreadable) and record.row:
                seen.look(record.row, seen.wanted)
            elif isinstance(record, Unreadable):
                seen.unread += 1
            if isinstance(record, Record | Unreadable):
                _note_dates(facts["dates"], source, record)
            identity, is_in_place = reader.identity(source, record)
            if identity in reader.erased:
                tally.counts["erased"] += 1
                facts["erased"].append(identity)
            elif (isinstance(record, Record | Document)) and _passes(
                reader.gate, source, record, identity, taken, values, tally, kept
            ):
                documents.append(record if isinstance(record, Document) else _document(identity, source.label, record))
                tally.counts["bytes"] += len(record.text.encode())
                tally.counts.update([IN_PLACE] * is_in_place)
                tally.counts.update(f"no value in `{name}`" for name in empty)
                tally.counts.update(record.counts if isinstance(record, Record) else {})
            elif isinstance(record, Unreadable):
                if record.is_rest:
                    mean = (record.start - piece.start) / records if records else 2**10
                    tally.counts[BEHIND_DAMAGE] += int((record.size or 0) / mean)
                if _quarantine(tally, source.label, record, identity, values, kept):
                    facts["left_out"].append(identity)
            else:
                facts["left_out"].append(identity)
                if isinstance(record, Skipped):
                    tally.lose(f"skipped: {record.reason}", source=source.label, path=record.path, record=record.key)
    tally.facts["sources"] = {source.label: Counter({**tally.counts, "documents": len(documents)})}
    places = ("path", "record", "reason")
    tally.facts["unread"] = {bad["source"]: {name: bad[name] for name in places} for bad in reversed(tally.quarantined)}
    if values:
        documents = _without_values(values, documents, tally, facts["left_out"])
        tally.facts["searched"] = [line.digest for line in reader.lines]
    tally.counts["documents"] += len(documents)
    tally.facts |= {**facts, "named": {source.label: seen.facts()}}
    return {"": documents}, tally


def _note_dates(dates: dict[str, dict[str, str]], source: SourceConfig, record: Record | Unreadable) -> None:
    """Note the first place, by label and order, of a date that shows its order or can be read in two ways."""
    if isinstance(record, Unreadable):
        orders = [TWO_WAYS] * (TWO_WAYS in record.reason)
    else:
        orders = [words.removeprefix(WRITTEN) for words in record.counts if words.startswith(WRITTEN)]
    for order in orders:
        dates.setdefault(source.label, {}).setdefault(order, f"{record.path}, record {record.key}")


def _without_values(values: Erased, documents: list[Document], tally: Tally, left_out: list[str]) -> list[Document]:
    """Return the documents without erased values. Add the ids of the other documents to `left_out`."""
    kept = []
    for document, found in zip(documents, values.in_documents(documents), strict=True):
        if not found:
            kept.append(document)
            continue
        left_out.append(document.id)
        tally.counts["bytes"] -= len(document.text.encode())
        _leave_out(tally, found, document.source, **_place(document))
    return kept


def _leave_out(tally: Tally, found: Set[str], label: str, **place: str) -> None:
    tally.lose(HOLDS_ERASED, source=label, **place)
    tally.facts["by_value"] = sorted({*tally.facts.get("by_value", ()), *found})


def _passes(
    gate: LicenceGate,
    source: SourceConfig,
    record: Record | Document,
    identity: str,
    taken: dict[str, bool],
    values: Erased,
    tally: Tally,
    kept: Counter[str],
) -> bool:
    """Return whether a record's licence passes and the record is the first with its id. Else count the reason."""
    if refusal := gate.refusal(record.licence):
        tally.lose(refusal, source=source.label, **_place(record))
    elif taken.get(identity) and isinstance(record, Record) and record.span:
        reason = f"a key that an earlier record has: {record.key!r}; name a field that is unique in `key_field`"
        bad = record.span.unreadable(record.path, record.key, reason)
        _quarantine(tally, source.label, bad, identity, values, kept)
    elif taken.get(identity):
        tally.lose("skipped: the same document again", source=source.label, **_place(record))
    else:
        if identity in taken:
            taken[identity] = True
        return True
    return False


def _id(key: bytes, label: str, found: Found | Document) -> str:
    return found.id if isinstance(found, Document) else document_id(key, label, found.path, found.key)


def _place(record: Record | Document) -> dict[str, str]:
    if isinstance(record, Document):
        return {"path": str(record.meta.get("path", "")), "record": record.id}
    return {"path": record.path, "record": record.key}


def _until_given_up(
    source: SourceConfig, piece: Piece, records: Iterator[Found | Document], largest_bad_share: float
) -> Iterator[Found | Document]:
    """Yield the records of a piece. If too many are unreadable, or the text is too long, quarantine the rest unread."""
    bad = total = characters = 0
    for found in records:
        yield found
        characters += 0 if isinstance(found, Unreadable | Skipped) else len(found.text)
        if characters > LEAST_TEXT and characters > MOST_TIMES * source.size(piece.path):
            reason = f"{GIVEN_UP}: its texts are more than {LEAST_TEXT:,} characters, and {MOST_TIMES} times its file"
            yield Unreadable(piece.name, "", 0, reason, b"", 0, piece.bytes)
            return
        total += not isinstance(found, Skipped)
        if not isinstance(found, Unreadable):
            continue
        bad += 1
        if bad >= MOST_BAD and bad > largest_bad_share * total:
            share = f"more than largest_bad_share ({largest_bad_share:g})"
            reason = f"{GIVEN_UP}: {bad:,} of {total:,} records up to here could not be read, {share}"
            yield Unreadable(found.path, f"after {found.key}", found.offset, reason, b"", found.offset, piece.bytes)
            return


def _read_piece(source: SourceConfig, piece: Piece, tally: Tally) -> Iterator[Found | Document]:
    try:
        for found in source.read(piece):
            if isinstance(found, Record) and not is_text(found.text):
                yield Unreadable(found.path, found.key, 0, "half of a surrogate pair in the text", b"")
            else:
                yield found
    except FileNotFoundError as error:
        # It was there when its digest was taken. To quarantine it would make the output depend on the machine.
        raise LmworksError(
            f"Source {source.label}: {piece.name} is gone, or is not on the machine {os.uname().nodename}. Leave "
            "sources as they are while they are read; on a cluster, every machine must see them under the same path."
        ) from error
    except OSError as error:
        tally.is_lasting = False
        yield Unreadable(piece.name, "", 0, f"unreadable: {error.strerror}", b"")


def _document(identity: str, label: str, record: Record) -> Document:
    return Document(
        id=identity,
        text=record.text,
        source=label,
        licence=record.licence or "",
        created=record.created,
        language=record.language,
        subject=record.subject,
        meta={**record.meta, "path": record.path, **({"format": record.format} if record.structure is None else {})},
        fields=record.fields,
        structure=record.structure,
    )


def _quarantine(tally: Tally, label: str, bad: Unreadable, identity: str, values: Erased, kept: Counter[str]) -> bool:
    """Quarantine an unreadable record, unless it holds an erased value. If there is no room left, only count it.

    `kept` are the bytes used per file. Returns whether the record was kept or left out, and not only counted.
    """
    place = {"source": label, "path": bad.path, "record": bad.key, "offset": bad.offset}
    reason = f"{QUARANTINED}{bad.reason.split(':')[0]}"
    if kept[bad.path] > KEPT_BYTES and not bad.reason.startswith(GIVEN_UP):
        tally.lose(reason, **place, detail=bad.reason)
        tally.lose(NOT_KEPT)
        return False
    raw = base64.b64encode(bad.raw[:RAW_BYTES_KEPT]).decode()
    size = len(bad.raw) if bad.size is None else bad.size
    record = {"id": identity, **place, "reason": bad.reason, "start": bad.start, "raw_bytes": size, "raw": raw}
    record |= {"settings": bad.settings} if bad.settings else {}
    found = set[str]().union(*values.find(said_by(record))) if values else set[str]()
    if found := values.but_kept(identity, found):
        _leave_out(tally, found, label, path=bad.path, record=bad.key)
        return True
    tally.lose(reason, **place, detail=bad.reason)
    tally.quarantined.append(record)
    kept[bad.path] += len(raw) + 2**10
    return True


def set_aside(reader: Reader, tally: Tally, source: SourceConfig, bad: Unreadable) -> None:
    """Quarantine a whole file that was not read."""
    _quarantine(tally, source.label, bad, _id(reader.key, source.label, bad), reader.values(), Counter())


def is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
