"""JSON: a list of objects, read one by one, or one value with the records somewhere inside."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import IO

from lmworks.data.parsers.fields import crowded, row_record
from lmworks.data.parsers.jsonl import parse_line
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


def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """A record an object; `records` says where they stand in a file that is no list of them."""
    start = _first_item(stream)
    if reading.records or start is None:
        stream.seek(0)
        yield from _parse_whole(piece, stream, reading)
        return
    part = Piece(piece.path, 0, piece.start or start, piece.stop, member=piece.member)
    for number, (span, fault) in enumerate(_items(part, stream, reading.limit), piece.first_record + 1):
        if fault:
            yield span.unreadable(piece.name, str(number), fault)
        else:
            yield span.too_long(piece.name, str(number), reading.limit) or parse_line(piece, number, span, reading)


def cut(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
    """Cut a list between its items; anything else stays whole."""
    start = _first_item(stream)
    if reading.records or start is None:
        return iter(())
    items = _items(Piece(whole.path, 0, start), stream, reading.limit)
    return cut_between(whole, (span for span, _ in items), size)


def _first_item(stream: IO[bytes]) -> int | None:
    """Where the items of a list begin; None if the file is no list."""
    head = stream.read(2**12)
    body = head.removeprefix(BOM_UTF8).lstrip()
    return len(head) - len(body) + 1 if body.startswith(b"[") else None


def _items(piece: Piece, stream: IO[bytes], limit: int) -> Iterator[tuple[Span, str]]:
    """The items of a list from `piece.start` on, each with what is wrong with it: then it is all the rest of the file.

    Bytes are read as Latin-1, so that a character is a byte and a bad one spoils its own item.
    """
    stream.seek(piece.start)
    text, base, at = "", piece.start, 0  # base: offset in the file of the text's first byte

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
            yield Span(base, b"", 0), "not JSON: the list does not end"
            return
        if text[at] == "]":
            return
        try:
            end = _EXTENT.raw_decode(text, at)[1]
        except (ValueError, RecursionError) as error:
            end, fault = len(text), f"not JSON: {getattr(error, 'msg', error)}"
        else:
            fault = ""
        if end == len(text) and len(text) - at <= limit and more():
            continue
        raw, size = text[at:end].encode("latin-1"), end - at
        if fault:
            size += drained(stream)
        yield Span(base + at, raw if size <= limit else raw[:RAW_BYTES_KEPT], size), fault
        if fault:
            return
        at = end


@whole_file
def _parse_whole(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    if reason := crowded(span.raw):
        yield span.unreadable(piece.name, "", reason)
        return
    text = span.raw.decode("utf-8-sig")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield span.unreadable(piece.name, "", f"not JSON: {error}")
        return
    for number, row in enumerate(values_at(value, reading.records) if reading.records else [value], 1):
        raw = json.dumps(row).encode()
        where = Span(0, raw, len(raw))
        if isinstance(row, dict):
            yield row_record(row, piece, number, where, reading)
        else:
            hint = f": its items are the records of `records: {reading.records}.*`" if isinstance(row, list) else ""
            yield where.unreadable(piece.name, str(number), f"not a JSON object but a {type(row).__name__}{hint}")


FORM = Form(parse, cut, encoding="text", about="JSON: a list of records, or what `records` names.")
