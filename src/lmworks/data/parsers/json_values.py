"""JSON: a list of objects, or one object with the records somewhere inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO

from lmworks.data.parsers.fields import row_record, values_at
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Span, read_whole


def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """A record an object; `records` says where they stand in a file that is no list."""
    span = read_whole(piece, stream, reading)
    if too_long := span.too_long(piece.name, "", reading.limit):
        yield too_long
        return
    try:
        value = json.loads(span.raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        yield span.unreadable(piece.name, "", "not UTF-8", at=error.start)
        return
    except (ValueError, RecursionError) as error:
        yield span.unreadable(piece.name, "", f"not JSON: {error}")
        return
    path = reading.records or ("*" if isinstance(value, list) else "")
    rows = values_at(value, path) if path else [value]
    for number, row in enumerate(rows, 1):
        raw = json.dumps(row).encode()
        where = Span(0, raw, len(raw))
        if isinstance(row, dict):
            yield row_record(row, piece, number, where, reading)
        else:
            yield where.unreadable(piece.name, str(number), f"not a JSON object but a {type(row).__name__}")


FORM = Form(parse)
