"""Ingest: read sources through the licence gate into documents with ids that never change."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import asdict, astuple, replace
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.erasure.readings import said_by
from lmworks.data.erasure.values import VALUES_FILE, Erased, Line, known_values, strangers_of
from lmworks.data.identity import ID_KEY, KEY_FILE, KEY_VARIABLE, document_id, key_digest, load_id_key
from lmworks.data.licences.gate import EXPIRED, NO_LICENCE, REFUSALS, LicenceGate
from lmworks.data.licences.mixture import attribution_text, combined_licence
from lmworks.data.parsers import hints
from lmworks.data.parsers.parser import RAW_BYTES_KEPT
from lmworks.data.records import Document, Documents, read_columns, read_shard, write_json_lines
from lmworks.data.sources import AnySource
from lmworks.data.sources.cuts import cut_files
from lmworks.data.sources.source import Found, Piece, Record, Skipped, SourceConfig, Unreadable
from lmworks.data.steps import Parts, Tally, do_again, map_units, quarantined, unit_records
from lmworks.errors import GateRefused, LmworksError, format_counts
from lmworks.lazy import pc
from lmworks.pipeline.erasure import ERASED_FILE, erased_by_other_keys, erased_documents
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.units import Origin, Unit
from lmworks.pipeline.workers import in_processes
from lmworks.recipe.schema import Effect, StepConfig

NO_REASONS = {"documents", "bytes", "files"}
"""Counts that say how much was read, and not why something was not."""
MISSING = (
    " `text_field` names the field that holds the text, `delimiter` what separates columns, and `columns` those of a "
    "table without a header (docs/sources.md)."
)
NOT_READ = "not read: "
QUARANTINED = "quarantined: "
FEW_BAD = 10
"""Records that could not be read and refuse nothing, whatever their share: of so few each is told."""
HOLDS_ERASED = "erased: holds an erased value"
FILES = "files"
"""The pass that looks at files, before the one that reads them."""


class IngestConfig(StepConfig):
    """Read sources into documents."""

    makes: ClassVar[str] = "documents"
    kind: Literal["ingest"] = "ingest"
    sources: list[AnySource] = Field(min_length=1, description="What to read; each names its kind.")
    licences: LicenceGate = Field(default=LicenceGate(), description="Which licences pass; none by default.")
    shard_bytes: int = Field(
        default=2**20,
        ge=1,
        description="Source bytes a shard: 1 MiB lets two cores share a small source, and a killed run lose little. "
        "Raise it for a source of many gigabytes.",
    )
    largest_bad_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Of records that cannot be read, above which the step refuses: one in five is no accident. Up to "
        "ten are told, and refuse nothing.",
    )
    fingerprints: list[str] = Field(default=[], description="One a source; set by `resolve`.")
    id_key_digest: str = Field(default="", description="Digest of the key of the document ids; set by `resolve`.")
    erased: list[str] = Field(default=[], description="Ids of documents to leave out; set by `resolve`.")
    erased_values: list[str] = Field(
        default=[], description="Keyed digests of what no document may hold; set by `resolve`."
    )
    folder: Annotated[Path, Effect.NOTHING] = Field(
        default=Path(), exclude=True, description="The recipe's folder; set by `resolve`."
    )

    @model_validator(mode="after")
    def _labels_differ(self) -> IngestConfig:
        labels = [source.label for source in self.sources]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"two sources are called {label!r}; ids would clash. Give one of them another `name`")
        return self

    def resolve(self, folder: Path) -> Self:
        """This config with everything that its output depends on: where paths start, files as they are, the id key."""
        sources = [source.located(folder) for source in self.sources]
        return self.model_copy(
            update={
                "sources": sources,
                "licences": self.licences.resolve(folder),
                "folder": folder,
                "fingerprints": [source.fingerprint() for source in sources],
                "id_key_digest": ID_KEY.digest(folder),
                "erased": erased_documents(folder),
                "erased_values": known_values(folder),
            }
        )

    def prepare(self, folder: Path) -> bool:
        load_id_key(folder)
        return not self.id_key_digest

    def source_bytes(self, folder: Path) -> int:
        total = 0
        for source in (each.located(folder) for each in self.sources):
            for path in source.paths():
                with suppress(OSError):  # it will be quarantined
                    total += source.size(path)
        return total


@stage(version=7)
def ingest(config: IngestConfig, out: Path, context: Context) -> Result:
    """Read every source. The gate comes first: no text of a refused licence is kept, nor looked at.

    Beside the shards the payload holds `files.json` (path, sha256, bytes and licence of each file read) and
    `quarantine.jsonl`, an object for each record or file that could not be read: `id`, `source`, `path`, `record` (its
    number, "" for a whole file), `offset` (of the fault, in the decompressed file), `reason`, `start` and `raw_bytes`
    (where the record stands), `raw` (its bytes in base64, the first 64 KiB of a longer one). The source `quarantine`
    reads it again.

    A gate that states a `use` adds `licences.json` (the licence of the mixture) and `ATTRIBUTION.txt` (what to
    publish).
    """
    for source in config.sources:
        _refuse_whole_source(config.licences, source)
    key = load_id_key(config.folder)
    if strangers := erased_by_other_keys(config.folder, key_digest(key)):
        context.log(
            f"WARNING: {len(strangers)} of {len(config.erased)} ids in {config.folder / ERASED_FILE} are of another "
            "key: nothing of them is found, and what was erased is read again. Restore the key that made them "
            f"({KEY_VARIABLE}, or {KEY_FILE} beside the recipe), or erase these documents anew"
        )
    groups, unreadable = _group(config)
    if said := hints(reason.removeprefix(NOT_READ) for reason in unreadable.counts):
        context.log(f"WARNING: {said}")
    unreadable.add(_look_at_files(config, groups, out, context))
    if strangers_of(config.folder, key_digest(key)):
        context.log(
            f"WARNING: values in {config.folder / VALUES_FILE} are of another key: no text is searched for them. "
            f"Restore the key that made them ({KEY_VARIABLE}, or {KEY_FILE} beside the recipe), or erase them anew"
        )
    files, units, origins = _cut_into_units(config, groups, context)
    read = partial(_read_unit, config, key)
    accept = partial(_is_untouched, frozenset(config.erased), [*map(Line.read, config.erased_values)], key)
    tally = map_units(units, read, out, context, origins=origins, accept=accept)
    if repeated := _repeated(out):
        _keep_the_first(repeated, units, read, out, context)
        tally = map_units(units, read, out, context, origins=origins)  # all are finished: it sums up again
    met = chain.from_iterable(record["facts"]["erased"] for record in unit_records(len(units), context))
    _tell_unmet({*config.erased} - {*strangers}, met, context)
    tally.add(unreadable)
    if left_out := tally.counts[HOLDS_ERASED]:
        context.log(f"{left_out} records hold what was erased ({VALUES_FILE}), and are left out")
    bad = (quarantined(len(units), context), quarantined(len(groups), context, FILES), unreadable.quarantined)
    write_atomically(out / "files.json", (json.dumps(files, indent=1, ensure_ascii=False) + "\n").encode())
    write_json_lines(out / "quarantine.jsonl", chain.from_iterable(bad))
    tally.counts["files"] = len(files)
    if not tally.counts["documents"]:
        raise LmworksError(_nothing_read(tally))
    _refuse_many_bad(config, tally, out)
    _settle_licences(config.licences, tally.counts, out)
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _nothing_read(tally: Tally) -> str:
    """Why there is no document: all reasons, the likely cause first, and what of a record shows it."""
    reasons = Counter({reason: times for reason, times in tally.counts.items() if reason not in NO_REASONS})
    said = f"No document could be read: {format_counts(reasons) or 'its files hold no record'}."
    common = next((reason for reason, _ in reasons.most_common()), "")
    example = next((each for each in tally.examples if each["reason"] == common and "detail" in each), None)
    if example is None:
        return said
    record = f", record {example['record']}" if example["record"] else ""
    said += f" {example['source']}: {example['path']}{record}: {example['detail']}."
    return said + MISSING * ("missing" in common)


def _refuse_many_bad(config: IngestConfig, tally: Tally, out: Path) -> None:
    """Raise GateRefused if more of the records could not be read than is an accident."""
    reasons = Counter({reason: times for reason, times in tally.counts.items() if reason.startswith(QUARANTINED)})
    bad = reasons.total()
    if bad <= FEW_BAD or bad <= config.largest_bad_share * (bad + tally.counts["documents"]):
        return
    example = next(each for each in tally.examples if each["reason"] in reasons)
    place = f"{example['source']}: {example['path']}" + (f", record {example['record']}" if example["record"] else "")
    raise GateRefused(
        f"{bad:,} of {bad + tally.counts['documents']:,} records could not be read, more than largest_bad_share "
        f"({config.largest_bad_share:g}): {format_counts(reasons)}. {place}: {example['detail']}. All of them stand in "
        f"{out / 'quarantine.jsonl'}. Mend the source or how it is read (docs/sources.md), or raise largest_bad_share"
    )


def _tell_unmet(erased: Set[str], met: Iterable[str], context: Context) -> None:
    """Say how many erased documents no source holds any more: where a file was renamed, their texts have other ids."""
    if unmet := erased - {*met}:
        context.log(
            f"{len(unmet)} of {len(erased)} erased documents stand in no source of this step any more: right if they "
            "were deleted there, or are another step's; if a source or file was renamed or moved, erase them anew "
            "(docs/erase.md)"
        )


def _settle_licences(gate: LicenceGate, reasons: Mapping[str, int], out: Path) -> None:
    """Refuse a mixture that cannot be passed on, and licences that have expired; describe what passed."""
    expired = [reason for reason in reasons if reason.startswith(EXPIRED)]
    if expired:
        raise GateRefused(f"{'; '.join(expired)}. Renew the contract and its `expires`, or leave these texts out.")
    counts: Counter[tuple[str, str]] = Counter()
    for shard in Documents(out, "").shards():
        pairs = pc.binary_join_element_wise(*read_columns(shard, ["source", "licence"]).columns, "\0")
        for each in pc.value_counts(pairs).to_pylist():
            source, _, licence = each["values"].partition("\0")
            counts[source, licence] += each["counts"]
    mixture = combined_licence(gate, [licence for _, licence in counts])
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
        "mixture": asdict(mixture),
        "sources": [
            {"source": name, "licence": licence, "documents": n} for (name, licence), n in sorted(counts.items())
        ],
    }
    write_atomically(out / "licences.json", (json.dumps(listing, indent=1, ensure_ascii=False) + "\n").encode())
    write_atomically(out / "ATTRIBUTION.txt", attribution_text(mixture, counts).encode())


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


Group = tuple[int, Sequence[str]]
"""Files of one source, by the source's number, that are read together."""
PieceUnit = Sequence[tuple[int, Piece]]
"""Pieces with their source's number: what makes one shard."""


def _group(config: IngestConfig) -> tuple[list[Group], Tally]:
    """The files of all sources, cut where their names say, and what is known of files that are not read."""
    groups: list[Group] = []
    tally = Tally()
    for number, source in enumerate(config.sources):
        paths = []
        for path in source.paths():
            if _is_text(path):
                paths.append(path)
            else:
                shown = path.encode(errors="surrogateescape").decode(errors="replace")
                _set_aside(config, tally, source, Unreadable(shown, "", 0, "the file's name is not UTF-8", b""))
        names, sizes = [source.cut_key(path) for path in paths], [_size(source, path) for path in paths]
        groups += [
            (number, [paths[place] for place in places]) for places in cut_files(names, sizes, config.shard_bytes)
        ]
        not_read = {f"{NOT_READ}{ending}": times for ending, times in source.left_out().items()}
        tally.counts.update(not_read)
        tally.losses |= not_read.keys()
    return groups, tally


def _size(source: SourceConfig, path: str) -> int:
    try:
        return source.size(path)
    except OSError:
        return 0  # reading it fails, too, and is quarantined


def _look_at_files(config: IngestConfig, groups: Sequence[Group], out: Path, context: Context) -> Tally:
    """Hash every file and find where it is cut, but for those that are as an earlier build saw them."""

    def origin(group: Group) -> Origin | None:
        source = config.sources[group[0]]
        try:
            states = [(path, source.state(path)) for path in group[1]]
        except OSError:
            return None
        return Origin((), [_settings(source), config.shard_bytes, states])

    folder = context.beside / FILES
    origins = [origin(group) for group in groups]
    look = partial(_look_at_group, config, folder)
    units = list(enumerate(groups))
    here = replace(context, execute=in_processes)  # where the list was made: a file that is not here is nowhere
    return map_units(units, look, folder, here, (), FILES, threads=True, origins=origins)


def _look_at_group(config: IngestConfig, folder: Path, unit: tuple[int, Group]) -> tuple[Parts, Tally]:
    index, (number, paths) = unit
    source, tally = config.sources[number], Tally()
    found = []
    for path in paths:
        try:
            pieces = [astuple(piece) for piece in source.pieces(path, config.shard_bytes)]
            found.append({"file": _describe(source, path), "pieces": pieces})
            tally.counts.update(source.told(path))
        except OSError as error:
            _set_aside(config, tally, source, Unreadable(path, "", 0, f"unreadable: {error.strerror}", b""))
            tally.is_lasting = False
    tally.files.append(_looked_at(folder, index))
    write_atomically(tally.files[0], json.dumps(found).encode())
    return {}, tally


def _looked_at(folder: Path, index: int) -> Path:
    return folder / f"{index:05d}.json"


def _describe(source: SourceConfig, path: str) -> dict[str, str | int | None]:
    with source.open(path) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        size = stream.tell()
    return {"source": source.label, "path": path, "sha256": digest, "bytes": size, "licence": source.source_licence}


def _cut_into_units(
    config: IngestConfig, groups: Sequence[Group], context: Context
) -> tuple[list[dict[str, Any]], list[PieceUnit], list[Origin]]:
    """Every file as `files.json` lists it, what makes each shard, and what that depends on."""
    files: list[dict[str, Any]] = []
    units: list[PieceUnit] = []
    origins: list[Origin] = []
    gate = config.licences.model_dump(mode="json", exclude_defaults=True)
    for index, (number, _) in enumerate(groups):
        source = config.sources[number]
        found = json.loads(_looked_at(context.beside / FILES, index).read_text())
        files += [each["file"] for each in found]
        digests = {each["file"]["path"]: each["file"]["sha256"] for each in found}
        settings = [gate, _settings(source), source.source_licence, config.id_key_digest]
        for unit in _units([Piece(*piece) for each in found for piece in each["pieces"]], config.shard_bytes):
            units.append([(number, piece) for piece in unit])
            read = dict.fromkeys(digests[piece.path] for piece in unit)
            origins.append(Origin(tuple(read), [*settings, [astuple(piece) for piece in unit]]))
    return files, units, origins


def _settings(source: SourceConfig) -> dict[str, Any]:
    return source.model_dump(mode="json", exclude_defaults=True)


def _is_untouched(erased: frozenset[str], values: Sequence[Line], key: bytes, unit: Unit) -> bool:
    """Whether a unit that an earlier build read left out the same erased documents as this one would.

    What it wrote is searched for values that were erased since.
    """
    record = unit.record
    facts = record["facts"]
    if not erased.issuperset(facts["erased"]) or not {line.digest for line in values}.issuperset(
        facts.get("by_value", ())
    ):
        return False
    ids = (read_columns(unit.path(pattern), ["id"]).column("id").to_pylist() for pattern in unit.entry.files if erased)
    if not erased.isdisjoint(chain(facts["left_out"], *ids)):
        return False
    new = Erased(key, (line for line in values if line.digest not in facts.get("searched", ())))
    written = (read_shard(unit.path(pattern)) for pattern in unit.entry.files if new)
    return not new or not (
        any(any(new.in_documents(documents)) for documents in written)
        or any(any(new.find(said_by(bad))) for bad in record["quarantined"])
    )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _units(pieces: Sequence[Piece], size: int) -> Iterator[list[Piece]]:
    """All pieces as one, or consecutive ones, cut where they reach `size` bytes, if they are more than twice as many.

    They are where one file is larger, or a packed one was opened.
    """
    if pieces and sum(piece.bytes for piece in pieces) <= 2 * size:
        yield list(pieces)
        return
    unit, total = [], 0
    for piece in pieces:
        unit.append(piece)
        total += piece.bytes
        if total >= size:
            yield unit
            unit, total = [], 0
    if unit:
        yield unit


def _repeated(out: Path) -> set[str]:
    """The ids that more than one record got, because the source's own key names more than one."""
    with (out / "ids.txt").open() as stream:
        return {one.rstrip() for one, next_ in pairwise(stream) if one == next_}


def _keep_the_first(
    repeated: set[str],
    units: Sequence[PieceUnit],
    read: Callable[..., tuple[Parts, Tally]],
    out: Path,
    context: Context,
) -> None:
    """Read those units again that hold a repeated id: its first record, in the order of the source, keeps it."""
    # With the ids of a run that was killed: a unit that is read again for one of them must not bring others back.
    context.journal.append({"step": "repeated", "ids": sorted(repeated)})
    known = [record["ids"] for record in context.journal.records() if record.get("step") == "repeated"]
    taken = dict.fromkeys(chain.from_iterable(known), False)
    for shard in Documents(out, "").shards():
        context.check_stop()
        index = int(shard.stem.removeprefix("part-"))
        if not taken.keys().isdisjoint(read_columns(shard, ["id"]).column("id").to_pylist()):
            do_again(partial(read, taken=taken), out, context, (index, units[index]))


def _read_unit(
    config: IngestConfig, key: bytes, unit: PieceUnit, taken: dict[str, bool] | None = None
) -> tuple[Parts, Tally]:
    """The documents of a unit. `taken` says of ids that are known to repeat whether a record has that id already."""
    tally, documents, erased, taken = Tally(), [], set(config.erased), taken or {}
    facts: dict[str, list[str]] = {"erased": [], "left_out": []}
    lines = [*map(Line.read, config.erased_values)]
    values = Erased(key, lines)
    for number, piece in unit:
        source = config.sources[number]
        for record in _read_piece(source, piece, tally):
            identity = _id(key, source.label, record)
            if identity in erased:
                tally.counts["erased"] += 1
                facts["erased"].append(identity)
            elif (isinstance(record, Record | Document)) and _passes(
                config, source, record, identity, taken, values, tally
            ):
                documents.append(record if isinstance(record, Document) else _document(key, source.label, record))
                tally.counts["bytes"] += len(record.text.encode())
                tally.counts.update(f"no value in `{name}`" for name in getattr(record, "empty", ()))
            else:
                facts["left_out"].append(identity)
                if isinstance(record, Unreadable):
                    _quarantine(tally, source.label, record, identity, values)
                elif isinstance(record, Skipped):
                    tally.lose(f"skipped: {record.reason}", source=source.label, path=record.path, record=record.key)
    if values:
        documents = _without_values(values, documents, tally, facts["left_out"])
        tally.facts["searched"] = [line.digest for line in lines]
    tally.counts["documents"] += len(documents)
    tally.facts |= facts
    return {"": documents}, tally


def _without_values(values: Erased, documents: list[Document], tally: Tally, left_out: list[str]) -> list[Document]:
    """The documents that hold nothing that was erased; the ids of the others are added to `left_out`."""
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
    config: IngestConfig,
    source: SourceConfig,
    record: Record | Document,
    identity: str,
    taken: dict[str, bool],
    values: Erased,
    tally: Tally,
) -> bool:
    """Whether a record may be read under its licence and is the first of its id; else why not is counted."""
    if refusal := config.licences.refusal(record.licence):
        tally.lose(refusal, source=source.label, **_place(record))
    elif taken.get(identity) and isinstance(record, Record) and record.span:
        reason = f"a key that an earlier record has: {record.key!r}; name a field that is unique in `key_field`"
        bad = record.span.unreadable(record.path, record.key, reason)
        _quarantine(tally, source.label, bad, identity, values)
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


def _read_piece(source: SourceConfig, piece: Piece, tally: Tally) -> Iterator[Found | Document]:
    try:
        for found in source.read(piece):
            if isinstance(found, Record) and not _is_text(found.text):
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


def _document(key: bytes, label: str, record: Record) -> Document:
    return Document(
        id=_id(key, label, record),
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


def _quarantine(tally: Tally, label: str, bad: Unreadable, identity: str, values: Erased) -> None:
    """Set a record aside that could not be read, unless it holds what was erased."""
    place = {"source": label, "path": bad.path, "record": bad.key, "offset": bad.offset}
    raw = base64.b64encode(bad.raw[:RAW_BYTES_KEPT]).decode()
    size = len(bad.raw) if bad.size is None else bad.size
    record = {"id": identity, **place, "reason": bad.reason, "start": bad.start, "raw_bytes": size, "raw": raw}
    if found := set[str]().union(*values.find(said_by(record))) if values else set[str]():
        _leave_out(tally, found, label, path=bad.path, record=bad.key)
        return
    tally.lose(f"{QUARANTINED}{bad.reason.split(':')[0]}", **place, detail=bad.reason)
    tally.quarantined.append(record)


def _set_aside(config: IngestConfig, tally: Tally, source: SourceConfig, bad: Unreadable) -> None:
    """Set a whole file aside that was not read."""
    key = load_id_key(config.folder)
    values = Erased(key, map(Line.read, config.erased_values))
    _quarantine(tally, source.label, bad, _id(key, source.label, bad), values)
