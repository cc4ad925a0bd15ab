"""Parquet and Arrow files: a record a row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import IO, Any

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.parser import RAW_BYTES_KEPT, Form, Found, Piece, Reading, Span, Unreadable
from lmworks.lazy import pa, pc, pq

MOST_TIMES = 200
"""Times its size in the file that a piece may hold when unpacked: one value may stand in millions of rows."""
BATCH_BYTES, PART_BYTES = 2**29, 2**26
"""Of rows that are in memory at once, and of those that are Python's values."""


def _is_text(kind: Any) -> bool:
    tests = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
    return any(test(kind) for test in tests)


def _size(column: Any) -> int:
    """Bytes of a column without a dictionary."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    values = column.dictionary
    if not _is_text(values.type):
        return int(column.nbytes)
    return int(pc.sum(pc.binary_length(values).take(column.indices)).as_py() or 0)


def _parts(batch: Any) -> Iterator[tuple[int, Any]]:
    """Rows in parts that memory takes, each with its size."""
    size = sum(map(_size, batch.columns))
    if size > PART_BYTES and batch.num_rows > 1:
        half = batch.num_rows // 2
        yield from _parts(batch.slice(0, half))
        yield from _parts(batch.slice(half))
    else:
        yield size, batch


def _parse(batches: Iterable[Any], piece: Piece, stream: IO[bytes], reading: Reading, kind: str) -> Iterator[Found]:
    """A record a row of record batches; rows before damage are kept. A row is kept apart as JSON."""
    number, unpacked, most = piece.first_record, 0, max(reading.limit, MOST_TIMES * max(piece.bytes, 0))
    try:
        for size, part in (part for batch in batches for part in _parts(batch)):
            unpacked += size
            if unpacked > most:
                raise pa.ArrowInvalid(f"it holds more than {most} bytes when unpacked, which no sound file does")
            for row in part.to_pylist():
                number += 1
                # One whose key is there twice is kept apart, too.
                raw = json.dumps(row, default=str).encode() if reading.key_field else b""
                record = row_record(row, piece, number, Span(0, raw, len(raw)), reading)
                if isinstance(record, Unreadable):
                    record = replace(record, raw=json.dumps(row, default=str).encode(), size=None)
                yield record
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        stream.seek(0)
        reason = f"not a readable {kind} file: {error}"
        yield Unreadable(piece.name, "", 0, reason, stream.read(RAW_BYTES_KEPT), 0, stream.seek(0, 2))


def parse_parquet(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """Columns to keep that the file lacks are left out."""

    def batches() -> Iterator[Any]:
        with pq.ParquetFile(stream) as file:
            names = file.schema_arrow.names
            needed = [*reading.text_fields, reading.licence_field, reading.key_field]
            wanted = [name if name in names else name.split(".")[0] for name in needed if name]
            missing = [name for name in wanted if name not in names]
            if missing and (len(reading.text_fields) == 1 or len(missing) == len(wanted)):
                raise pa.ArrowInvalid(f"no column {missing[0]!r}")
            wanted = [name for name in (*wanted, *reading.keep) if name in names]
            groups = range(piece.start, file.num_row_groups if piece.stop is None else piece.stop)
            largest = max((file.metadata.row_group(index).total_byte_size for index in groups), default=0)
            rows = max(1, min(1000, BATCH_BYTES // max(largest, 1)))  # any of which may hold all that stands there
            yield from file.iter_batches(rows, row_groups=list(groups), columns=list(dict.fromkeys(wanted)))

    return _parse(batches(), piece, stream, reading, "Parquet")


def cut_parquet(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
    """A piece a row group; a file whose footer cannot be read stays whole, to be quarantined."""
    try:
        footer = pq.read_metadata(stream)
    except (pa.ArrowException, OSError):
        return
    first = 0
    for index in range(footer.num_row_groups):
        group = footer.row_group(index)
        yield Piece(whole.path, group.total_byte_size, index, index + 1, first, whole.member)
        first += group.num_rows


def parse_arrow(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """The IPC stream form, as `datasets.save_to_disk` writes it."""

    def batches() -> Iterator[Any]:
        yield from pa.ipc.open_stream(stream)

    return _parse(batches(), piece, stream, reading, "Arrow")


PARQUET = Form(parse_parquet, cut_parquet, seeks=True, endings=(".parquet",), about="Rows of a Parquet file.")
ARROW = Form(
    parse_arrow, seeks=True, endings=(".arrow",), about="Rows of an Arrow file or stream, as `datasets` saves them."
)
