"""Records inside large XML files: each element is found by its tags and parsed on its own.

So memory is bounded by one element, a broken element costs itself alone, and a file can be cut. No document type is
ever read: there are no entities but XML's own five, hence none that expand without end or name other files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import IO, Any

from lmworks.data.parsers.fields import row_record, settings_of
from lmworks.data.parsers.parser import (
    RAW_BYTES_KEPT,
    Form,
    Found,
    Piece,
    Reading,
    Record,
    Skipped,
    Span,
    Unreadable,
    cut_between,
)
from lmworks.data.parsers.xml_rows import OWN_TEXT, Row, TooMuch, refuse_many, row_of

CHUNK = 2**20

Element = Any
"""An lxml element; the library states no types."""
ToRecord = Callable[[Any, str, str, Reading], Found]
"""From (element, path, number of the record, options) to what it says."""
_TAG_END = re.compile(rb"[<>]")
_NO_MARKUP = {
    b"<!--": re.compile(rb"-->|<!--"),
    b"<![CDATA[": re.compile(rb"\]\]>|<!\[CDATA\["),
    b"<?": re.compile(rb"\?>|<\?"),
    b"<!ENTITY": re.compile(rb"[\"'][^\"'<>]{0,500}>|<!ENTITY"),
}
"""What begins a stretch in which no tag is one, and what ends it. One in which another begins was never closed, but a
CDATA section of a record, which may quote another, unless a record ends in it that does not begin there."""


def _tree(raw: bytes) -> Element:
    """Raises ValueError for what is not well-formed, TooMuch for what takes too much memory."""
    from lxml import etree

    refuse_many(raw)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        return etree.fromstring(raw, parser)
    except etree.LxmlError as error:
        raise ValueError(f"{error}") from error


def element_form(
    tag: str | None,
    to_record: ToRecord,
    *,
    about: str,
    states_licences: bool = False,
    needs: tuple[str, ...] = ("lxml",),
    parsed: Callable[[bytes], Any] = _tree,
) -> Form:
    """The form of a file whose records are the elements of this name, or the user's; they do not nest."""

    def elements(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Span]:
        return read_elements(tag or str(reading.records), piece, stream, reading.limit)

    def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
        for number, span in enumerate(elements(piece, stream, reading), piece.first_record + 1):
            yield parse_element(span, piece.name, str(number), reading, to_record, parsed)

    def cut(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
        return cut_between(whole, elements(whole, stream, reading), size)

    return Form(parse, cut, encoding="xml", states_licences=states_licences, about=about, needs=needs)


def parse_element(
    span: Span, name: str, key: str, reading: Reading, to_record: ToRecord, parsed: Callable[[bytes], Any] = _tree
) -> Found:
    """One element's record."""
    if too_long := span.too_long(name, key, reading.limit):
        return too_long
    try:
        found = to_record(parsed(span.raw), name, key, reading)
    except TooMuch as error:
        return span.unreadable(name, key, str(error))
    except (ValueError, AttributeError, KeyError) as error:
        return span.unreadable(name, key, f"not well-formed XML: {error}")
    if isinstance(found, Unreadable):
        return span.unreadable(name, key, found.reason)
    return replace(found, span=span) if isinstance(found, Record) else found


def read_elements(tag: str, piece: Piece, stream: IO[bytes], limit: int) -> Iterator[Span]:
    """The elements of a name that begin inside the piece. One that has no end stops where the next begins.

    No tag is one in a comment, a CDATA section or an instruction that ends within `limit` bytes.
    """
    name = re.escape(tag).encode()
    edges = re.compile(rb"<(?:" + name + rb"(?=[\s>])|/" + name + rb"\s*>|!--|!\[CDATA\[|\?|!ENTITY)")
    empty = re.compile(rb"<" + name + rb"\s[^<>]*/>")
    tags = re.compile(rb"<(/?)" + name + rb"[\s>]")
    stream.seek(piece.start)
    buffer, base, searched = bytearray(), piece.start, 0  # base: offset in the file of the buffer's first byte
    begin: int | None = None
    quotes = _Quotes(tags)
    while True:
        edge = edges.search(buffer, searched)
        if edge is None:
            base, searched = _shorten(
                buffer, base, begin is not None, max(searched, len(buffer) - len(name) - 64), limit
            )
            if not (chunk := stream.read(CHUNK)):
                break
            buffer += chunk
            continue
        if behind := _NO_MARKUP.get(edge[0]):
            room = limit - (0 if begin is None else base + edge.start() - begin)
            if begin is not None and edge[0] == b"<![CDATA[":
                searched = quotes.behind(buffer, base, edge, stream, room)
            else:
                searched = _behind(buffer, edge, behind, stream, room)
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
            if alone := _alone(buffer, empty, stream, limit):
                yield Span(base, alone, len(alone))
                del buffer[: len(alone)]
                base, begin, searched = base + len(alone), None, 0
    if begin is not None:
        yield _span(bytes(buffer), begin, base + len(buffer), limit)


def _alone(buffer: bytearray, empty: re.Pattern[bytes], stream: IO[bytes], limit: int) -> bytes | None:
    """The element at the beginning of a buffer if it has no end tag: what follows is not its own."""
    at = 1
    while _TAG_END.search(buffer, at) is None:
        at = len(buffer)
        if at > limit or not (chunk := stream.read(CHUNK)):
            return None
        buffer += chunk
    found = empty.match(buffer)
    return found[0] if found and found.end() <= limit else None


def _behind(buffer: bytearray, edge: re.Match[bytes], ends: re.Pattern[bytes], stream: IO[bytes], room: int) -> int:
    """Where a stretch without markup ends; where its first sign does, if it has no end in as many bytes."""
    at = edge.end()
    while (found := ends.search(buffer, at)) is None:
        at = max(at, len(buffer) - 2**10)  # which may hold half of an end
        if len(buffer) - edge.start() > room or not (chunk := stream.read(CHUNK)):
            return edge.end()
        buffer += chunk
    is_whole = found[0] != edge[0] and found.end() - edge.start() <= room
    return found.end() if is_whole else edge.end()


class _Quotes:
    """CDATA sections of records, which may quote others, and the records that these begin.

    What was found out about one is known of those in it, so that no byte is looked at for each of them.
    """

    def __init__(self, tags: re.Pattern[bytes]) -> None:
        self._tags = tags
        self._no_end, self._no_section = 0, 0
        """Where in the file the search for an end goes on; what begins before is no section."""

    def behind(self, buffer: bytearray, base: int, edge: re.Match[bytes], stream: IO[bytes], room: int) -> int:
        """Where a section ends, as `_behind`. It is none if a record ends in it that does not begin there."""
        if base + edge.start() < self._no_section:
            return edge.end()
        at = max(edge.end(), self._no_end - base)
        while (end := buffer.find(b"]]>", at)) < 0:
            at = max(at, len(buffer) - 2)  # which may be half of an end
            self._no_end = base + at
            if len(buffer) - edge.start() > room or not (chunk := stream.read(CHUNK)):
                return edge.end()
            buffer += chunk
        self._no_end = base + end
        if end + 3 - edge.start() > room:
            return edge.end()
        told, depth = edge.end(), 0
        while (inner := buffer.find(edge[0], told, end)) >= 0:
            for tag in self._tags.finditer(buffer, told, inner):
                depth += -1 if tag[1] else 1
                if depth < 0:
                    self._no_section = base + inner
                    return edge.end()
            told = inner + len(edge[0])
        return end + 3


def _shorten(buffer: bytearray, base: int, inside: bool, searched: int, limit: int) -> tuple[int, int]:
    """Drop what is no longer needed of a buffer without an edge, but for a last stretch that may hold half of one.

    Returns the base, and where to search on. Inside an element nothing is dropped until it is too long to be read.
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
    """All text of an element and of those inside it, with single spaces."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


def _row(row: Row, path: str, number: str, reading: Reading) -> Found:
    inside = row.inside() if reading.fields == "all" else None
    return row_record(row, Piece(path, 0), int(number), Span(0, b"", 0), reading, inside)


_ROWS = element_form(None, _row, about="XML: the elements that `records` names are rows.", needs=(), parsed=row_of)


def _parse_rows(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """The rows; where one says something beside its elements, and no setting names that, it is counted."""
    names = {*settings_of(reading).values(), *reading.text_fields, OWN_TEXT if reading.fields == "all" else ""}
    is_read = not names.isdisjoint((OWN_TEXT, reading.records))
    for found in _ROWS.parse(piece, stream, reading):
        yield found
        if not is_read and isinstance(found, Record) and isinstance(found.row, Row) and found.row.record.is_mixed():
            reason = f"text beside the elements of a record, which `{OWN_TEXT}` names"
            yield Skipped(found.path, f"{found.key}, {OWN_TEXT}", reason)


FORM = replace(_ROWS, parse=_parse_rows)
