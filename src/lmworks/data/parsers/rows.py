"""Rows of separated values with their bytes: a line that fits nowhere costs itself alone, and not those after it."""

from __future__ import annotations

import csv
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from lmworks.data.parsers.parser import Span

OPEN_QUOTE = "a quote is not closed, or closes in another record"
MOST_LINES = 2**20
"""Of one row: each takes some 250 bytes of memory while the row's end is sought."""

Reader = Callable[..., Any]
"""`csv.reader` for one delimiter; the library states no type."""


@dataclass(frozen=True)
class Row:
    """One row, or a line that is none."""

    span: Span
    fields: list[str]
    """Bytes as Latin-1, so that a bad one spoils its own row."""
    fault: str = ""


def read_rows(
    lines: Iterator[Span], delimiter: str, limit: int, width: int | None, *, quoted: bool = True
) -> Iterator[Row]:
    """Rows of `width` fields, of any number if it is None, and of at most `limit` bytes; in quotes, if they are.

    When a row of several lines has a fault, its first line alone is given up and reading goes on at the second: the
    quote that swallowed them was most likely never meant to open. However many quotes open, time is linear.
    """
    csv.field_size_limit(2**31 - 1)  # the limit on a row is ours: the library's own would end the file
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = partial(csv.reader, delimiter=delimiter, quoting=quoting)
    taken: list[Span] = []

    def feed() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            if _is_too_long(taken[0], line, len(taken), limit):
                raise csv.Error("a row is longer than record_bytes")
            yield _text(line)

    while True:
        rows = reader(feed(), strict=True)
        fields, fault = _next(rows)
        while fields is not None and not fault:
            if fault := _wrong_width(fields, width):
                break
            if fields:
                yield Row(_joined(taken), fields)
            taken.clear()
            fields, fault = _next(rows)
        if not taken:
            return
        first, *rest = taken
        taken.clear()
        yield Row(first, [], OPEN_QUOTE if rest else fault)
        if rest:
            yield from _Lines(rest, lines, reader, limit, width).rows()


class _Lines:
    """Lines behind one whose quote swallowed them. All that open a quote among them meet the same end of it.

    So each line is parsed alone, and once as what stands inside of an open quote; what a row that begins at any line
    would hold follows from sums.
    """

    def __init__(self, held: list[Span], lines: Iterator[Span], reader: Reader, limit: int, width: int | None) -> None:
        self._held = dict(enumerate(held))
        self._lines, self._reader, self._limit, self._width = lines, reader, limit, width
        self._at = 0
        """Number of the line where a row may begin."""
        self._last = 0
        """Number of the last line that is known to stand inside of a quote that is open at `_at`."""
        self._added: dict[int, int] = {}
        """Fields that begin in each line after `_at` up to `_last`."""
        self._sum = 0
        self._end: Literal["", "closed", "broken"] = ""
        """What becomes of the quote in `_last`; "" while it is open."""

    def rows(self) -> Iterator[Row]:
        """Rows until every line is used that was read."""
        while line := self._held.get(self._at):
            fields, fault = self._alone(line)
            if fault != OPEN_QUOTE:
                fault = fault or _wrong_width(fields or [], self._width)
                if fields or fault:
                    yield Row(line, [] if fault else fields or [], fault)
            elif self._closes(line):
                taken = [self._held.pop(number) for number in range(self._at, self._last + 1)]
                yield Row(_joined(taken), next(self._reader(map(_text, taken), strict=True)))
                self._at = self._last = self._last + 1
                self._forget()
                continue
            else:
                yield Row(line, [], OPEN_QUOTE)
            self._step()

    def _alone(self, line: Span) -> tuple[list[str] | None, str]:
        if _is_too_long(line, line, 1, self._limit):
            return None, "not a row: a row is longer than record_bytes"
        return _next(self._reader([_text(line)], strict=True))

    def _closes(self, line: Span) -> bool:
        """Whether the quote that this line leaves open closes where the row has as many fields as it should."""
        while not self._end:
            number = self._last + 1
            if number not in self._held and (more := next(self._lines, None)):
                self._held[number] = more
            inside = self._held.get(number)
            if inside is None or _is_too_long(line, inside, number + 1 - self._at, self._limit):
                return False
            text = f'"{_text(inside)}'
            fields, fault = _next(self._reader([text], strict=True))
            self._end = ("" if fault == OPEN_QUOTE else "broken") if fault else "closed"
            self._added[number] = len(fields or next(self._reader([text]), [])) - 1 if self._end != "broken" else 0
            self._sum += self._added[number]
            self._last = number
        count = len(next(self._reader([_text(line)]))) + self._sum
        return self._end == "closed" and self._width in (None, count)

    def _step(self) -> None:
        del self._held[self._at]
        self._at += 1
        if self._last > self._at:
            self._sum -= self._added.pop(self._at)
        else:
            self._last = self._at
            self._forget()

    def _forget(self) -> None:
        self._added.clear()
        self._sum, self._end = 0, ""


def _is_too_long(first: Span, last: Span, lines: int, limit: int) -> bool:
    return last.size > len(last.raw) or last.end - first.offset > limit or lines > MOST_LINES


def _text(line: Span) -> str:
    return (line.raw.removeprefix(BOM_UTF8) if line.offset == 0 else line.raw).decode("latin-1")


def _wrong_width(fields: list[str], width: int | None) -> str:
    if not fields or width in (None, len(fields)):
        return ""
    return f"wrong number of fields: found {len(fields)}, expected {width}"


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
