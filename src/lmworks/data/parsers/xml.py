"""Records inside large XML files: each element is found by its tags and parsed on its own.

So memory is bounded by one element, a broken element costs itself alone, and a file can be cut. No document type is
ever read: there are no entities but XML's own five, hence none that expand without end or name other files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import dropwhile
from operator import not_
from typing import IO, Any

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.parser import (
    RAW_BYTES_KEPT,
    Form,
    Found,
    Piece,
    Reading,
    Record,
    Span,
    Unreadable,
    cut_between,
)

CHUNK = 2**20

Element = Any
"""An lxml element; the library states no types."""
ToRecord = Callable[[Element, str, str, Reading], Found]
"""From (element, path, number of the record, options) to what it says."""


def element_form(tag: str | None, to_record: ToRecord, *, about: str, states_licences: bool = False) -> Form:
    """The form of a file whose records are the elements of this name, or the user's; they do not nest."""

    def elements(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Span]:
        return read_elements(tag or str(reading.records), piece, stream, reading.limit)

    def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
        for number, span in enumerate(elements(piece, stream, reading), piece.first_record + 1):
            yield parse_element(span, piece.name, str(number), reading, to_record)

    def cut(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
        return cut_between(whole, elements(whole, stream, reading), size)

    return Form(parse, cut, encoding="xml", states_licences=states_licences, about=about, needs=("lxml",))


def parse_element(span: Span, name: str, key: str, reading: Reading, to_record: ToRecord) -> Found:
    """One element's record."""
    from lxml import etree

    if too_long := span.too_long(name, key, reading.limit):
        return too_long
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        found = to_record(etree.fromstring(span.raw, parser), name, key, reading)
    except (etree.LxmlError, ValueError, AttributeError, KeyError) as error:
        return span.unreadable(name, key, f"not well-formed XML: {error}")
    if isinstance(found, Unreadable):
        return span.unreadable(name, key, found.reason)
    return replace(found, span=span) if isinstance(found, Record) else found


def read_elements(tag: str, piece: Piece, stream: IO[bytes], limit: int) -> Iterator[Span]:
    """The elements of a name that begin inside the piece. One that has no end stops where the next begins."""
    name = re.escape(tag).encode()
    edges = re.compile(rb"<" + name + rb"(?=[\s>])|</" + name + rb"\s*>")
    stream.seek(piece.start)
    buffer, base, searched = bytearray(), piece.start, 0  # base: offset in the file of the buffer's first byte
    begin: int | None = None
    while True:
        edge = edges.search(buffer, searched)
        if edge is None:
            base, searched = _shorten(buffer, base, begin is not None, len(name) + 64, limit)
            if not (chunk := stream.read(CHUNK)):
                break
            buffer += chunk
            continue
        opens = edge[0][1:2] != b"/"
        if begin is not None:
            end = edge.start() if opens else edge.end()
            yield _span(bytes(buffer[:end]), begin, base + end, limit)
            begin = None
        elif opens:
            end = edge.start()
        else:
            end = edge.end()
        del buffer[:end]
        base, searched = base + end, 0
        if opens:
            if piece.stop is not None and base >= piece.stop:
                return
            begin, searched = base, 1
    if begin is not None:
        yield _span(bytes(buffer), begin, base + len(buffer), limit)


def _shorten(buffer: bytearray, base: int, inside: bool, edge: int, limit: int) -> tuple[int, int]:
    """Drop what is no longer needed of a buffer without an edge, but for a last stretch that may hold half of one.

    Returns the base, and where to search on. Inside an element nothing is dropped until it is too long to be read.
    """
    searched = max(0, len(buffer) - edge)
    if inside and len(buffer) <= RAW_BYTES_KEPT + limit:
        return base, max(1, searched)
    keep = RAW_BYTES_KEPT if inside else 0
    del buffer[keep:searched]
    return base + searched - keep, keep


def _span(raw: bytes, begin: int, end: int, limit: int) -> Span:
    size = end - begin
    return Span(begin, raw if size <= limit else raw[:RAW_BYTES_KEPT], size)


def text_of(element: Element | None) -> str:
    """All text of an element and of those inside it, with single spaces."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


def _row(element: Element, path: str, number: str, reading: Reading) -> Found:
    """The attributes of an element and the elements inside it as fields."""
    fields = {name: [value] for name, value in element.attrib.items()}
    for child in element.iterchildren("*"):
        fields.setdefault(child.tag, []).append(text_of(child))
    row = {name: "\n\n".join(dropwhile(not_, texts)) for name, texts in fields.items()}
    return row_record(row, Piece(path, 0), int(number), Span(0, b"", 0), reading)


FORM = element_form(None, _row, about="XML: the elements that `records` names are rows.")
