"""Bytes that are no text: of a column, and in place of a mail."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_parsers import read

from lmworks.data.parsers.parser import Record, Skipped, Unreadable

RAW = b"\x00\xff\xfe\x01"


def table(**columns: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["Water falls.", "Snow, too."], **columns}), out)
    return out.getvalue()


@pytest.mark.parametrize("raw", [RAW, b"\x00\x01\x02"])
def test_bytes_of_a_column_to_keep_are_refused(tmp_path: Path, raw: bytes) -> None:
    found = read(tmp_path, {"a.parquet": table(raw=[raw, b"plain words"])}, keep=["raw"])
    (bad,) = [each for each in found if isinstance(each, Unreadable)]
    assert f"cannot be stored: {len(raw)} bytes that are no text" in bad.reason
    (good,) = [each for each in found if isinstance(each, Record)]
    assert good.meta == {"raw": "plain words"}


@pytest.mark.parametrize("raw", [RAW, b"\x00\x01\x02"])
@pytest.mark.parametrize("nested", [False, True])
def test_bytes_among_all_fields_are_counted(tmp_path: Path, raw: bytes, nested: bool) -> None:
    values = [{"bytes": raw, "path": "a"}, {"bytes": None, "path": "b"}] if nested else [raw, None]
    found = read(tmp_path, {"a.parquet": table(image=values)}, fields="all")
    assert [each.reason for each in found if isinstance(each, Skipped)] == ["bytes of a column, which are no text"]
    records = [each for each in found if isinstance(each, Record)]
    assert len(records) == 2
    assert json.dumps({"bytes": len(raw)}, separators=(",", ":")) in str(records[0].structure)


def test_a_mail_of_nul_bytes_is_quarantined(tmp_path: Path) -> None:
    mail = b"Subject: Rain\n\nWater falls.\n"
    found = read(tmp_path, {"a.eml": b"\0" * 4096, "b.eml": mail, "c.eml": mail + b"\0" * 4096})
    assert [type(each).__name__ for each in found] == ["Unreadable", "Record", "Unreadable"]
    assert all("NUL bytes" in each.reason for each in found if isinstance(each, Unreadable))


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.tex"])
def test_a_text_of_nul_bytes_is_quarantined(tmp_path: Path, name: str) -> None:
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
    (bad,) = read(tmp_path / "a", {name: b"\0" * 4096})
    assert isinstance(bad, Unreadable) and "NUL bytes" in bad.reason
    (good,) = read(tmp_path / "b", {name: b"Water falls. " * 20 + b"\0"})
    assert isinstance(good, Record)
