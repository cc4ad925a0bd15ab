"""From a row of named fields to a record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lmworks.data.parsers.parser import Piece, Reading, Record, Span, Unreadable

WHOLE = "."
"""In place of a field's name: the whole record, as JSON."""

MOST_LISTS = 2**23
"""Opening brackets and braces in a record: two bytes of its file take some sixty of memory."""


def crowded(raw: bytes) -> str:
    """Why a record of JSON would take memory without end; empty if it would not."""
    lists = raw.count(b"[") + raw.count(b"{")
    return f"more lists and objects than are read: {lists:,}, and {MOST_LISTS:,} are" if lists > MOST_LISTS else ""


def row_record(row: Mapping[str, Any], piece: Piece, number: int, span: Span, reading: Reading) -> Record | Unreadable:
    """A record of the fields that the user named: text, licence, key, and those to keep."""
    text, fault = _text(row, reading.text_fields)
    key = str(number)
    if not fault and reading.key_field:
        value = row.get(reading.key_field)
        if isinstance(value, str | int) and value != "":
            key = str(value)
        else:
            fault = f"field {reading.key_field!r} is no key: found {value!r:.60}"
    meta: dict[str, Any] = {name: row[name] for name in reading.keep if row.get(name) is not None}
    if WHOLE in reading.text_fields:
        meta["record"] = number
    if not fault and (meta or reading.key_field):
        meta, fault = _storable(meta, key)
    if not fault:
        try:
            text.encode()
        except UnicodeEncodeError:
            fault = "half of a surrogate pair in the text"
    if fault:
        return span.unreadable(piece.name, str(number), fault)
    licence = (reading.licence_field and row.get(reading.licence_field)) or reading.licence
    stated = licence if isinstance(licence, str) else None
    return Record(piece.name, key, text, "text", stated, meta, span=span)


def _text(row: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, str]:
    """The text of the fields named, or what is wrong with them."""
    parts: list[str] = []
    for name in names:
        for value in [json.dumps(row, ensure_ascii=False, default=str)] if name == WHOLE else values_at(row, name):
            if not isinstance(value, str):
                return "", f"field {name!r} is of type {type(value).__name__}"
            parts.append(value)
    if not parts:
        verb = "is" if len(names) == 1 else "are"
        return "", f"field{'s' * (len(names) > 1)} {', '.join(map(repr, names))} {verb} missing"
    return parts[0] if len(parts) == 1 else "\n\n".join(part for part in parts if part.strip()), ""


def _storable(meta: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """Fields to keep as plain JSON, or why they cannot be stored."""
    try:
        stored = json.dumps(meta, ensure_ascii=False, default=str)
        f"{stored}{key}".encode()
        return json.loads(stored), ""
    except UnicodeEncodeError:
        return {}, "half of a surrogate pair in a field to keep, or in the key"
    except (ValueError, RecursionError, TypeError) as error:
        return {}, f"a field to keep cannot be stored: {error}"


def values_at(value: Any, path: str) -> Iterator[Any]:
    """What stands at a path: `text`, `info.post`, or `messages.*.content` for every item of a list.

    A field whose own name holds dots comes first. What is missing or null gives nothing. Of an object, `*` gives the
    values, and to those that are objects a field `*` with the name that they stood under.
    """
    if isinstance(value, Mapping) and path in value:
        found = value[path]
        if found is not None:
            yield found
        return
    head, _, rest = path.partition(".")
    if head == "*" and isinstance(value, list):
        inner = value
    elif head == "*" and isinstance(value, Mapping):
        inner = [{"*": name, **item} if isinstance(item, Mapping) else item for name, item in value.items()]
    elif isinstance(value, Mapping) and value.get(head) is not None and rest:
        inner = [value[head]]
    else:
        return
    for item in inner:
        if rest:
            yield from values_at(item, rest)
        elif item is not None:
            yield item
