"""Records inside large XML files: each element is found by its tags and parsed on its own.

Memory is thus bounded by one element, a broken element does not affect others, and a file can be cut. Document types
are not read. Only XML's own five entities exist, so no entity can expand without end or name other files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import IO, Any

from lmworks.data.parsers.parser import (
    RAW_BYTES_KEPT,
    Form,
    Found,
    Piece,
    Reading,
    Record,
    Span,
    Unreadable,
    span_form,
)

CHUNK = 2**20
"""Number of bytes read at once."""
Element = Any
"""An lxml element. The library states no types."""
ToRecord = Callable[[Any, str, str, Reading], Found]
"""A function that returns what an element holds, from the element, the record's path and number, and settings."""
_TAG_END = re.compile(rb"[<>]")
_NO_MARKUP = {
    b"<!--": re.compile(rb"-->|<!--"),
    b"<![CDATA[": re.compile(rb"\]\]>|<!\[CDATA\["),
    b"<?": re.compile(rb"\?>|<\?"),
    b"<!ENTITY": re.compile(rb"[\"'][^\"'<>]{0,500}>|<!ENTITY"),
}
"""Beginnings of stretches without tags, with their ends. A stretch in which another begins was never closed."""


def _tree(raw: bytes) -> Element:
    """Return a parsed element. Raises ValueError for what is not well-formed."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(raw, parser)
    except etree.LxmlError as error:
        raise ValueError(f"{error}") from error


def element_form(tag: str | None, to_record: ToRecord, *, needs: tuple[str, ...] = ("lxml",), **facts: Any) -> Form:
    """Return the format of files whose records are elements named `tag`, or as the recipe states. They do not nest."""

    def elements(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Span]:
        return read_elements(tag or str(reading.records), piece, stream, reading.limit)

    of_element = partial(read_element, to_record=to_record)
    return span_form(elements, of_element, encoding="xml", needs=needs, guarded=True, **facts)


def read_element(
    piece: Piece,
    number: int,
    span: Span,
    reading: Reading,
    *,
    to_record: ToRecord,
    parsed: Callable[[bytes], Any] = _tree,
) -> Iterable[Found]:
    """Return the record of one element."""
    name, key = piece.name, str(number)
    try:
        found = to_record(parsed(span.raw), name, key, reading)
    except RecursionError:
        return [span.unreadable(name, key, "nested too deeply")]
    except (ValueError, AttributeError, KeyError) as error:
        return [span.unreadable(name, key, f"not well-formed XML: {error}")]
    if isinstance(found, Unreadable):
        return [replace(span.unreadable(name, key, found.reason), row=found.row)]
    return [replace(found, span=span) if isinstance(found, Record) else found]


def read_elements(tag: str, piece: Piece, stream: IO[bytes], limit: int) -> Iterator[Span]:
    """Yield the elements of a name that begin inside the piece. An element without an end stops at the next one.

    Tags in a comment, a CDATA section or an instruction that ends within `limit` bytes do not count as tags.
    """
    name = re.escape(tag).encode()
    edges = re.compile(rb"<(?:" + name + rb"(?=[\s>])|/" + name + rb"\s*>|!--|!\[CDATA\[|\?|!ENTITY)")
    empty = re.compile(rb"<" + name + rb"\s[^<>]*/>")
    stream.seek(piece.start)
    buffer, base, searched = bytearray(), piece.start, 0  # base: offset in the file of the buffer's first byte
    begin: int | None = None
    while True:
        edge = edges.search(buffer, searched)
        if edge is None:
            searched = max(searched, len(buffer) - len(name) - 64)
            base, searched = _shorten(buffer, base, begin is not None, searched, limit)
            if not (chunk := stream.read(CHUNK)):
                break
            buffer += chunk
            continue
        if behind := _NO_MARKUP.get(edge[0]):
            searched = _behind(buffer, edge, behind, stream, limit)
            continue
        opens = edge[0][1:2] != b"/"
        end = edge.start() if opens else edge.end()
        if begin is not None:
            yield _span(bytes(buffer[:end]), begin, base + end, limit)
            begin = None
        del buffer[:end]
        base, searched = base + end, 0
        if opens:
            if piece.stop is not None and base >= piece.stop:
                return
            begin, searched = base, 1
            if alone := _alone(buffer, empty, stream, limit):
                yield Span(base, alone, len(alone))
                del buffer[: len(alone)]
                base, begin, searched = base + len(alone), None, 0
    if begin is not None:
        yield _span(bytes(buffer), begin, base + len(buffer), limit)


def _alone(buffer: bytearray, empty: re.Pattern[bytes], stream: IO[bytes], limit: int) -> bytes | None:
    """Return the element at the beginning of a buffer if it is an empty element, which has no end tag."""
    at = 1
    while _TAG_END.search(buffer, at) is None:
        at = len(buffer)
        if at > limit or not (chunk := stream.read(CHUNK)):
            return None
        buffer += chunk
    found = empty.match(buffer)
    return found[0] if found and found.end() <= limit else None


def _behind(buffer: bytearray, edge: re.Match[bytes], ends: re.Pattern[bytes], stream: IO[bytes], room: int) -> int:
    """Return where a part without markup ends, or where its opening sign ends if it has no end within `room` bytes."""
    at = edge.end()
    while (found := ends.search(buffer, at)) is None:
        at = max(at, len(buffer) - 2**10)  # which may hold half of an end
        if len(buffer) - edge.start() > room or not (chunk := stream.read(CHUNK)):
            return edge.end()
        buffer += chunk
    is_whole = found[0] != edge[0] and found.end() - edge.start() <= room
    return found.end() if is_whole else edge.end()


def _shorten(buffer: bytearray, base: int, inside: bool, searched: int, limit: int) -> tuple[int, int]:
    """Drop the part of a buffer that is no longer needed. Return the base, and where to search on.

    Inside an element nothing is dropped until it is too long to be read.
    """
    searched = max(0, searched)
    if inside and len(buffer) <= RAW_BYTES_KEPT + limit:
        return base, max(1, searched)
    keep = RAW_BYTES_KEPT if inside else 0
    del buffer[keep:searched]
    return base + searched - keep, keep


def _span(raw: bytes, begin: int, end: int, limit: int) -> Span:
    size = end - begin
    return Span(begin, raw if size <= limit else raw[:RAW_BYTES_KEPT], size)


def text_of(element: Element | None) -> str:
    """Return all text of an element and of those inside it, with single spaces."""
    return "" if element is None else " ".join("".join(element.itertext()).split())
