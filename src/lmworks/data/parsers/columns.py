"""Parquet and Arrow files: a record a row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import IO, Any

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.parser import RAW_BYTES_KEPT, Form, Found, Piece, Reading, Span, Unreadable
from lmworks.lazy import pa, pq


def _parse(batches: Iterable[Any], piece: Piece, stream: IO[bytes], reading: Reading, kind: str) -> Iterator[Found]:
    """A record a row of record batches; rows before damage are kept. A row is kept apart as JSON."""
    number = piece.first_record
    try:
        for batch in batches:
            for row in batch.to_pylist():
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
            yield from file.iter_batches(1000, row_groups=list(groups), columns=list(dict.fromkeys(wanted)))

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
