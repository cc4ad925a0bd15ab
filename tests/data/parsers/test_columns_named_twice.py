"""Of two columns of one name none is lost: the file is kept apart with their numbers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from data.parsers.test_parsers import good, read, reasons
from lmworks.data.sources.files import Files

ROWS = [["1", "the river rose", "wet", "by Nino"], ["2", "the weir closed", "dry", "by Otar"]]
FORMS = ["csv", "tsv", "parquet", "arrow"]


def written(form: str, *names: str) -> bytes:
    if form.endswith("sv"):
        between = "," if form == "csv" else "\t"
        return "".join(between.join(row) + "\n" for row in [names, *ROWS]).encode()
    table = pa.Table.from_arrays([pa.array(column) for column in zip(*ROWS, strict=True)], names=list(names))
    return stored(form, table)


def stored(form: str, table: Any) -> bytes:
    stream = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, stream)
    else:
        with pa.ipc.new_stream(stream, table.schema) as opened:
            opened.write_table(table)
    return stream.getvalue()


@pytest.mark.parametrize(
    "reading", [{"fields": "all"}, {"fields": ["text"]}, {}, {"text_field": "id", "keep": ["text"]}]
)
@pytest.mark.parametrize("form", FORMS)
def test_two_columns_of_one_name_are_refused_with_their_numbers(
    tmp_path: Path, form: str, reading: dict[str, Any]
) -> None:
    found = read(tmp_path, {f"a.{form}": written(form, "id", "text", "label", "text")}, **reading)
    (bad,) = found
    assert (bad.key, bad.path) == ("", f"a.{form}")
    assert "two columns of one name: 'text' are columns 2 and 4; rename all but one" in bad.reason


@pytest.mark.parametrize("form", FORMS)
def test_columns_of_one_name_that_nothing_reads_stop_nothing(tmp_path: Path, form: str) -> None:
    found = read(tmp_path, {f"a.{form}": written(form, "note", "text", "label", "note")}, keep=["label"])
    assert [(item.text, item.meta["label"]) for item in good(found)] == [(row[1], row[2]) for row in ROWS]


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_two_fields_of_one_name_inside_a_column_are_refused(tmp_path: Path, form: str) -> None:
    kind = pa.struct([("a", pa.string()), ("a", pa.string())])
    inner = pa.StructArray.from_arrays([pa.array(["x"]), pa.array(["y"])], fields=list(kind))
    content = stored(form, pa.table({"text": ["t"], "inner": inner}))
    (bad,) = read(tmp_path, {f"a.{form}": content}, fields="all")
    assert "duplicate field names" in bad.reason
    (fine,) = read(tmp_path, {f"a.{form}": content}) if form == "parquet" else (bad,)
    assert form == "arrow" or fine.text == "t"


def test_columns_without_a_name_may_be_empty_and_cost_the_rows_that_say_something_there(tmp_path: Path) -> None:
    table = "text,n,,\nfirst,1,,\nsecond,2,lost,\nthird,3,,too\n"
    found = read(tmp_path, {"a.csv": table.encode()}, fields="all")
    assert [item.text.split() for item in good(found)] == [["first", "1"]]
    assert reasons(found) == [f"a text in a column without a name: column {place}" for place in (3, 4)]
    assert len(good(read(tmp_path, {"a.csv": table.encode()}))) == 3, "where nothing asks for all columns"


def test_columns_that_the_user_names_twice_are_refused() -> None:
    with pytest.raises(ValidationError, match="`columns` names 'text' twice"):
        Files(kind="files", path=".", columns=["text", "n", "text"])
