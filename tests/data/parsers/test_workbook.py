"""Spreadsheets: a record a row of each sheet that is shown; what cannot be read costs itself alone."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import openpyxl
import pytest
from data_support import quarantined, texts

from lmworks.data.parsers.parser import Piece, Reading, Record, Unreadable
from lmworks.data.parsers.tables.workbook import _records
from lmworks.data.shards.records import Documents
from lmworks.errors import LmworksError

Ingest = Callable[..., Any]


def workbook(sheets: Mapping[str, Sequence[Sequence[Any]]], hidden: str = "") -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = "hidden" if name == hidden else "visible"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


ASKED = [
    [None, None],
    ["Question", "Asked on", "Price", "Open"],
    ["Is it waterproof?", datetime(2024, 5, 1), 12.5, True],
    [],
    ["¿Y la garantía?", datetime(2024, 5, 2, 9, 30), 7, False],
]
HEADER = "has none in row 1, which is read as the header"


def test_rows_of_all_sheets_are_records_with_dates_and_numbers_as_they_are_shown(ingest_files: Ingest) -> None:
    content = workbook({"Asked": ASKED, "More": [["Question"], ["Third"]], "Old": [["Question"], ["No"]]}, hidden="Old")
    result, out = ingest_files(
        {"shop.xlsx": content}, text_field="Question", created_field="Asked on", keep=["Price", "Open"]
    )
    found = {document.text: document for document in Documents(out, "").iterate()}
    assert set(found) == {"Is it waterproof?", "¿Y la garantía?", "Third"}
    first = found["Is it waterproof?"]
    assert (first.created, first.meta["path"]) == ("2024-05-01", "shop.xlsx/Asked")
    assert (first.meta["Price"], first.meta["Open"]) == (12.5, True)
    assert found["¿Y la garantía?"].created == "2024-05-02T09:30:00"
    assert result.counts["skipped: a hidden sheet of a workbook"] == 1
    assert quarantined(out) == []


def test_a_row_that_says_more_than_the_header_names_is_kept_apart_as_json(ingest_files: Ingest) -> None:
    content = workbook({"Sheet": [["text", "n"], ["good", 1], ["lost", 2, "without a name"]]})
    _, out = ingest_files({"a.xlsx": content})
    (bad,) = quarantined(out)
    assert bad["reason"] == f"a text in a column without a name: column 3 {HEADER}"
    assert json.loads(b64decode(bad["raw"])) == {"text": "lost", "n": 2, "column 3": "without a name"}
    assert [document.text for document in Documents(out, "").iterate()] == ["good"]


def test_a_damaged_workbook_costs_itself_alone(ingest_files: Ingest) -> None:
    content = workbook({"Sheet": [["text"], ["good"]]})
    damaged = io.BytesIO()
    with zipfile.ZipFile(damaged, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    _, out = ingest_files({"a.xlsx": content, "b.xlsx": content[:300], "c.xlsx": damaged.getvalue(), "d.xlsx": b""})
    assert [document.text for document in Documents(out, "").iterate()] == ["good"]
    assert {bad["path"] for bad in quarantined(out)} == {"b.xlsx", "c.xlsx", "d.xlsx"}
    assert {bad["reason"].partition(":")[0] for bad in quarantined(out)} == {"not a readable workbook"}


def test_a_cell_far_away_takes_no_memory(ingest_files: Ingest) -> None:
    """What a sheet claims to span is not what it holds."""
    book = openpyxl.Workbook()
    book.active.append(["text"])
    book.active.append(["good"])
    book.active["XFD1048576"] = "far"
    out = io.BytesIO()
    book.save(out)
    _, folder = ingest_files({"a.xlsx": out.getvalue()})
    assert [document.text for document in Documents(folder, "").iterate()] == ["good"]
    assert [bad["reason"] for bad in quarantined(folder)] == [
        f"a text in a column without a name: column 16384 {HEADER}"
    ]


def test_some_sheets_are_read_and_others_counted(ingest_files: Ingest) -> None:
    book = workbook({"A": [["text"], ["one"]], "B": [["other"], ["two"]]})
    result, out = ingest_files({"a.xlsx": book}, sheets=["A"])
    assert texts(out) == ["one"]
    assert result.counts["skipped: a sheet of a workbook that `sheets` does not name"] == 1
    with pytest.raises(LmworksError, match="no sheet that `sheets` names: found 'A', 'B', expected 'C'"):
        ingest_files({"a.xlsx": book}, sheets=["C"])


def test_a_title_above_the_header_of_a_sheet_is_passed_over_and_counted(ingest_files: Ingest) -> None:
    rows = [[f"the pump of hall {n} leaks", "repair" if n % 2 else "access", n] for n in range(6)]
    header = ["Message", "Queue", "Nr"]
    titled = [["Register of 2026"], [None], ["As of", datetime(2026, 1, 31)], header, *rows]
    single = [["Message"], ["the belt is worn"], ["the door is shut", "see above"]]
    unnamed = [["Message"], *([text, queue] for text, queue, _ in rows)]
    content = workbook({"Titled": titled, "Plain": [header, *rows], "Single": single, "Unnamed": unnamed})
    result, out = ingest_files({"desk.xlsx": content}, fields="all")
    found = [document.meta["path"] for document in Documents(out, "").iterate()]
    assert [found.count(f"desk.xlsx/{sheet}") for sheet in ("Titled", "Plain", "Single", "Unnamed")] == [6, 6, 1, 0]
    assert result.counts["skipped: a title above the header of a sheet"] == 2
    assert {each["reason"] for each in quarantined(out)} == {f"a text in a column without a name: column 2 {HEADER}"}


def test_a_row_takes_memory_for_its_own_cells_however_wide_the_header_is() -> None:
    header = ["text", "label", *[None] * 16_381, "stray"]
    rows = iter([header, *(["It was paid.", "no"] for _ in range(50)), ["It was not.", "yes", None, "beside"]])
    records = _records(rows, Piece("book.xlsx", 0), Reading(fields="all"))
    tracemalloc.start()
    found = list(islice(records, 30))
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    found += records
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 2**19, "16,384 names are twice as much"
    *paid, beside = found
    assert len(paid) == 50 and all(isinstance(each, Record) for each in paid)
    assert isinstance(beside, Unreadable) and "column 4 has none in row 1" in beside.reason
