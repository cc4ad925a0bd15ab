"""JSON: a list of objects, read one by one, or one value with the records somewhere inside."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import IO, Any

from lmworks.data.parsers import jsonl
from lmworks.data.parsers.fields import MOST_KEYS, crowded, row_record
from lmworks.data.parsers.jsonl import Doubled, object_of, parse_line
from lmworks.data.parsers.lines import cut_lines
from lmworks.data.parsers.parser import (
    RAW_BYTES_KEPT,
    Form,
    Found,
    Piece,
    Reading,
    Span,
    cut_between,
    drained,
    whole_file,
)
from lmworks.data.structure import values_at

CHUNK = 2**20
_BEFORE_ITEM = re.compile(r"[\s,]*")
# Finds where an item ends; what it says is parsed later, from its bytes.
_EXTENT = json.JSONDecoder(strict=False, parse_int=len, parse_float=len)
_SIGN = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[{}\[\],]', re.DOTALL)
"""A string, or what opens, ends and parts values."""
_OPENING = re.compile(r'\{\s*("(?:[^"\\]|\\.){0,200}")\s*:')
"""How an object begins: its first key."""
_OPENING_BYTES = 300
_LONGEST_WORD = 9
"""Letters of `-Infinity`, the longest that JSON may be cut off in."""
_MOST_BEFORE = 2**14
"""Bytes held before an item that is no JSON: the library counts the lines in them."""
_REST = "not JSON, nor what follows in its file"
_PATIENCE = 2**11
"""Bytes behind what looks like the next item in which the end of a bad one is still sought."""


def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """A record an object; `records` says where they stand in a file that is no list of them."""
    start = _first_item(stream)
    if start is None and not reading.records and is_lines(stream):
        yield from jsonl.FORM.parse(piece, stream, reading)
        return
    if reading.records or start is None:
        stream.seek(0)
        yield from _parse_whole(piece, stream, reading)
        return
    part = Piece(piece.path, 0, piece.start or start, piece.stop, member=piece.member)
    for number, (span, fault) in enumerate(_items(part, stream, reading.limit), piece.first_record + 1):
        if fault:
            is_rest = fault.startswith(_REST)
            yield replace(span.unreadable(piece.name, str(number), fault), is_rest=is_rest)
        else:
            yield span.too_long(piece.name, str(number), reading.limit) or parse_line(piece, number, span, reading)


def cut(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
    """Cut a list between its items; anything else stays whole, as does what stands behind the list's end."""
    start = _first_item(stream)
    if start is None and not reading.records and is_lines(stream):
        return cut_lines(whole, stream, size, reading)
    if reading.records or start is None:
        return iter(())
    items = _items(Piece(whole.path, 0, start), stream, reading.limit, is_one=True)
    return cut_between(whole, (span for span, _ in items if span.size), size)


def is_lines(stream: IO[bytes]) -> bool:
    """Return whether a file holds an object a line, as many files named `.json` do; the stream is at its beginning."""
    stream.seek(0)
    first, second = (stream.readline(CHUNK).removeprefix(BOM_UTF8).strip() for _ in range(2))
    stream.seek(0)
    try:
        return second.startswith(b"{") and isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _first_item(stream: IO[bytes]) -> int | None:
    """Where the items of a list begin; None if the file is no list."""
    head = stream.read(2**12)
    body = head.removeprefix(BOM_UTF8).lstrip()
    return len(head) - len(body) + 1 if body.startswith(b"[") else None


def _items(piece: Piece, stream: IO[bytes], limit: int, *, is_one: bool = False) -> Iterator[tuple[Span, str]]:
    """The items of a list from `piece.start` on, each with what is wrong with it; of the first list alone if `is_one`.

    What follows a list is read like items, further lists with it. Behind a bad item, reading goes on where it ends, as
    far as its brackets or the next one tell; else it is all the rest of the file.
    Bytes are read as Latin-1, so that a character is a byte and a bad one spoils its own item.
    """
    stream.seek(piece.start)
    text, base, at = "", piece.start, 0  # base: offset in the file of the text's first byte
    is_inside, like = True, ""

    def more() -> bool:
        nonlocal text, base, at
        chunk = stream.read(max(CHUNK, len(text) - at))
        text, base, at = text[at:] + chunk.decode("latin-1"), base + at, 0
        return bool(chunk)

    while True:
        gap = _BEFORE_ITEM.match(text, at)
        at = gap.end() if gap else at
        if piece.stop is not None and base + at >= piece.stop:
            return
        if at == len(text):
            if more():
                continue
            if is_inside:
                yield Span(base, b"", 0), "not JSON: the list does not end"
            return
        if text[at] == ("]" if is_inside else "["):
            is_inside, at = not is_inside, at + 1
            if is_one:
                return
            continue
        fault = ""
        if not like:
            like = text[at : at + _OPENING_BYTES]
        end: int | None
        try:
            if len(text) - at > MOST_KEYS and (fault := crowded(text[at:].encode("latin-1"))):
                end = _end_of_bad(text, at, like)
            else:
                end = _EXTENT.raw_decode(text, at)[1]
        except (ValueError, RecursionError) as error:
            fault, place = f"not JSON: {getattr(error, 'msg', error)}", getattr(error, "pos", 0)
            is_cut = "Unterminated" in fault or place > len(text) - _LONGEST_WORD
            end = None if is_cut and len(text) - at <= limit else _end_of_bad(text, at, like)
        if end in (None, len(text)) and len(text) - at <= limit:
            held = len(text) - at
            if more():
                continue
            end = held if end else None
        if fault and end is None:
            end = _end_of_bad(text, at, like)
        if end is None:
            size = len(text) - at + drained(stream)
            raw = text[at : at + (size if size <= limit else RAW_BYTES_KEPT)].encode("latin-1")
            yield Span(base + at, raw, size), f"{_REST}: {size:,} bytes: {fault}"
            return
        raw, size = text[at:end].encode("latin-1"), end - at
        yield Span(base + at, raw if size <= limit else raw[:RAW_BYTES_KEPT], size), fault
        at = end
        if fault and at > _MOST_BEFORE:
            text, base, at = text[at:], base + at, 0


def _end_of_bad(text: str, at: int, like: str) -> int | None:
    """Where an item ends that is no JSON: where its brackets close, or before what begins like it, or `like` another.

    None if neither is found. A key with its quotes cannot stand in a string: where it does, a quote is missing before.
    """
    own = _OPENING.match(text, at) or _OPENING.match(like)
    opened, is_broken, following = list[str](), False, len(text)

    def begins(brace: int) -> bool:
        found = _OPENING.match(text, brace) if own and brace > at else None
        return found is not None and own is not None and found[1] == own[1]

    for found in _SIGN.finditer(text, at):
        place, sign = found.start(), found[0][0]
        if place > following + _PATIENCE:
            break
        if sign == '"':
            brace = text.rfind("{", place, found.end())
            if brace > 0 and not text[brace + 1 : found.end() - 1].strip() and begins(brace):
                return brace
        elif sign in "{[":
            if opened and sign == "{" and following == len(text) and begins(place):
                following = place
            if is_broken and following < len(text):
                break
            opened.append(sign)
        elif not is_broken and sign == "," and not opened:
            return place
        elif not is_broken and sign != ",":
            if not opened:
                return place if sign == "]" and place > at else found.end()
            is_broken = opened.pop() + sign not in ("{}", "[]")
            if not opened and not is_broken:
                return found.end()
            if is_broken and following < len(text):
                break
    return following if following < len(text) else None


@whole_file
def _parse_whole(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    if reason := crowded(span.raw):
        yield span.unreadable(piece.name, "", reason)
        return
    text, doubled = span.raw.decode("utf-8-sig"), list[Doubled]()
    try:
        value = json.loads(text, object_pairs_hook=partial(object_of, doubled=doubled))
    except (ValueError, RecursionError) as error:
        yield span.unreadable(piece.name, "", f"not JSON: {error}")
        return
    rows = list(values_at(value, reading.records) if reading.records else [value])
    inside = [_doubled_in(row) if doubled else [] for row in rows]
    if len(doubled) > sum(map(len, inside)):  # of two lists of records, one would be lost
        known = {id(each) for found in inside for each in found}
        yield span.unreadable(piece.name, "", [each for each in doubled if id(each) not in known][-1].reason)
        return
    for number, (row, found) in enumerate(zip(rows, inside, strict=True), 1):
        raw = json.dumps(row).encode()
        where = Span(0, raw, len(raw))
        if found:
            yield where.unreadable(piece.name, str(number), found[0].reason)
        elif isinstance(row, dict):
            yield row_record(row, piece, number, where, reading)
        else:
            hint = f": its items are the records of `records: {reading.records}.*`" if isinstance(row, list) else ""
            yield where.unreadable(piece.name, str(number), f"not a JSON object but a {type(row).__name__}{hint}")


def _doubled_in(value: Any) -> list[Doubled]:
    inside = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    own = [value] if isinstance(value, Doubled) else []
    return own + [found for each in inside for found in _doubled_in(each)]


FORM = Form(parse, cut, encoding="text", about="JSON: a list of records, a record a line, or what `records` names.")
