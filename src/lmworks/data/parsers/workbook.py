"""Spreadsheets (.xlsx): a record a row of each sheet that is shown, whose first row with a value names the columns."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lmworks.data.parsers.fields import named_twice, row_record
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Skipped, Span, Unreadable, whole_file

MOST_CELLS = 2**24
"""Of a workbook, empty ones before others of their row counted: one cell far to the right makes 16,384."""
KEPT_AS = {"format": "jsonl"}
"""What is kept of a row that cannot be read."""


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """Sheets one after the other, each like a file in a folder of the workbook's name. Of formulas their last value."""
    from openpyxl import load_workbook

    try:
        unpacked = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(span.raw)).infolist())
        if unpacked > 10 * reading.limit:
            reason = f"longer than record_bytes: {unpacked} bytes when unpacked, ten times record_bytes is allowed"
            yield span.unreadable(piece.name, "", reason)
            return
        workbook, cells = load_workbook(io.BytesIO(span.raw), read_only=True, data_only=True), 0
        titles = [sheet.title for sheet in workbook.worksheets]
        if reading.sheets and not {*titles} & {*reading.sheets}:
            named, there = (", ".join(map(repr, each)) for each in (reading.sheets, titles))
            yield span.unreadable(piece.name, "", f"no sheet that `sheets` names: found {there}, expected {named}")
            return
        for sheet in workbook.worksheets:
            if reading.sheets and sheet.title not in reading.sheets:
                yield Skipped(piece.name, sheet.title, "a sheet of a workbook that `sheets` does not name")
                continue
            if sheet.sheet_state != "visible":
                yield Skipped(piece.name, sheet.title, "a hidden sheet of a workbook")
                continue
            sheet.reset_dimensions()  # which a file may overstate
            place = replace(piece, member=f"{piece.member}/{sheet.title}" if piece.member else sheet.title)
            for found in _records(sheet.iter_rows(values_only=True), place, reading):
                cells += found if isinstance(found, int) else 0
                if cells > MOST_CELLS:
                    yield span.unreadable(place.name, "", f"more cells than are read: {MOST_CELLS:,} are")
                    return
                if not isinstance(found, int):
                    yield found
    except Exception as error:  # KeyError, ValueError, BadZipFile and more, of a broken or locked workbook
        yield span.unreadable(piece.name, "", f"not a readable workbook: {type(error).__name__}")


def _records(rows: Iterator[Sequence[Any]], place: Piece, reading: Reading) -> Iterator[Found | int]:
    """Those of one sheet, and before each how many cells were looked at."""
    names: Sequence[str] = reading.columns
    number = 0
    for row in rows:
        yield len(row)
        values = [_plain(value) for value in row]
        if not any(value not in (None, "") for value in values):
            continue
        if not names:
            names = [str(value or "").strip() for value in values]
            if fault := named_twice(names, reading):
                yield Unreadable(place.name, "", 0, fault, b"")
                return
            continue
        number += 1
        all_names = [*names, *[""] * (len(values) - len(names))]
        named = [name or f"column {at}" for at, name in enumerate(all_names, 1)]
        said = {name: value for name, value in zip(named, values, strict=False) if value is not None}
        raw = json.dumps(said, ensure_ascii=False).encode()
        span = Span(0, raw, len(raw), KEPT_AS)
        if lost := [
            at for at, (name, value) in enumerate(zip(all_names, values, strict=False), 1) if value and not name
        ]:
            yield span.unreadable(place.name, str(number), f"a text in a column without a name: column {lost[0]}")
        else:
            yield row_record(said, place, number, span, reading)


def _plain(value: Any) -> Any:
    """A cell as JSON has it: dates, times and durations as text, a day without its midnight."""
    if isinstance(value, datetime):
        return value.isoformat().removesuffix("T00:00:00")
    return value if value is None or isinstance(value, str | int | float) else str(value)


FORM = Form(
    parse, endings=(".xlsx", ".xlsm"), about="Rows of the sheets of a workbook that are shown.", needs=("openpyxl",)
)
