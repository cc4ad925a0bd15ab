"""What could not be read is read again whole, or set aside again: nothing of it goes without a count."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_support import quarantined

from lmworks.data.erased.values import said_by
from lmworks.data.reading.ingest import IngestConfig
from lmworks.data.sources.source import Record, Unreadable

Ingest = Callable[..., Any]


def read_again(tmp_path: Path, entries: list[dict[str, Any]], **settings: Any) -> list[Any]:
    (tmp_path / "again.jsonl").write_text("".join(json.dumps(each) + "\n" for each in entries))
    source = {"kind": "quarantine", "path": "again.jsonl", "licence": "MIT", **settings}
    (opened,) = IngestConfig.model_validate({"sources": [source]}).resolve(tmp_path).sources
    return [item for piece in opened.pieces("again.jsonl", 10**6) for item in opened.read(piece)]


def test_rows_of_a_table_are_read_again_under_its_own_header(tmp_path: Path, ingest_files: Ingest) -> None:
    rows = "".join(f"{n};Съешь ещё булок {n};прим {n}\n" for n in range(10))
    tabs = 'text\tn\n"a\tb"\t1\n' + '"Съешь\t"\t2\n' * 3
    files = {"a.csv": f"id;text;note\n{rows}".encode("cp1251"), "b.tsv": tabs.encode("cp1251")}
    _, out = ingest_files(files)
    entries = quarantined(out)
    assert len(entries) == 13
    found = read_again(tmp_path, entries, encoding="cp1251", keep=["note"])
    assert [(item.key, item.text, item.meta.get("note")) for item in found if isinstance(item, Record)] == [
        *((str(n + 1), f"Съешь ещё булок {n}", f"прим {n}") for n in range(10)),
        *((str(n), "Съешь\t", None) for n in range(2, 5)),
    ]
    assert {item.reason for item in read_again(tmp_path, entries) if isinstance(item, Unreadable)} == {
        "not UTF-8: it looks like cp1251; if it is, set `encoding: cp1251` of the source"
    }


def test_a_table_whose_header_is_not_utf_8_is_kept_whole_and_read_again(tmp_path: Path, ingest_files: Ingest) -> None:
    short = "номер;text\n" + "".join(f"{n};Съешь {n}\n" for n in range(300))
    long = "номер;text\n" + "".join(f"{n};Съешь ещё этих мягких булок {n}\n" for n in range(9000))
    _, out = ingest_files({"a.csv": short.encode("cp1251"), "b.csv": long.encode("cp1251"), "c.txt": "good"})
    entries = quarantined(out)
    assert [(each["path"], each["record"], each["raw_bytes"]) for each in entries] == [
        ("a.csv", "", len(short)),
        ("b.csv", "", len(long)),
    ]
    found = read_again(tmp_path, entries, encoding="cp1251")
    assert [item.text for item in found if isinstance(item, Record)] == [f"Съешь {n}" for n in range(300)]
    assert [item.reason for item in found if isinstance(item, Unreadable)] == [
        "only its beginning was kept: write the whole record in `mended`"
    ]


def test_a_row_of_an_older_quarantine_without_its_columns_asks_for_them(tmp_path: Path, ingest_files: Ingest) -> None:
    _, out = ingest_files({"a.csv": "text,n\nok,1\nthree,4,5\n"})
    (entry,) = quarantined(out)
    del entry["settings"]
    (bad,) = read_again(tmp_path, [entry])
    assert bad.reason == "its columns are not known: name the columns of its table in `columns`" and bad.key == "2"
    for older in (entry, {**entry, "settings": {"columns": ["text", "n"], "delimiter": ",", "quotes": True}}):
        (found,) = read_again(tmp_path, [older], columns=["a", "b", "text"])
        assert (found.key, found.text) == ("2", "5")


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_rows_of_columns_are_read_again(tmp_path: Path, ingest_files: Ingest, form: str) -> None:
    table = pa.table({"text": ["fine", None, "with a word"], "body": ["a", "b", "c"]})
    stream = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, stream)
    else:
        with pa.ipc.new_stream(stream, table.schema) as opened:
            opened.write_table(table)
    _, out = ingest_files({f"a.{form}": stream.getvalue()}, keep=["body"])
    found = read_again(tmp_path, quarantined(out), text_field="body")
    assert [(item.key, item.text) for item in found if isinstance(item, Record)] == [("2", "b")]


@pytest.mark.parametrize("settings", [{"columns": 3}, {"licence": "MIT"}, {"colums": ["text"]}, [1]])
def test_a_line_whose_settings_were_spoilt_is_set_aside(tmp_path: Path, settings: Any) -> None:
    entry = {"source": "s", "path": "a.csv", "record": "3", "raw_bytes": 3, "raw": "YWJj", "settings": settings}
    (bad,) = read_again(tmp_path, [entry])
    assert bad.reason.startswith("not a quarantined record: ")


def test_what_nothing_is_read_of_is_set_aside_again(tmp_path: Path) -> None:
    entry = {"source": "s", "path": "a.jsonl", "record": "3", "offset": 0, "reason": "x", "raw_bytes": 0, "raw": ""}
    (bad,) = read_again(tmp_path, [entry])
    assert (bad.key, bad.reason) == ("3", "nothing to read: its bytes hold no record")


def test_names_of_columns_in_a_quarantine_are_searched_by_an_erasure(ingest_files: Ingest) -> None:
    _, out = ingest_files({"a.csv": "text,of Jane Roe\nok,1\nthree,4,5\n"})
    assert any("of Jane Roe" in text for text in said_by(quarantined(out)[0]))
