"""Spreadsheets (.xlsx): one record per row of each visible sheet. The first row below a title names the columns."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

from lmworks.data.parsers.fields import named_twice, row_record, settings_of
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Skipped, Span, Unreadable, whole_file
from lmworks.data.parsers.tables.columns import KEPT_AS

FIRST_ROWS = 20
"""Number of rows with a value that are searched for a title above the header."""
NAME_CHARACTERS = 60
"""Maximum characters of a column's name below a title."""


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """Read sheet by sheet, each like a file in a folder of the workbook's name. A formula gives its last value."""
    from openpyxl import load_workbook

    try:
        workbook = load_workbook(io.BytesIO(span.raw), read_only=True, data_only=True)
        titles = [sheet.title for sheet in workbook.worksheets]
        if reading.sheets and not {*titles} & {*reading.sheets}:
            wanted, there = (", ".join(map(repr, names)) for names in (reading.sheets, titles))
            yield span.unreadable(piece.name, "", f"no sheet that `sheets` names: found {there}, expected {wanted}")
            return
        for sheet in workbook.worksheets:
            if reading.sheets and sheet.title not in reading.sheets:
                yield Skipped(piece.name, sheet.title, "a sheet of a workbook that `sheets` does not name")
            elif sheet.sheet_state != "visible":
                yield Skipped(piece.name, sheet.title, "a hidden sheet of a workbook")
            else:
                sheet.reset_dimensions()  # which a file may overstate
                place = replace(piece, member=f"{piece.member}/{sheet.title}" if piece.member else sheet.title)
                yield from _records(sheet.iter_rows(values_only=True), place, reading)
    except MemoryError:
        raise
    except Exception as error:  # KeyError, ValueError, BadZipFile and more, of a broken or locked workbook
        yield span.unreadable(piece.name, "", f"not a readable workbook: {type(error).__name__}")


def _records(rows: Iterator[Sequence[Any]], place: Piece, reading: Reading) -> Iterator[Found]:
    """Yield the records of one sheet."""
    filled = ((at, row) for at, row in enumerate(rows, 1) if _filled(row))
    first = list(islice(filled, FIRST_ROWS))
    names: Sequence[str] = reading.columns
    if not names and first:
        above = _titles([row for _, row in first], reading)
        for at, _ in first[:above]:
            yield Skipped(place.name, f"row {at}", "a title above the header of a sheet")
        (header, row), *first = first[above:]
        names = [str(_plain(value) or "").strip() for value in row]
        if fault := named_twice(names, reading):
            yield Unreadable(place.name, "", 0, fault, b"")
            return
    for number, (_, row) in enumerate(chain(first, filled), 1):
        values = [(at, _plain(value)) for at, value in enumerate(row) if value is not None]
        cells = [(at, names[at] if at < len(names) else "", value) for at, value in values]  # a header may be wider
        fields = {name or f"column {at + 1}": value for at, name, value in cells}
        raw = json.dumps(fields, ensure_ascii=False).encode()
        span = Span(0, raw, len(raw), KEPT_AS)
        if lost := [at + 1 for at, name, value in cells if value and not name]:
            given = "in `columns`" if reading.columns else f"in row {header}, which is read as the header"
            reason = f"a text in a column without a name: column {lost[0]} has none {given}"
            yield span.unreadable(place.name, str(number), reason)
        else:
            yield row_record(fields, place, number, span, reading)


def _filled(row: Sequence[Any]) -> int:
    return sum(value not in (None, "") for value in row)


def _titles(rows: Sequence[Sequence[Any]], reading: Reading) -> int:
    """Count the first rows with a value that are above the header: a title, perhaps a date, in fewer cells.

    The header is the first row with more cells than the rows above it, nearly as many as any row, and only short texts.
    A first row with several values, or with a name from the recipe, is the header.
    """
    wanted = {path.split(".")[0] for path in (*settings_of(reading).values(), *reading.text_fields)}
    widths = [_filled(row) for row in rows]
    several = [width for width in widths[1:] if width > 1]
    if widths[0] > 1 or 2 * len(several) <= len(rows) - 1 or wanted & {*map(str, rows[0])}:
        return 0
    for at, width in enumerate(widths[:-1]):
        if width > max(widths[:at], default=width) and 3 * width >= 2 * max(several) and _names_columns(rows[at:]):
            return at
    return 0


def _names_columns(rows: Sequence[Sequence[Any]]) -> bool:
    for column, name in enumerate(rows[0]):
        below = [row[column] for row in rows[1:] if column < len(row)]
        if name not in (None, "") and (not isinstance(name, str) or len(name) > NAME_CHARACTERS or name in below):
            return False
    return True


def _plain(value: Any) -> Any:
    """Return a cell's value for JSON: dates, times and durations as text, and a date without a midnight."""
    if isinstance(value, datetime):
        return value.isoformat().removesuffix("T00:00:00")
    return value if value is None or isinstance(value, str | int | float) else str(value)


FORM = Form(
    parse,
    endings=(".xlsx", ".xlsm"),
    about="Rows of the visible sheets of a workbook.",
    needs=("openpyxl",),
    guarded=True,
)
