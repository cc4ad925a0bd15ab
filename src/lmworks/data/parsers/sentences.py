"""A text a line: sentences, and texts in several languages whose files answer each other line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from lmworks.data.parsers.lines import cut_lines, read_lines
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record


def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """A record a line, with its number as `line`, which joins it to those of other files; empty lines give none."""
    for number, line in enumerate(read_lines(piece, stream, reading.limit), piece.first_record + 1):
        key = str(number)
        if too_long := line.too_long(piece.name, key, reading.limit):
            yield too_long
            continue
        try:
            text = line.raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            yield line.unreadable(piece.name, key, "not UTF-8", at=error.start)
            continue
        if text:
            yield Record(piece.name, key, text, "text", reading.licence, {"line": number})


FORM = Form(parse, cut_lines, about="A text a line.")
