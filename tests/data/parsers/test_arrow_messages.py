"""Arrow files that claim more than they hold: nothing is unpacked for them, and no damage ends the process."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_support import quarantined, texts

from lmworks.data.parsers.parser import Found, Piece, Reading, Record, Unreadable
from lmworks.data.parsers.tables.columns import cut_parquet, parse_arrow, parse_parquet

Ingest = Callable[..., Any]
FORMS = {"stream": pa.ipc.new_stream, "file": pa.ipc.new_file}
LONG = "a" * 2**20


def arrow(form: str, *tables: pa.Table, packing: str | None = None) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=packing, emit_dictionary_deltas=True)
    with FORMS[form](sink, tables[0].schema, options=options) as writer:
        for table in tables:
            writer.write_table(table)
    return sink.getvalue()


def parsed(content: bytes, limit: int = 2**10) -> list[Found]:
    return list(parse_arrow(Piece("x.arrow", len(content)), io.BytesIO(content), Reading(limit=limit)))


def good(found: list[Found]) -> list[str]:
    return [item.text for item in found if isinstance(item, Record)]


def reason(found: list[Found]) -> str:
    assert isinstance(found[-1], Unreadable)
    return found[-1].reason


@pytest.mark.parametrize("packing", [None, "zstd", "lz4"])
@pytest.mark.parametrize("form", FORMS)
def test_sound_batches_are_read_packed_or_not(ingest_files: Ingest, form: str, packing: str | None) -> None:
    words = [f"text {number} of a sound file" for number in range(300)]
    tables = [
        pa.table({"text": pa.array(words[:count]).dictionary_encode(), "n": pa.nulls(count)}) for count in (100, 300)
    ]
    _, out = ingest_files({"x.arrow": arrow(form, *tables, packing=packing)})
    assert not quarantined(out)
    assert sorted(texts(out)) == sorted([*words, *words[:100]])


@pytest.mark.parametrize("claim", [2**40, 2**62, -2])
@pytest.mark.parametrize("form", FORMS)
def test_a_size_that_lies_is_damage(form: str, claim: int) -> None:
    content = arrow(form, pa.table({"text": [LONG] * 3}), packing="zstd")
    found = parsed(content.replace(struct.pack("<q", 3 * len(LONG)), struct.pack("<q", claim)), 2**26)
    assert not good(found) and "not a readable Arrow file: " in reason(found)


def test_a_parquet_footer_with_names_in_no_encoding_is_kept_apart() -> None:
    table = io.BytesIO()
    pq.write_table(pa.table({"text": ["one", "two"]}), table)
    damaged = table.getvalue().replace(b"text", b"\xff\xfe\xff\xfe")
    reading = Reading(limit=2**20)
    whole = Piece("a.parquet", len(damaged))
    assert list(cut_parquet(whole, io.BytesIO(damaged), len(damaged), reading)) == []
    (found,) = parse_parquet(whole, io.BytesIO(damaged), reading)
    assert isinstance(found, Unreadable)
