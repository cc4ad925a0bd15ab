"""JSON Lines: an object a line. A bad line costs that line alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Any

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
    # Seldom does a text have more of these than names; to look at every name would take a tenth of the time.
    if text.count('":') != len(row) and (doubled := _named_twice(text, row)):
        return line.unreadable(piece.name, key, doubled[0].reason)
    return row_record(row, piece, number, line, reading)


class Doubled(dict[str, Any]):
    """An object that has a name twice with different values, of which it keeps the last."""

    name: str

    @property
    def reason(self) -> str:
        from lmworks.data.privacy.hidden import hide_name

        return f"a name twice, with two values: {hide_name(self.name)!r:.40}"


def object_of(pairs: list[tuple[str, Any]], doubled: list[Doubled]) -> dict[str, Any]:
    """Return an object of names and values; note in `doubled` one that has two values for a name."""
    held = dict(pairs)
    if len(held) == len(pairs):
        return held
    for name, value in pairs:
        if held[name] != value:
            found = Doubled(held)
            found.name = name
            doubled.append(found)
            return found
    return held


def _named_twice(text: str, row: dict[str, Any]) -> list[Doubled]:
    if text.count('":') == len(row) + sum(map(_names_in, row.values())):
        return []
    doubled: list[Doubled] = []
    json.loads(text, object_pairs_hook=partial(object_of, doubled=doubled))
    return doubled


def _names_in(value: Any) -> int:
    """Count the names in an object, or in a list of objects."""
    if type(value) is list:
        return sum(len(item) for item in value if type(item) is dict)
    return len(value) if type(value) is dict else 0


def _record(piece: Piece, number: int, line: Span, reading: Reading) -> Iterable[Found]:
    return [parse_line(piece, number, line, reading)] if line.raw.strip() else []


FORM = line_form(_record, encoding="text", endings=(".jsonl", ".ndjson"), about="A JSON record a line.")
