"""From a row of named fields to a record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lmworks.data.parsers.parser import Piece, Reading, Record, Span, Unreadable


def row_record(row: Mapping[str, Any], piece: Piece, number: int, span: Span, reading: Reading) -> Record | Unreadable:
    """A record of the fields that the user named: text, licence, key, and those to keep."""
    parts: list[str] = []
    for name in reading.text_fields:
        found = list(values_at(row, name))
        bad = next((value for value in found if not isinstance(value, str)), "")
        if not isinstance(bad, str):
            return span.unreadable(piece.name, str(number), f"field {name!r} is of type {type(bad).__name__}")
        if not found and len(reading.text_fields) == 1:
            return span.unreadable(piece.name, str(number), f"field {name!r} is missing")
        parts += found
    text = parts[0] if len(parts) == 1 else "\n\n".join(part for part in parts if part.strip())
    if not parts:
        names = ", ".join(map(repr, reading.text_fields))
        return span.unreadable(piece.name, str(number), f"fields {names} are missing")
    meta = {name: row[name] for name in reading.keep if row.get(name) is not None}
    key = str(number)
    if reading.key_field:
        value = row.get(reading.key_field)
        if not isinstance(value, str | int) or value == "":
            return span.unreadable(piece.name, key, f"field {reading.key_field!r} is no key: found {value!r:.60}")
        key = str(value)
    try:
        meta = json.loads(json.dumps(meta, ensure_ascii=False, default=str))
        f"{text}{key}{json.dumps(meta, ensure_ascii=False)}".encode()
    except UnicodeEncodeError:
        return span.unreadable(piece.name, str(number), "half of a surrogate pair in the text")
    except (ValueError, RecursionError, TypeError) as error:
        return span.unreadable(piece.name, str(number), f"a field to keep cannot be stored: {error}")
    licence = (reading.licence_field and row.get(reading.licence_field)) or reading.licence
    return Record(piece.name, key, text, "text", licence if isinstance(licence, str) else None, meta)


def values_at(value: Any, path: str) -> Iterator[Any]:
    """What stands at a path: `text`, `info.post`, or `messages.*.content` for every item of a list.

    A field whose own name holds dots comes first. What is missing or null gives nothing.
    """
    if isinstance(value, Mapping) and path in value:
        found = value[path]
        if found is not None:
            yield found
        return
    head, _, rest = path.partition(".")
    if head == "*" and isinstance(value, list):
        inner = value
    elif isinstance(value, Mapping) and value.get(head) is not None and rest:
        inner = [value[head]]
    else:
        return
    for item in inner:
        if rest:
            yield from values_at(item, rest)
        elif item is not None:
            yield item
