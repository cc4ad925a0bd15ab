"""JSON Lines: an object a line. A bad line costs that line alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.lines import cut_lines, read_lines
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Span


def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """A record a line; empty lines count and give none."""
    for number, line in enumerate(read_lines(piece, stream, reading.limit), piece.first_record + 1):
        if too_long := line.too_long(piece.name, str(number), reading.limit):
            yield too_long
        elif line.raw.strip():
            yield parse_line(piece, number, line, reading)


def parse_line(piece: Piece, number: int, line: Span, reading: Reading) -> Found:
    """One line that is held whole."""
    key = str(number)
    try:
        text = line.raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return line.unreadable(piece.name, key, "not UTF-8", at=error.start)
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        where = len(text[: error.pos].encode())
        return line.unreadable(piece.name, key, f"not JSON: {error.msg}", at=where)
    except (ValueError, RecursionError) as error:
        return line.unreadable(piece.name, key, f"not JSON: {error}")
    if not isinstance(row, dict):
        return line.unreadable(piece.name, key, f"not a JSON object but a {type(row).__name__}")
    return row_record(row, piece, number, line, reading)


FORM = Form(parse, cut_lines, endings=(".jsonl",), about="A JSON record a line.")
