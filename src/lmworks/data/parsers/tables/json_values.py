"""JSON: a list of objects, read one by one, or one value with the records somewhere inside."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import replace
from typing import IO

from lmworks.data.base.structure import values_at
from lmworks.data.parsers.fields import MOST_VALUES, crowded, row_record
from lmworks.data.parsers.lines import CHUNK, cut_lines
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
from lmworks.data.parsers.tables import jsonl
from lmworks.data.parsers.tables.jsonl import parse_line

BEGIN_BYTES = 2**12
"""Maximum bytes at the beginning of a file before a list begins."""
_BEFORE_ITEM = re.compile(r"[\s,]*")
_EXTENT = json.JSONDecoder(strict=False, parse_int=len, parse_float=len)
"""Decoder that finds where an item ends. The item is parsed later, from its bytes."""
_LONGEST_WORD = 9
"""Letters of `-Infinity`, the longest word that the end of a chunk may cut off."""
_REST = "not JSON, nor what follows in its file"


def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """Yield a record for each object. `records` says where they are in a file that is not a list of them."""
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
            yield replace(span.unreadable(piece.name, str(number), fault), is_rest=fault.startswith(_REST))
        else:
            yield span.too_long(piece.name, str(number), reading.limit) or parse_line(piece, number, span, reading)


def cut(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
    """Cut a list between its items, or a file with an object per line between lines. Other files stay whole."""
    start = _first_item(stream)
    if start is None and not reading.records and is_lines(stream):
        return cut_lines(whole, stream, size, reading)
    if reading.records or start is None:
        return iter(())
    items = _items(Piece(whole.path, 0, start), stream, reading.limit)
    return cut_between(whole, (span for span, fault in items if not fault), size)


def is_lines(stream: IO[bytes]) -> bool:
    """Return whether a file has an object per line, as many `.json` files do. Set the stream to its beginning."""
    stream.seek(0)
    first, second = (stream.readline(CHUNK).removeprefix(BOM_UTF8).strip() for _ in range(2))
    stream.seek(0)
    try:
        return second.startswith(b"{") and isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _first_item(stream: IO[bytes]) -> int | None:
    """Return where the items of a list begin; None if the file is not a list."""
    head = stream.read(BEGIN_BYTES)
    body = head.removeprefix(BOM_UTF8).lstrip()
    return len(head) - len(body) + 1 if body.startswith(b"[") else None


def _items(piece: Piece, stream: IO[bytes], limit: int) -> Iterator[tuple[Span, str]]:
    """Yield the items of a list from `piece.start` on, each with its fault. After a bad item, all is one bad record.

    Bytes are read as Latin-1, so that a character is a byte, and a bad byte makes only its own item unreadable.
    """
    stream.seek(piece.start)
    text, base, at = "", piece.start, 0  # base: offset in the file of the text's first byte
    is_inside = True
    while piece.stop is None or base + at < piece.stop:
        gap = _BEFORE_ITEM.match(text, at)
        at = gap.end() if gap else at
        if is_inside and text[at : at + 1] == "]":
            is_inside, at = False, at + 1
            continue
        fault, end, is_cut = "", at, at == len(text)
        if not is_cut and not is_inside:
            fault = "it is after the end of the list"
        elif not is_cut:
            fault = crowded(text[at:].encode("latin-1")) if len(text) - at > MOST_VALUES else ""
            try:
                end = at if fault else _EXTENT.raw_decode(text, at)[1]
                is_cut = end == len(text)  # a number may go on
            except (ValueError, RecursionError) as error:
                fault, place = f"not JSON: {getattr(error, 'msg', error)}", getattr(error, "pos", 0)
                is_cut = "Unterminated" in fault or place > len(text) - _LONGEST_WORD
        if is_cut and len(text) - at <= limit and (chunk := stream.read(max(CHUNK, len(text) - at))):
            text, base, at = text[at:] + chunk.decode("latin-1"), base + at, 0
            continue
        if end == at:
            text += stream.read(RAW_BYTES_KEPT).decode("latin-1")
            size = len(text) - at + drained(stream)
            raw = text[at : at + RAW_BYTES_KEPT].encode("latin-1")
            if size or is_inside:
                end_fault = f"{_REST}: {size:,} bytes: {fault}" if size else "not JSON: the list does not end"
                yield Span(base + at, raw, size), end_fault
            return
        raw, size = text[at:end].encode("latin-1"), end - at
        yield Span(base + at, raw if size <= limit else raw[:RAW_BYTES_KEPT], size), ""
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


FORM = Form(
    parse, cut, encoding="text", about="A JSON list of records, one record per line, or the part that `records` names."
)
