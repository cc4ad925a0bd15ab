"""Long texts in parts. Each part is a record, so that parts of a book in one file can be held out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from lmworks.data.parsers.lines import read_lines
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Span

PART_BYTES = 2**13
"""Number of bytes after which a part ends at the next empty line: about four pages."""
LONGEST = 4 * PART_BYTES
"""Number of bytes after which a part ends at the end of any line, if a text has no empty lines."""


def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """Yield one record per part. `part` is its number in the file. Bad bytes make only their part unreadable."""
    taken: list[Span] = []
    number = size = 0
    for line in read_lines(piece, stream, reading.limit):
        taken.append(line)
        size += line.size
        if (size >= PART_BYTES and not line.raw.strip()) or size >= LONGEST:
            number += 1
            yield from _part(piece, number, taken, reading)
            taken, size = [], 0
    yield from _part(piece, number + 1, taken, reading)


def _part(piece: Piece, number: int, lines: list[Span], reading: Reading) -> Iterator[Found]:
    if not lines:
        return
    span = Span(lines[0].offset, b"".join(line.raw for line in lines), sum(line.size for line in lines))
    key = str(number)
    if too_long := span.too_long(piece.name, key, reading.limit):
        yield too_long
        return
    try:
        text = span.raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
    except UnicodeDecodeError as error:
        yield span.not_text(piece.name, key, reading, at=error.start)
        return
    if text:
        yield Record(piece.name, key, text, "text", reading.licence, {"part": number}, span=span)


FORM = Form(parse, encoding="text", about="A long text in parts of about four pages, cut at empty lines.")
