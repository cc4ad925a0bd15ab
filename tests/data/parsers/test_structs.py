"""Columns of Parquet and Arrow have one shape for all rows: what it makes up for a row is not the row's."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.parsers.test_parsers import good, read
from lmworks.data.base.structure import put_together
from lmworks.data.parsers.tables.columns import NULLS


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_what_a_struct_makes_up_for_other_rows_is_no_field(tmp_path: Path, form: str) -> None:
    rows = [
        {"calls": [{"name": "gauge", "arguments": {"river": "r1"}}], "note": None, "list": [None, "a"]},
        {"calls": [{"name": "rain", "arguments": {"city": "c1", "days": 2}}, {"name": "time", "arguments": None}]},
        {"calls": None, "note": "all", "list": []},
    ]
    table, stream = pa.Table.from_pylist(rows), io.BytesIO()
    if form == "parquet":
        pq.write_table(table, stream)
    else:
        with pa.ipc.new_stream(stream, table.schema) as opened:
            opened.write_table(table)
    found = good(read(tmp_path, {f"a.{form}": stream.getvalue()}, fields="all"))
    assert [put_together(item.structure, [field.text for field in item.fields]) for item in found] == [
        {"calls": [{"name": "gauge", "arguments": {"river": "r1"}}], "note": None, "list": [None, "a"]},
        {
            "calls": [{"name": "rain", "arguments": {"city": "c1", "days": 2}}, {"name": "time"}],
            "note": None,
            "list": None,
        },
        {"calls": None, "note": "all", "list": []},
    ]
    assert [dict(item.counts) for item in found] == [{NULLS: 1}, {NULLS: 1}, {}]


def test_nulls_of_json_stay(tmp_path: Path) -> None:
    row = {"text": "t", "call": {"river": None}}
    (found,) = good(read(tmp_path, {"a.jsonl": json.dumps(row).encode()}, fields="all"))
    assert put_together(found.structure, ["t"]) == row and not found.counts
