"""Arrow files as `datasets.save_to_disk` writes them (the IPC stream form): a record a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.parser import RAW_BYTES_KEPT, Form, Found, Piece, Reading, Span, Unreadable
from lmworks.lazy import pa


def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """A record a row; rows before damage are kept."""
    number = 0
    try:
        for batch in pa.ipc.open_stream(stream):
            for row in batch.to_pylist():
                number += 1
                raw = json.dumps(row, default=str).encode()
                yield row_record(row, piece, number, Span(0, raw, len(raw)), reading)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        stream.seek(0)
        reason = f"not a readable Arrow file: {error}"
        yield Unreadable(piece.name, "", 0, reason, stream.read(RAW_BYTES_KEPT), 0, stream.seek(0, 2))


FORM = Form(parse, seeks=True, endings=(".arrow",), about="Rows of an Arrow file or stream, as `datasets` saves them.")
