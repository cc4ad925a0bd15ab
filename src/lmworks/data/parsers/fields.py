"""Records from rows of named fields."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any, Literal, NamedTuple

from lmworks.data.base.structure import Field, TooMany, as_one, take_apart, value_at, values_at, words_of
from lmworks.data.base.text import one_form
from lmworks.data.parsers.facts import WRITTEN, facts_of, order_of
from lmworks.data.parsers.parser import Piece, Reading, Record, Span, Unreadable

SURROGATE = "half of a surrogate pair in the text"

COLUMNS_SHOWN = 8
"""Number of columns shown for a record without its text, enough to find the intended field."""
MOST_VALUES = 2**23
"""Maximum lists, objects and values of a JSON record. A value of two bytes takes about sixty bytes of memory."""


def crowded(raw: bytes) -> str:
    """Return why a JSON record would take too much memory, or an empty string if it would not."""
    if len(raw) <= MOST_VALUES:
        return ""
    values = raw.count(b"[") + raw.count(b"{") + raw.count(b",")
    reason = f"more lists, objects and values than are read: {values:,}, at most {MOST_VALUES:,}"
    return reason if values > MOST_VALUES else ""


class Stated(NamedTuple):
    """Facts of a record in addition to its text."""

    key: str
    """Name of the record. Empty if no field is named for it."""
    licence: str | None
    meta: dict[str, Any]
    facts: dict[str, Any]
    empty: tuple[str, ...]
    """The settings that found no value."""
    order: str
    """Order of day and month in its date. Empty if the date does not show the order."""
    fault: str


def settings_of(reading: Reading) -> dict[str, str]:
    """Return the path that each setting names, by the words under which records without this field are counted."""
    found = {f"{fact}_field": path for fact, path in reading.facts.items()}
    found |= {f"keep: {name}": name for name in reading.keep}
    named = {"licence_field": reading.licence_field, "key_field": reading.key_field}
    return {**_text_settings(reading), **{name: path for name, path in named.items() if path}, **found}


def _text_settings(reading: Reading) -> dict[str, str]:
    if reading.fields:
        return {f"fields: {name}": name for name in reading.fields if reading.fields != "all"}
    if len(reading.text_fields) > 1:
        return {f"text_field: {name}": name for name in reading.text_fields}
    (name,) = reading.text_fields
    return {} if name == "text" else {"text_field": name}


def named_twice(names: Sequence[str], reading: Reading) -> str:
    """Return a fault if two columns that are read, or paths in them, have the same name, else an empty string."""
    wanted = {path.split(".")[0] for path in (*settings_of(reading).values(), *reading.text_fields)}
    places = defaultdict[str, list[int]](list)
    for number, name in enumerate(names, 1):
        if name and (reading.fields == "all" or name in settings_of(reading).values() or name.split(".")[0] in wanted):
            places[name].append(number)
    from lmworks.data.personal.hidden import hide_name

    found = [
        f"{hide_name(name)!r:.40} are columns {' and '.join(map(str, each))}"
        for name, each in places.items()
        if len(each) > 1
    ]
    return f"two columns of one name: {', '.join(found[:COLUMNS_SHOWN])}; rename all but one" if found else ""


def stated(row: Mapping[str, Any], reading: Reading) -> Stated:
    """Return the values of the fields that the user named for key, licence, facts, and to keep."""
    facts, lacking, fault = facts_of(row, reading) if reading.facts else ({}, (), "")
    empty, key, licence = [*lacking], "", reading.licence
    if reading.key_field:
        value = value_at(row, reading.key_field)
        if isinstance(value, str | int) and value != "":
            key = str(value)
        else:
            fault = f"field {reading.key_field!r} is not a key: found type {type(value).__name__}, or an empty value"
    if reading.licence_field:
        value = value_at(row, reading.licence_field)
        if value is None or value == "":
            empty.append("licence_field")
        else:
            licence = value if isinstance(value, str) else None
    meta = {name: value for name in reading.keep if (value := value_at(row, name)) is not None}
    empty += [f"keep: {name}" for name in reading.keep if meta.get(name, "") == ""]
    if "label" in facts:
        label = facts.pop("label")
        meta["label"] = one_form(label) if reading.label_case == "lower" and isinstance(label, str) else label
    if not fault and (meta or key):
        meta, fault = _storable(meta, key)
    order = order_of(value_at(row, reading.facts["created"])) if "created" in facts else ""
    return Stated(key, licence, meta, facts, tuple(empty), order, fault)


def row_record(
    row: Mapping[str, Any],
    piece: Piece,
    number: int,
    span: Span,
    reading: Reading,
    inside: Mapping[str, Any] | None = None,
) -> Record | Unreadable:
    """Return a record of the fields that the user named: text, licence, key, and those to keep.

    `inside` is the content of the row, if its fields repeat some of it by their paths.
    """
    fields: tuple[Field, ...] = ()
    structure = None
    if reading.fields:
        fields, structure, fault = _apart(row if inside is None else inside, reading.fields)
        text = as_one(fields)
    else:
        text, fault = _text(row, reading.text_fields)
    said = stated(row, reading)
    fault = fault or said.fault
    if not fault and len(text) > reading.limit:  # a column may hold one, which its file repeats
        fault = f"longer than record_bytes: a text of {len(text)} characters, record_bytes is {reading.limit}"
    if not fault:
        try:
            f"{text}{said.facts.get('subject', '')}{said.licence or ''}".encode()
        except UnicodeEncodeError:
            fault = SURROGATE
    if fault:
        return replace(span.unreadable(piece.name, str(number), fault), row=row)
    lacking = [name for name, path in _text_settings(reading).items() if value_at(row, path) is None]
    meta = {**said.meta, "record": number} if reading.fields else said.meta
    return Record(
        piece.name,
        said.key or str(number),
        text,
        "text",
        said.licence,
        meta,
        span=span,
        fields=fields,
        structure=structure,
        row=row,
        empty=(*lacking, *said.empty),
        counts={f"{WRITTEN}{said.order}": 1} if said.order else {},
        **said.facts,
    )


def _apart(row: Mapping[str, Any], names: Sequence[str] | Literal["all"]) -> tuple[tuple[Field, ...], str, str]:
    """Return the texts and the structure of a row, or of its named fields, and its fault if it has one."""
    chosen = {} if names == "all" else {name: value_at(row, name) for name in names}
    named = row if names == "all" else {name: value for name, value in chosen.items() if value is not None}
    try:
        fields, structure = take_apart(named)
        "".join([structure, *(field.text for field in fields)]).encode()
    except RecursionError:
        return (), "", "nested too deeply"
    except TooMany as error:
        return (), "", str(error)
    except UnicodeEncodeError:
        return (), "", SURROGATE
    if not any(field.text.strip() for field in fields):
        return (), "", "no text in any of its fields" if names == "all" else f"no text in {', '.join(names)}"
    return fields, structure, ""


def _text(row: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, str]:
    """Return the text of the fields named, or what is wrong with them."""
    parts: list[str] = []
    for name in names:
        for value in values_at(row, name):
            if not isinstance(value, str):
                return "", f"field {name!r} is of type {type(value).__name__}"
            parts.append(value)
    if not parts:
        verb = "is" if len(names) == 1 else "are"
        from lmworks.data.personal.hidden import hide_name

        found = ", ".join(f"{hide_name(name)!r:.40}" for name in [*row][:COLUMNS_SHOWN]) + ", …" * (
            len(row) > COLUMNS_SHOWN
        )
        is_there = any(name in row or name.split(".")[0] in row for name in names)  # without a value
        said = f"field{'s' * (len(names) > 1)} {', '.join(map(repr, names))} {verb} missing"
        return "", said if is_there else f"{said}: found {found or 'none'}"
    return parts[0] if len(parts) == 1 else "\n\n".join(part for part in parts if part.strip()), ""


def _written(value: Any) -> str:
    """Return a value of a type that JSON lacks, as text. Raises TypeError for bytes that are not text."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    words = words_of(value) if isinstance(value, bytes | bytearray) else str(value)
    if words is None:
        raise TypeError(f"{len(value)} bytes that are no text; take its column out of `keep`")
    return words


def _storable(meta: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """Return fields to keep as plain JSON, with other types as text, and the reason if they cannot be stored."""
    try:
        stored = json.dumps(meta, ensure_ascii=False, default=_written)
        f"{stored}{key}".encode()
        take_apart(meta)  # which says whether it is nested too deeply
        return json.loads(stored), ""
    except UnicodeEncodeError:
        return {}, "half of a surrogate pair in a field to keep, or in the key"
    except (ValueError, RecursionError, TypeError) as error:
        return {}, f"a field to keep cannot be stored: {error}"
