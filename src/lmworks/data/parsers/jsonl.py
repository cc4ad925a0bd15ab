"""JSON Lines: an object a line. A bad line costs that line alone."""

from __future__ import annotations

import json
from typing import Any

from lmworks.data.parsers.fields import crowded, row_record
from lmworks.data.parsers.lines import line_form
from lmworks.data.parsers.parser import Found, Piece, Reading, Span


def parse_line(piece: Piece, number: int, line: Span, reading: Reading) -> Found:
    """One line that is held whole."""
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
    # Seldom does a text have more of these than names; to look at every name would take a tenth of the time.
    if text.count('":') != len(row) and (name := _named_twice(text, row)):
        from lmworks.data.privacy.hidden import hide_name

        return line.unreadable(piece.name, key, f"a name twice, with two values: {hide_name(name)!r:.40}")
    return row_record(row, piece, number, line, reading)


def _named_twice(text: str, row: dict[str, Any]) -> str | None:
    """A name that an object in a text has twice with different values, of which the parser keeps the last."""
    if text.count('":') == len(row) + sum(map(_names_in, row.values())):
        return None
    found: list[str] = []

    def hold(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        held = dict(pairs)
        if len(held) < len(pairs):
            found.extend(name for name, value in pairs if held[name] != value)
        return held

    json.loads(text, object_pairs_hook=hold)
    return found[0] if found else None


def _names_in(value: Any) -> int:
    """Names in an object, or in a list of objects."""
    if type(value) is list:
        return sum(len(each) for each in value if type(each) is dict)
    return len(value) if type(value) is dict else 0


def _record(piece: Piece, number: int, line: Span, reading: Reading) -> Found | None:
    return parse_line(piece, number, line, reading) if line.raw.strip() else None


FORM = line_form(_record, endings=(".jsonl", ".ndjson"), about="A JSON record a line.")
