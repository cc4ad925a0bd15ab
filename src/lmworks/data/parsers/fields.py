"""From a row of named fields to a record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from lmworks.data.parsers.facts import facts_of
from lmworks.data.parsers.parser import Piece, Reading, Record, Span, Unreadable
from lmworks.data.structure import Field, as_one, take_apart, values_at, words_of

SURROGATE = "half of a surrogate pair in the text"

COLUMNS_SHOWN = 8
"""Of a record without its text: enough to know the field that was meant."""
MOST_LISTS = 2**23
"""Opening brackets and braces in a record: two bytes of its file take some sixty of memory."""


def crowded(raw: bytes) -> str:
    """Why a record of JSON would take memory without end; empty if it would not."""
    lists = raw.count(b"[") + raw.count(b"{")
    return f"more lists and objects than are read: {lists:,}, and {MOST_LISTS:,} are" if lists > MOST_LISTS else ""


def row_record(row: Mapping[str, Any], piece: Piece, number: int, span: Span, reading: Reading) -> Record | Unreadable:
    """A record of the fields that the user named: text, licence, key, and those to keep."""
    fields: tuple[Field, ...] = ()
    structure = None
    if reading.fields:
        fields, structure, fault = _apart(row, reading.fields)
        text = as_one(fields)
    else:
        text, fault = _text(row, reading.text_fields)
    key = str(number)
    if not fault and reading.key_field:
        value = row.get(reading.key_field)
        if isinstance(value, str | int) and value != "":
            key = str(value)
        else:
            fault = f"field {reading.key_field!r} is no key: found one of type {type(value).__name__}, or an empty one"
    meta: dict[str, Any] = {name: row[name] for name in reading.keep if row.get(name) is not None}
    if reading.fields:
        meta["record"] = number
    licence = (reading.licence_field and row.get(reading.licence_field)) or reading.licence
    stated = licence if isinstance(licence, str) else None
    facts, empty, wrong = facts_of(row, reading) if reading.facts else ({}, (), "")
    fault = fault or wrong
    if "label" in facts:
        meta["label"] = facts.pop("label")
    if not fault and (meta or reading.key_field):
        meta, fault = _storable(meta, key)
    if not fault:
        try:
            f"{text}{facts.get('subject', '')}{stated or ''}".encode()
        except UnicodeEncodeError:
            fault = SURROGATE
    if fault:
        return span.unreadable(piece.name, str(number), fault)
    found = Record(piece.name, key, text, "text", stated, meta, span=span, fields=fields, structure=structure)
    return replace(found, empty=empty, **facts) if reading.facts else found


def _apart(row: Mapping[str, Any], names: tuple[str, ...] | Literal["all"]) -> tuple[tuple[Field, ...], str, str]:
    """The texts and the structure of a row, or of what is named of it; and what is wrong with it."""
    named = row if names == "all" else {name: row[name] for name in names if row.get(name) is not None}
    try:
        fields, structure = take_apart(named)
        "".join([structure, *(field.text for field in fields)]).encode()
    except RecursionError:
        return (), "", "nested too deeply"
    except UnicodeEncodeError:
        return (), "", SURROGATE
    if not any(field.text.strip() for field in fields):
        return (), "", "no text in any of its fields" if names == "all" else f"no text in {', '.join(names)}"
    return fields, structure, ""


def _text(row: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, str]:
    """The text of the fields named, or what is wrong with them."""
    parts: list[str] = []
    for name in names:
        for value in values_at(row, name):
            if not isinstance(value, str):
                return "", f"field {name!r} is of type {type(value).__name__}"
            parts.append(value)
    if not parts:
        verb = "is" if len(names) == 1 else "are"
        found = ", ".join(f"{name!r:.40}" for name in [*row][:COLUMNS_SHOWN]) + ", …" * (len(row) > COLUMNS_SHOWN)
        is_there = any(name in row or name.split(".")[0] in row for name in names)  # without a value
        said = f"field{'s' * (len(names) > 1)} {', '.join(map(repr, names))} {verb} missing"
        return "", said if is_there else f"{said}: found {found or 'none'}"
    return parts[0] if len(parts) == 1 else "\n\n".join(part for part in parts if part.strip()), ""


def _written(value: Any) -> str:
    """What JSON lacks, written out. Raises TypeError for bytes that are no text."""
    words = words_of(value) if isinstance(value, bytes | bytearray) else str(value)
    if words is None:
        raise TypeError(f"{len(value)} bytes that are no text; take its column out of `keep`")
    return words


def _storable(meta: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """Fields to keep as plain JSON, or why they cannot be stored."""
    try:
        stored = json.dumps(meta, ensure_ascii=False, default=_written)
        f"{stored}{key}".encode()
        take_apart(meta)  # which says whether it is nested too deeply
        return json.loads(stored), ""
    except UnicodeEncodeError:
        return {}, "half of a surrogate pair in a field to keep, or in the key"
    except (ValueError, RecursionError, TypeError) as error:
        return {}, f"a field to keep cannot be stored: {error}"
