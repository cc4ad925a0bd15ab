"""Comma- and tab-separated values: delimiters, names of columns, and one record per row."""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from typing import IO, Literal

from lmworks.data.base.encodings import looks_like_utf16, marked
from lmworks.data.parsers.fields import named_twice, row_record
from lmworks.data.parsers.lines import read_lines
from lmworks.data.parsers.parser import (
    RAW_BYTES_KEPT,
    Form,
    Found,
    Piece,
    Reading,
    Record,
    Span,
    cut_between,
    drained,
)
from lmworks.errors import UsageError

DELIMITERS = (",", ";", "\t", "|")
"""Delimiters that are tried if the recipe states none."""
FIRST_BYTES, FIRST_LINES = 2**16, 200
"""Bytes and lines at the beginning of a file that show its delimiter and its quotes."""
BYTES_TO_QUOTE, LINES_BEHIND = 2**18, 50
"""Bytes of a tab-separated file in which a first quote is searched, and number of lines examined after it."""
LEAST_ROWS, LONGEST_NAME, FITTING = 10, 40, 0.9
"""Rows, characters of a column's name, and share of lines with as many fields, by which a text is a table."""
LEAST_FOR = 4
"""Number of rows that only quotes can explain which outweigh one row that contradicts quotes between tabs."""
MOST_LINES = 2**20
"""Maximum lines of one row. Each takes about 250 bytes of memory until the end of the row is found."""
OPEN_QUOTE = "a quote is not closed, or closes in another record"
UNQUOTED = "rows with quotes doubled in quotes, kept as they are: if a csv writer made them, set `quotes: true`"
_NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:[eE][-+]?\d+)?")
_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[ T].*)?")
_TWO_DIGITS = re.compile(r"\d.*\d")
_ALL_QUOTED = re.compile(r'"(?:[^"]|"")*"(?:\t"(?:[^"]|"")*")+\r?\n?')
_DOUBLED = re.compile(r'"(?:[^"]*+"")+[^"]*+"')


@dataclass(frozen=True)
class Row:
    """One row, or a line that is not one."""

    span: Span
    fields: list[str]
    """Fields, decoded as Latin-1 so that a bad byte makes only its own row unreadable."""
    fault: str = ""


def read_rows(
    lines: Iterator[Span], delimiter: str, limit: int, width: int | None, *, quoted: bool = True
) -> Iterator[Row]:
    """Yield rows of `width` fields, of any number if it is None, and of at most `limit` bytes.

    If a quoted field of several lines makes a row wrong, its quote was most likely text. Only its first line is then
    bad, and the lines after it are read as rows. Each line is parsed only a few times.
    """
    csv.field_size_limit(2**31 - 1)  # the limit on a row is ours: the library's own would end the file
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = partial(csv.reader, delimiter=delimiter, quoting=quoting, strict=True)
    taken: list[Span] = []
    waiting = deque[Span]()

    def feed() -> Iterator[str]:
        while line := waiting.popleft() if waiting else next(lines, None):
            taken.append(line)
            if line.size > len(line.raw) or line.end - taken[0].offset > limit or len(taken) > MOST_LINES:
                raise csv.Error("a row is longer than record_bytes")
            yield _text(line)

    def alone(line: Span) -> Row:
        try:
            fields = next(reader([_text(line)]), [])
        except csv.Error as error:
            return Row(line, [], _fault(error))
        return Row(line, fields, _wrong_width(fields, width))

    while True:
        rows, fault = reader(feed()), ""
        try:
            for fields in rows:
                if fault := _wrong_width(fields, width):
                    break
                if fields:
                    yield Row(_joined(taken), fields)
                taken.clear()
        except csv.Error as error:
            fault = _fault(error)
        if not taken:
            return
        first, *rest = taken
        taken.clear()
        yield Row(first, [], OPEN_QUOTE if rest else fault)
        waiting.extendleft(rest[-1:])
        for row in map(alone, rest[:-1]):
            if row.fields or row.fault:
                yield replace(row, fields=[]) if row.fault else row


def _fault(error: csv.Error) -> str:
    return OPEN_QUOTE if "end of data" in str(error) else f"not a row: {error}"


def _text(line: Span) -> str:
    return (line.raw.removeprefix(BOM_UTF8) if line.offset == 0 else line.raw).decode("latin-1")


def _wrong_width(fields: list[str], width: int | None) -> str:
    if not fields or width in (None, len(fields)):
        return ""
    return f"wrong number of fields: found {len(fields)}, expected {width}"


def _joined(taken: list[Span]) -> Span:
    if len(taken) == 1:
        return taken[0]
    raw = b"".join(line.raw for line in taken)
    return Span(taken[0].offset, raw, len(raw))


@dataclass(frozen=True)
class Table:
    """Delimiter and columns of a file, with the lines that were read to find them."""

    delimiter: str
    header: Row | None
    names: Sequence[str] | None
    """Names of the columns; None if they cannot be read."""
    first: Sequence[Span]
    quoted: bool

    def rows(self, piece: Piece, stream: IO[bytes], limit: int) -> Iterator[Row]:
        """Yield the rows of a piece. Lines in `first` are not read again, because a stream can go forward only."""
        start, stop = max(piece.start, self.header.span.end if self.header else 0), piece.stop
        again = (line for line in self.first if start <= line.offset and (stop is None or line.offset < stop))
        behind = max(start, self.first[-1].end if self.first else 0)
        lines = chain(again, read_lines(Piece(piece.path, 0, behind, stop), stream, limit))
        return read_rows(lines, self.delimiter, limit, len(self.names or ()), quoted=self.quoted)


def parse(piece: Piece, stream: IO[bytes], reading: Reading, *, delimiter: str) -> Iterator[Found]:
    """Yield a record for each row. The first row names the columns, unless the user did."""
    table = open_table(stream, reading, delimiter)
    _require_header(table, reading, piece.name)
    if table.header and table.header.fault:
        yield _whole(table, stream).unreadable(piece.name, "", f"not a header: {table.header.fault}")
    elif table.header and table.names is None:
        yield _whole(table, stream).not_text(piece.name, "", reading, at=_first_bad_byte(table.header.span.raw))
    if not table.names:
        return
    settings = {"columns": [*table.names], "delimiter": table.delimiter, "quotes": table.quoted}
    unnamed = [place for place, name in enumerate(table.names) if not name]
    nameless = unnamed if reading.fields == "all" and len(unnamed) > 1 else []  # all but one would be lost
    for number, row in enumerate(table.rows(piece, stream, reading.limit), piece.first_record + 1):
        key, span = str(number), replace(row.span, settings=settings)
        if row.fault:
            yield span.too_long(piece.name, key, reading.limit) or span.unreadable(piece.name, key, row.fault)
        elif (fields := _decode(row.fields)) is None:
            yield span.not_text(piece.name, key, reading, at=_first_bad_byte(span.raw))
        elif (lost := next((place for place in nameless if fields[place].strip()), None)) is not None:
            yield span.unreadable(piece.name, key, f"a text in a column without a name: column {lost + 1}")
        else:
            found = row_record(dict(zip(table.names, fields, strict=True)), piece, number, span, reading)
            is_odd = reading.quotes is None and not table.quoted and any(map(_DOUBLED.fullmatch, fields))
            if is_odd and isinstance(found, Record):
                found = replace(found, counts={**found.counts, UNQUOTED: 1})
            yield found


def _whole(table: Table, stream: IO[bytes]) -> Span:
    """Return the kept bytes of a file whose header cannot be read, and therefore no row."""
    raw = b"".join(line.raw for line in table.first)
    size = sum(line.size for line in table.first)
    more = stream.read(max(0, RAW_BYTES_KEPT - size)) if size == len(raw) else b""
    return Span(0, raw + more, size + len(more) + drained(stream))


def cut(whole: Piece, stream: IO[bytes], size: int, reading: Reading, *, delimiter: str) -> Iterator[Piece]:
    """Cut a file between rows. A line break inside quotes is part of its row. A table without a header stays whole."""
    table = open_table(stream, reading, delimiter)
    _require_header(table, reading, whole.name)
    rows = table.rows(whole, stream, reading.limit) if table.names else iter(())
    return cut_between(whole, (row.span for row in rows), size)


def _require_header(table: Table, reading: Reading, name: str) -> None:
    """Raise UsageError for a first row that looks like data, because its values would become names of fields."""
    wanted = reading.text_fields if reading.fields in (None, "all") else reading.fields
    cells = [cell.strip() for cell in (table.names or ()) if cell.strip()] if table.header else []
    if not cells or not {*wanted}.isdisjoint(cells) or not (what := _as_data(tuple(cells))):
        return
    raise UsageError(
        f"{name}: the first row should name the columns, but looks like data: it holds {what}. If the table has no "
        "header, name its columns in order (`columns: [text, …]` of the source). If this row is the header, name those "
        'that you want (`fields: ["2024", …]`)'
    )


@lru_cache(maxsize=1_000)
def _as_data(cells: tuple[str, ...]) -> str:
    """Return what shows that a row is not a header; "" if nothing does."""
    if all(map(_NUMBER.fullmatch, cells)):
        return "only numbers"
    if all(_NUMBER.fullmatch(cell) or _DATE.fullmatch(cell) for cell in cells):
        return "only numbers and dates"
    from lmworks.data.personal.hidden import hide

    personal = any(("@" in cell or _TWO_DIGITS.search(cell)) and hide(cell) != cell for cell in cells)
    return "personal data, such as an e-mail address or a telephone number" if personal else ""


def open_table(stream: IO[bytes], reading: Reading, usual: str) -> Table:
    """Return the columns of a table, and its first lines. `usual` is the delimiter if the rows show no other."""
    lines = read_lines(Piece("", 0), stream, reading.limit)
    first: list[Span] = []
    size = 0
    while size < FIRST_BYTES and len(first) < FIRST_LINES and (line := next(lines, None)):
        first.append(line)
        size += line.size
    delimiter = reading.delimiter or _find_delimiter(first, usual, reading)
    behind = sum(b'"' in line.raw for line in first)
    while delimiter == "\t" and size < BYTES_TO_QUOTE and behind < LINES_BEHIND and (line := next(lines, None)):
        first.append(line)
        size, behind = size + line.size, behind + (behind > 0 or b'"' in line.raw)
    is_all = size < BYTES_TO_QUOTE and behind < LINES_BEHIND
    quoted = _may_be_quoted(first, delimiter, reading, is_all=is_all)
    if reading.columns:
        return Table(delimiter, None, reading.columns, first, quoted)

    def more() -> Iterator[Span]:
        for line in lines:
            first.append(line)
            yield line

    rows = read_rows(chain(tuple(first), more()), delimiter, reading.limit, None, quoted=quoted)
    header = next(rows, None)
    names = _decode(header.fields) if header else ()
    if header and (fault := named_twice(names or (), reading)):
        return Table(delimiter, replace(header, fault=fault), None, first, quoted)
    return Table(delimiter, header, names, first, quoted)


def _may_be_quoted(first: Sequence[Span], delimiter: str, reading: Reading, *, is_all: bool = False) -> bool:
    """Return whether quotes enclose fields. By definition (IANA), and often in fact, tab-separated values have none.

    Between tabs, a header in quotes is evidence for them, and so are tabs, line ends or doubled quotes inside quotes.
    Evidence against quotes are rows with a wrong number of fields, quotes in other places, and lines that are rows by
    themselves. `is_all` states that the table has no other lines.
    """
    if reading.quotes is not None or delimiter != "\t":
        return reading.quotes is not False
    if not any(b'"' in line.raw for line in first):
        return False
    rows = list(read_rows(iter(first), "\t", reading.limit, None))
    if rows and rows[-1].fault == OPEN_QUOTE and not is_all:
        rows.pop()  # the lines that were read may end inside of it
    width = len(reading.columns) or (len(rows[0].fields) if rows else 0)
    found = int(not reading.columns and _ALL_QUOTED.fullmatch(_text(first[0])) is not None)
    for row in rows:
        text = _text(row.span)
        is_odd = any('"' in field and _in_quotes(field) not in text for field in row.fields)
        lines = text.removesuffix("\n").split("\n")
        are_rows = len(lines) > 1 and all(line.count("\t") + 1 == width for line in lines)
        if len(row.fields) != width or is_odd or are_rows:
            found -= LEAST_FOR
        else:
            found += any(sign in field for field in row.fields for sign in '\t\n"')
    return found > 0


def _in_quotes(field: str) -> str:
    return '"{}"'.format(field.replace('"', '""'))


def _find_delimiter(first: Sequence[Span], usual: str, reading: Reading) -> str:
    """Return the delimiter that gives the first rows as many fields as the header, or as `columns`.

    The usual one is used if it fits nine of ten rows. Another must fit over half of the rows, and more than the usual.
    """
    best, most = usual, 0.5
    for delimiter in dict.fromkeys((usual, *DELIMITERS)):
        quoted = _may_be_quoted(first, delimiter, reading)
        rows = list(read_rows(iter(first), delimiter, reading.limit, None, quoted=quoted))
        width = len(reading.columns) or (len(rows[0].fields) if rows else 0)
        share = sum(len(row.fields) == width for row in rows) / len(rows) if width > 1 else 0.0
        if delimiter == usual and share >= 0.9:
            return usual
        if share > most:
            best, most = delimiter, share
    return best


def table_form(head: bytes) -> str:
    """Return `tsv` or `csv` if the beginning of a file without an ending of its own is a table; "" if it is text.

    Commas do not count, because sentences have them. The first line must be able to name the columns.
    """
    text = head.decode(marked(head) or looks_like_utf16(head) or "utf-8", "replace").removeprefix("\ufeff")
    lines = [line for line in text.splitlines()[:-1] if line.strip()][:FIRST_LINES]
    for delimiter in DELIMITERS[1:]:
        names = [name.strip() for name in lines[0].split(delimiter)] if len(lines) > LEAST_ROWS else []
        are_names = len(names) > 1 and all(names) and len(set(names)) == len(names)
        are_names = are_names and not any(len(name) > LONGEST_NAME or name[-1] in ".,!?" for name in names)
        if are_names and not _as_data(tuple(names)):
            fitting = sum(line.count(delimiter) == len(names) - 1 for line in lines)
            if fitting >= FITTING * len(lines):
                return "tsv" if delimiter == "\t" else "csv"
    return ""


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


def _form(delimiter: str, ending: str, about: str) -> Form:
    ways = {name: partial(way, delimiter=delimiter) for name, way in (("parse", parse), ("cut", cut))}
    return Form(**ways, encoding="text", endings=(ending,), about=about)  # type: ignore[arg-type]


CSV = _form(",", ".csv", "Rows with fields separated by commas, or by the delimiter that the first rows show.")
TSV = _form("\t", ".tsv", "Rows with fields separated by tabs, in quotes if the first rows show it.")
