"""Ingest: read sources through the licence gate into documents with ids that never change."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from lmworks.data.documents import Document, Documents, write_file, write_json_lines
from lmworks.data.identity import document_id, key_digest, load_id_key
from lmworks.data.licences import EXPIRED, NO_LICENCE, REFUSALS, LicenceGate
from lmworks.data.mixture import attribution_text, mix
from lmworks.data.sources import AnySource
from lmworks.data.sources.source import Piece, Record, SourceConfig, Unreadable
from lmworks.data.steps import Parts, Tally, map_units
from lmworks.errors import GateRefused, LmworksError
from lmworks.pipeline.erasure import erased_documents
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import StepConfig

RAW_BYTES_KEPT = 65_536


class IngestConfig(StepConfig):
    """Read sources into documents."""

    kind: Literal["ingest"] = "ingest"
    sources: list[AnySource] = Field(min_length=1, description="What to read; each names its kind.")
    licences: LicenceGate = Field(default=LicenceGate(), description="Which licences pass; none by default.")
    shard_bytes: int = Field(
        default=2**20,
        ge=1,
        description="Source bytes a shard: 1 MiB lets two cores share a small source, and a killed run lose little. "
        "Raise it for a source of many gigabytes.",
    )
    fingerprints: list[str] = Field(default=[], description="One a source; set by `resolve`.")
    id_key_digest: str = Field(default="", description="Digest of the key of the document ids; set by `resolve`.")
    erased: list[str] = Field(default=[], description="Ids of documents to leave out; set by `resolve`.")
    folder: Path = Field(default=Path(), exclude=True, description="The recipe's folder; set by `resolve`.")

    @model_validator(mode="after")
    def _labels_differ(self) -> IngestConfig:
        labels = [source.label for source in self.sources]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"two sources are called {label!r}; ids would clash. Give one of them another `name`")
        return self

    def resolve(self, folder: Path) -> Self:
        """This config with everything that its output depends on: where paths start, files as they are, the id key."""
        sources = [source.model_copy(update={"folder": folder}) for source in self.sources]
        return self.model_copy(
            update={
                "sources": sources,
                "licences": self.licences.resolve(folder),
                "folder": folder,
                "fingerprints": [source.fingerprint() for source in sources],
                "id_key_digest": key_digest(load_id_key(folder)),
                "erased": erased_documents(folder),
            }
        )


@stage(version=1)
def ingest(config: IngestConfig, out: Path, context: Context) -> Result:
    """Read every source. The gate comes first: no text of a refused licence is kept, nor looked at.

    Beside the shards the payload holds `files.json` (path, sha256, bytes and licence of each file read) and
    `quarantine.jsonl` (what could not be read, with its raw bytes). A gate that states a `use` adds `licences.json`
    (the licence of the mixture) and `ATTRIBUTION.txt` (what to publish).
    """
    for source in config.sources:
        _refuse_whole_source(config.licences, source)
    key = load_id_key(config.folder)
    units: list[list[tuple[int, Piece]]] = []
    files, unreadable = [], Tally()
    for number, source in enumerate(config.sources):
        readable = []
        for path in source.paths():
            context.check_stop()
            try:
                files.append(_describe(source, path))
                readable += [(number, piece) for piece in source.pieces(path, config.shard_bytes)]
            except OSError as error:
                _quarantine(unreadable, source.label, Unreadable(path, "", 0, f"unreadable: {error.strerror}", b""))
        units += _units(readable, config.shard_bytes)
        unreadable.counts.update({f"not read: {ending}": times for ending, times in source.left_out().items()})
    tally = map_units(units, partial(_read_unit, config, key), out, context)
    tally.add(unreadable)
    write_file(out / "files.json", (json.dumps(files, indent=1, ensure_ascii=False) + "\n").encode())
    write_json_lines(out / "quarantine.jsonl", tally.quarantined)
    tally.counts["files"] = len(files)
    if not tally.counts["documents"]:
        raise LmworksError(f"No document could be read. Counted by reason: {dict(tally.counts)}.")
    _settle_licences(config.licences, tally.counts, out)
    return Result(counts=tally.counts, examples=tally.examples)


def _settle_licences(gate: LicenceGate, reasons: Mapping[str, int], out: Path) -> None:
    """Refuse a mixture that cannot be passed on, and licences that have expired; describe what passed."""
    import pyarrow.parquet as pq

    expired = [reason for reason in reasons if reason.startswith(EXPIRED)]
    if expired:
        raise GateRefused(f"{'; '.join(expired)}. Renew the contract and its `expires`, or leave these texts out.")
    counts: Counter[tuple[str, str]] = Counter()
    for shard in Documents(out, "").shards():
        columns = pq.read_table(shard, columns=["source", "licence"])
        counts.update(zip(*(columns.column(name).to_pylist() for name in columns.column_names), strict=True))
    mixture = mix(gate, [licence for _, licence in counts])
    if gate.use is None:
        return
    passed = sum(counts.values())
    judged = passed + sum(count for reason, count in reasons.items() if reason.startswith(REFUSALS))
    listing = {
        "use": gate.use,
        "as_of": gate.as_of and str(gate.as_of),
        "records": judged,
        "passed": passed,
        "share_without_licence": round(reasons.get(NO_LICENCE, 0) / judged, 6),
        "mixture": mixture.as_json(),
        "sources": [
            {"source": name, "licence": licence, "documents": n} for (name, licence), n in sorted(counts.items())
        ],
    }
    write_file(out / "licences.json", (json.dumps(listing, indent=1, ensure_ascii=False) + "\n").encode())
    write_file(out / "ATTRIBUTION.txt", attribution_text(mixture, counts).encode())


def _refuse_whole_source(gate: LicenceGate, source: SourceConfig) -> None:
    licence = source.source_licence
    if licence is None and source.has_licence_by_record:
        return
    reason = gate.refusal(licence)
    if reason:
        allowed = ", ".join([*gate.allow, *([f"what allows {gate.use} use"] if gate.use else [])]) or "none"
        raise GateRefused(
            f"Source {source.label}: {reason}. Allowed: {allowed}. State the source's licence (an SPDX expression), "
            "and add it to `licences.allow` if you have decided that it may be used."
        )


def _describe(source: SourceConfig, path: str) -> dict[str, str | int | None]:
    with (source.root() / path).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = stream.tell()
    return {"source": source.label, "path": path, "sha256": digest, "bytes": size, "licence": source.source_licence}


def _units(pieces: Sequence[tuple[int, Piece]], size: int) -> Iterator[list[tuple[int, Piece]]]:
    """Consecutive pieces, cut where they reach `size` bytes."""
    unit, total = [], 0
    for number, piece in pieces:
        unit.append((number, piece))
        total += piece.bytes
        if total >= size:
            yield unit
            unit, total = [], 0
    if unit:
        yield unit


def _read_unit(config: IngestConfig, key: bytes, unit: list[tuple[int, Piece]]) -> tuple[Parts, Tally]:
    tally, documents, erased = Tally(), [], set(config.erased)
    for number, piece in unit:
        source = config.sources[number]
        for record in _read_piece(source, piece):
            if document_id(key, source.label, record.path, record.key) in erased:
                tally.counts["erased"] += 1
            elif isinstance(record, Unreadable):
                _quarantine(tally, source.label, record)
            elif refusal := config.licences.refusal(record.licence):
                tally.note(refusal, source=source.label, path=record.path, record=record.key)
            else:
                documents.append(_document(key, source.label, record))
    tally.counts["documents"] += len(documents)
    tally.counts["bytes"] += sum(len(document.text.encode()) for document in documents)
    return {"": documents}, tally


def _read_piece(source: SourceConfig, piece: Piece) -> Iterator[Record | Unreadable]:
    try:
        yield from source.read(piece)
    except OSError as error:
        yield Unreadable(piece.path, "", 0, f"unreadable: {error.strerror}", b"")


def _document(key: bytes, label: str, record: Record) -> Document:
    return Document(
        id=document_id(key, label, record.path, record.key),
        text=record.text,
        source=label,
        licence=record.licence or "",
        meta={**record.meta, "path": record.path, "format": record.format},
    )


def _quarantine(tally: Tally, label: str, bad: Unreadable) -> None:
    place = {"source": label, "path": bad.path, "record": bad.key, "offset": bad.offset}
    tally.note(f"quarantined: {bad.reason.split(':')[0]}", **place, detail=bad.reason)
    raw = base64.b64encode(bad.raw[:RAW_BYTES_KEPT]).decode()
    tally.quarantined.append({**place, "reason": bad.reason, "raw_bytes": len(bad.raw), "raw": raw})
