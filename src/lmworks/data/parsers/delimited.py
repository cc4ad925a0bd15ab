"""Comma- and tab-separated values. A line that fits nowhere costs itself alone, and not those after it."""

from __future__ import annotations

import csv
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, Literal

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.lines import read_lines
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Span, cut_between

OPEN_QUOTE = "a quote is not closed, or closes in another record"


@dataclass(frozen=True)
class _Row:
    span: Span
    fields: list[str]
    fault: str = ""


def parse(piece: Piece, stream: IO[bytes], reading: Reading, *, delimiter: str) -> Iterator[Found]:
    """A record a row. The first row names the columns, unless the user did."""
    delimiter = reading.delimiter or delimiter
    header = _header(piece, stream, reading, delimiter)
    names = _decode(header.fields) if header else list(reading.columns)
    if header and (header.fault or names is None):
        yield header.span.unreadable(piece.name, "", f"not a header: {header.fault or 'not UTF-8'}")
    if not names:
        return
    start = max(piece.start, header.span.end if header else 0)
    lines = read_lines(Piece(piece.path, 0, start, piece.stop), stream, reading.limit)
    for number, row in enumerate(_rows(lines, delimiter, reading.limit, len(names)), piece.first_record + 1):
        key = str(number)
        if row.fault:
            yield row.span.too_long(piece.name, key, reading.limit) or row.span.unreadable(piece.name, key, row.fault)
        elif (fields := _decode(row.fields)) is None:
            yield row.span.unreadable(piece.name, key, "not UTF-8", at=_first_bad_byte(row.span.raw))
        else:
            yield row_record(dict(zip(names, fields, strict=True)), piece, number, row.span, reading)


def cut(whole: Piece, stream: IO[bytes], size: int, reading: Reading, *, delimiter: str) -> Iterator[Piece]:
    """Cut between rows; a line break inside quotes is part of its row."""
    delimiter = reading.delimiter or delimiter
    header = _header(whole, stream, reading, delimiter)
    lines = read_lines(Piece(whole.path, 0, header.span.end if header else 0), stream, reading.limit)
    width = len(header.fields) if header else len(reading.columns)
    return cut_between(whole, (row.span for row in _rows(lines, delimiter, reading.limit, width)), size)


def _header(piece: Piece, stream: IO[bytes], reading: Reading, delimiter: str) -> _Row | None:
    if reading.columns:
        return None
    return next(_rows(read_lines(Piece(piece.path, 0), stream, reading.limit), delimiter, reading.limit, None), None)


def _rows(lines: Iterator[Span], delimiter: str, limit: int, width: int | None) -> Iterator[_Row]:
    """Rows with their bytes, read as Latin-1 so that one bad byte spoils one row.

    When a row of several lines has a fault, its first line alone is given up and reading goes on at the second: the
    quote that swallowed them was most likely never meant to open.
    """
    csv.field_size_limit(2**31 - 1)  # the limit on a row is ours: the library's own would end the file
    waiting: deque[Span] = deque()
    taken: list[Span] = []
    # Tab-separated values have no quoting (IANA text/tab-separated-values).
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL

    def feed() -> Iterator[str]:
        while line := waiting.popleft() if waiting else next(lines, None):
            taken.append(line)
            if line.size > len(line.raw) or line.end - taken[0].offset > limit:
                raise csv.Error("a row is longer than record_bytes")
            yield (line.raw.removeprefix(BOM_UTF8) if line.offset == 0 else line.raw).decode("latin-1")

    while True:
        reader = csv.reader(feed(), delimiter=delimiter, quoting=quoting, strict=True)
        fields, fault = _next(reader)
        while fields is not None and not fault:
            if fields and width not in (None, len(fields)):
                fault = f"wrong number of fields: found {len(fields)}, expected {width}"
                break
            if fields:
                yield _Row(_joined(taken), fields)
            taken.clear()
            fields, fault = _next(reader)
        if not taken:
            return
        first, *rest = taken
        waiting.extendleft(reversed(rest))
        taken.clear()
        yield _Row(first, [], OPEN_QUOTE if rest else fault)


def _next(reader: Iterator[list[str]]) -> tuple[list[str] | None, str]:
    """The next row, or what is wrong with it."""
    try:
        return next(reader, None), ""
    except csv.Error as error:
        return None, OPEN_QUOTE if "end of data" in str(error) else f"not a row: {error}"


def _joined(taken: list[Span]) -> Span:
    if len(taken) == 1:
        return taken[0]
    raw = b"".join(line.raw for line in taken)
    return Span(taken[0].offset, raw, len(raw))


def _decode(fields: list[str]) -> list[str] | None:
    if all(map(str.isascii, fields)):
        return fields
    try:
        return [field.encode("latin-1").decode() for field in fields]
    except UnicodeDecodeError:
        return None


def _first_bad_byte(raw: bytes) -> int:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


CSV = Form(
    partial(parse, delimiter=","),
    partial(cut, delimiter=","),
    endings=(".csv",),
    about="Rows whose fields a comma separates.",
)
TSV = Form(
    partial(parse, delimiter="\t"),
    partial(cut, delimiter="\t"),
    endings=(".tsv",),
    about="Rows whose fields a tab separates.",
)
