"""Parquet: a record a row, cut into row groups."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.parser import RAW_BYTES_KEPT, Form, Found, Piece, Reading, Span, Unreadable
from lmworks.lazy import pa, pq


def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """A record a row; columns to keep that the file lacks are left out."""
    number = piece.first_record
    try:
        with pq.ParquetFile(stream) as file:
            names = file.schema_arrow.names
            needed = [*reading.text_fields, reading.licence_field, reading.key_field]
            wanted = [name if name in names else name.split(".")[0] for name in needed if name]
            missing = [name for name in wanted if name not in names]
            if missing and (len(reading.text_fields) == 1 or len(missing) == len(wanted)):
                raise pa.ArrowInvalid(f"no column {missing[0]!r}")
            wanted = [name for name in (*wanted, *reading.keep) if name in names]
            groups = range(piece.start, file.num_row_groups if piece.stop is None else piece.stop)
            for batch in file.iter_batches(1000, row_groups=list(groups), columns=list(dict.fromkeys(wanted))):
                for row in batch.to_pylist():
                    number += 1
                    record = row_record(row, piece, number, Span(0, b"", 0), reading)
                    if isinstance(record, Unreadable):
                        raw = json.dumps(row, default=str).encode()
                        record = Unreadable(piece.name, record.key, 0, record.reason, raw)
                    yield record
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        stream.seek(0)
        reason = f"not a readable Parquet file: {error}"
        yield Unreadable(piece.name, "", 0, reason, stream.read(RAW_BYTES_KEPT), 0, stream.seek(0, 2))


def cut(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
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


FORM = Form(parse, cut, seeks=True, endings=(".parquet",), about="Rows of a Parquet file.")
