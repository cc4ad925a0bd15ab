"""Parquet and Arrow files: one record per row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import IO, Any

from lmworks.data.base.structure import words_of
from lmworks.data.parsers.fields import named_twice, row_record
from lmworks.data.parsers.parser import RAW_BYTES_KEPT, Form, Found, Piece, Reading, Skipped, Span, Unreadable
from lmworks.data.parsers.tables.classes import Classes, classes_of, named
from lmworks.lazy import pa, pq
from lmworks.pipeline.guarded import note

BATCH_ROWS = 1_000
"""Maximum number of rows that are Python values at once."""
MAGIC = b"ARROW1"
"""First bytes of an Arrow file with a footer; a stream has none."""
KEPT_AS = {"format": "jsonl"}
"""Settings of a quarantined row, which is kept as a line of JSON."""
NULLS = "records whose columns lost nulls inside their objects"
"""Words that count records with such structs: all structs of a column have the same names, with null if missing."""


def rows_of(batch: Any, stated: Classes) -> list[dict[str, Any]]:
    """Return the rows of a record batch, with the names of classes that its schema, or else `stated`, has."""
    classes = {**stated, **classes_of(batch.schema.metadata)}
    return [named(row, classes) for row in batch.to_pylist()]


def parquet_batches(file: Any, groups: Iterable[int], columns: Sequence[str]) -> Iterator[Any]:
    """Yield rows of a ParquetFile in record batches, with only these columns."""
    for group in groups:
        yield from file.iter_batches(BATCH_ROWS, row_groups=[group], columns=list(columns))


def _parse(batches: Iterator[Any], piece: Piece, stream: IO[bytes], reading: Reading, kind: str) -> Iterator[Found]:
    """Yield a record for each row of record batches, and the rows before damage. A bad row is kept as JSON."""
    number = piece.first_record
    try:
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                note(0)
                nested = [field.name for field in batch.schema if pa.types.is_nested(field.type)]
                for row in rows_of(batch.slice(start, BATCH_ROWS), reading.classes):
                    number += 1
                    has_nulls = sum(_without_nulls(row[name]) for name in nested) > 0  # of all of them
                    yield from _row(row, piece, number, reading, has_nulls=has_nulls)
    except (pa.ArrowException, OSError, ValueError) as error:
        stream.seek(0)
        reason = f"not a readable {kind} file: {error}"
        yield Unreadable(piece.name, "", 0, reason, stream.read(RAW_BYTES_KEPT), 0, stream.seek(0, 2))


def _row(row: dict[str, Any], piece: Piece, number: int, reading: Reading, *, has_nulls: bool) -> Iterator[Found]:
    # A row whose key is there twice is kept apart, too.
    raw = json.dumps(row, default=str).encode() if reading.key_field else b""
    record = row_record(row, piece, number, Span(0, raw, len(raw), KEPT_AS), reading)
    if isinstance(record, Unreadable):
        raw = json.dumps(row, default=str).encode()
        record = replace(record, raw=raw, size=None)
        if len(raw) > reading.limit:
            record = replace(record, raw=raw[:RAW_BYTES_KEPT], size=len(raw), row=None)
    elif reading.fields and has_nulls:
        record = replace(record, counts={**record.counts, NULLS: 1})
    yield record
    read = row if reading.fields == "all" else reading.fields or ()
    for place in range(1, 1 + _bytes_in([row[name] for name in read if name in row])):
        yield Skipped(piece.name, f"{number}, bytes {place}", "bytes of a column, which are no text")


def _without_nulls(value: Any) -> bool:
    """Remove the names of null fields from structs inside a value. Return whether there were any."""
    found = False
    if isinstance(value, dict):
        for name in [name for name, inner in value.items() if inner is None]:
            del value[name]
            found = True
    if isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            found |= _without_nulls(inner)
    return found


def _bytes_in(value: Any) -> int:
    """Count the values inside another that are bytes and not a text."""
    if isinstance(value, dict | list):
        return sum(map(_bytes_in, value.values() if isinstance(value, dict) else value))
    return int(isinstance(value, bytes) and words_of(value) is None)


def parse_parquet(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """Yield records with the columns that settings name. Damage makes only its row group unreadable."""
    file: Any = None
    wanted: list[str] = []

    def opened() -> Iterator[Any]:
        nonlocal file, wanted
        file = pq.ParquetFile(stream)
        names = file.schema_arrow.names
        _require_names(names, reading)
        wanted = _columns(names, reading)
        yield from ()

    yield from _parse(opened(), piece, stream, reading, "Parquet")
    first = piece.first_record
    known = dict.fromkeys(path for column in file.schema_arrow for path in _paths(column, column.name)) if file else {}
    groups = range(piece.start, file.num_row_groups if piece.stop is None else piece.stop) if wanted else ()
    for index in groups:
        after = first + file.metadata.row_group(index).num_rows
        batches, read = parquet_batches(file, [index], wanted), first
        for found in _parse(batches, replace(piece, first_record=first), stream, reading, "Parquet"):
            if isinstance(found, Unreadable) and not found.key:
                reason = f"{after - read:,} rows of a damaged row group: {found.reason}"
                found = replace(found, key=f"{read + 1}-{after}", reason=reason, raw=b"")
            read += not isinstance(found, Skipped)
            if not isinstance(found, Skipped) and found.row and (isinstance(found, Unreadable) or found.empty):
                found = replace(found, row={**known, **found.row})
            yield found
        first = after


def _columns(names: Sequence[str], reading: Reading) -> list[str]:
    """Return the columns of a file that are read."""
    if reading.fields == "all":
        return list(names)
    texts = [_column(names, path) for path in reading.fields or reading.text_fields]
    if not any(name in names for name in texts):
        raise pa.ArrowInvalid(f"no column {texts[0]!r}")
    others = [reading.licence_field, reading.key_field, *reading.facts.values(), *reading.keep]
    wanted = [*texts, *(_column(names, path) for path in others if path)]
    return [name for name in dict.fromkeys(wanted) if name in names]


def _column(names: Sequence[str], path: str) -> str:
    return path if path in names else path.split(".")[0]


def _require_names(names: Sequence[str], reading: Reading) -> None:
    """Raise ArrowInvalid if two columns that are used have the same name."""
    if fault := named_twice(names, reading):
        raise pa.ArrowInvalid(fault)


def _paths(field: Any, path: str) -> Iterator[str]:
    """Yield the path of a column and those of the fields inside it, as settings name them."""
    yield path
    kind = field.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind, path = kind.value_type, f"{path}.*"
    if pa.types.is_struct(kind):
        for inner in kind:
            yield from _paths(inner, f"{path}.{inner.name}")


def cut_parquet(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
    """Yield a piece for each row group. A file whose footer cannot be read stays whole, to be quarantined."""
    try:
        footer = pq.read_metadata(stream)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return
    first = 0
    for index in range(footer.num_row_groups):
        group = footer.row_group(index)
        yield Piece(whole.path, group.total_byte_size, index, index + 1, first, whole.member)
        first += group.num_rows


def parse_arrow(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """Read both IPC forms: the stream, as `datasets.save_to_disk` writes it, and the file with its footer."""

    def batches() -> Iterator[Any]:
        stream.seek(0)
        is_file = stream.read(len(MAGIC)) == MAGIC
        stream.seek(0)
        opened = pa.ipc.open_file(stream) if is_file else pa.ipc.open_stream(stream)
        _require_names(opened.schema.names, reading)
        for batch in map(opened.get_batch, range(opened.num_record_batches)) if is_file else opened:
            batch.validate(full=True)  # a place outside of the values would read what is not the file's
            yield batch

    return _parse(batches(), piece, stream, reading, "Arrow")


PARQUET = Form(
    parse_parquet, cut_parquet, seeks=True, endings=(".parquet",), about="Rows of a Parquet file.", guarded=True
)
ARROW = Form(
    parse_arrow,
    seeks=True,
    endings=(".arrow",),
    about="Rows of an Arrow file or stream, as `datasets` saves them.",
    guarded=True,
)
