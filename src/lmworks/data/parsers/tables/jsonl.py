"""JSON Lines: one object per line. A bad line does not affect other lines."""

from __future__ import annotations

import json
from collections.abc import Iterable

from lmworks.data.parsers.fields import crowded, row_record
from lmworks.data.parsers.lines import line_form
from lmworks.data.parsers.parser import Found, Piece, Reading, Span


def parse_line(piece: Piece, number: int, line: Span, reading: Reading) -> Found:
    """Return what one line holds."""
    key = str(number)
    if reason := crowded(line.raw):
        return line.unreadable(piece.name, key, reason)
    try:
        text = line.raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return line.not_text(piece.name, key, reading, at=error.start)
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


def _record(piece: Piece, number: int, line: Span, reading: Reading) -> Iterable[Found]:
    return [parse_line(piece, number, line, reading)] if line.raw.strip() else []


FORM = line_form(_record, encoding="text", endings=(".jsonl", ".ndjson"), about="One JSON record per line.")
