"""Arrow files that claim more than they hold: nothing is unpacked for them, and no damage ends the process."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_support import quarantined, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from lmworks.data.parsers.columns import cut_parquet, parse_arrow, parse_parquet
from lmworks.data.parsers.parser import Found, Piece, Reading, Record, Unreadable

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


@pytest.fixture
def pool() -> Iterator[pa.MemoryPool]:
    """What is unpacked is allocated here."""
    pool = pa.proxy_memory_pool(before := pa.default_memory_pool())
    pa.set_memory_pool(pool)
    yield pool
    pa.set_memory_pool(before)


MANY = pa.array([LONG + str(number) for number in range(64)])
BOMBS = {
    "texts": [pa.table({"text": MANY})],
    "a dictionary": [pa.table({"text": MANY.dictionary_encode()})],
    "dictionaries": [pa.table({"text": MANY[:number].dictionary_encode()}) for number in range(2, 64, 4)],
    "nothing read of it": [pa.table({"text": ["a"] * 64, "more": MANY})],
}


@pytest.mark.parametrize("packing", ["zstd", "lz4"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_batch_that_unpacks_without_end_is_not_unpacked(
    pool: pa.MemoryPool, bomb: str, form: str, packing: str
) -> None:
    content = arrow(form, *BOMBS[bomb], packing=packing)
    assert len(content) < 2**20
    before = pool.max_memory()
    found = parsed(content)
    most = max(2**10, 200 * len(content))
    assert pool.max_memory() - before < most + 2**24 < 2**27
    if most < 64 * 2**20:
        assert f"it holds more than {most} bytes when unpacked" in reason(found)


@pytest.mark.parametrize("form", FORMS)
def test_batches_before_one_that_is_refused_are_read(form: str) -> None:
    sound = pa.table({"text": [f"word {number}" for number in range(40)]})
    assert (
        good(parsed(arrow(form, sound, sound, BOMBS["texts"][0], packing="zstd"))) == [*sound["text"].to_pylist()] * 2
    )


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


@pytest.mark.parametrize("claim", [2**40, 2**62, -1, 2**26 - 1])
@pytest.mark.parametrize("form", FORMS)
def test_rows_that_are_not_there_are_damage(form: str, claim: int) -> None:
    """Of a column of nulls nothing is stored but how many they are."""
    content = arrow(form, pa.table({"text": pa.nulls(7_654_321)}))
    found = parsed(content.replace(struct.pack("<q", 7_654_321), struct.pack("<q", claim)))
    assert not good(found) and "not a readable Arrow file: " in reason(found)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_damage_to_an_arrow_file_is_kept_apart(data: st.DataObject) -> None:
    packing, form = data.draw(st.sampled_from([None, "zstd", "lz4"])), data.draw(st.sampled_from(sorted(FORMS)))
    words = pa.array(["one", "two", "three"] * 5)
    table = pa.table({"text": words, "more": words.dictionary_encode(), "list": [["a"]] * 15, "none": pa.nulls(15)})
    content = bytearray(arrow(form, table, packing=packing))
    numbers = st.sampled_from([0, 1, -1, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1]) | st.integers(-500, 500)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) // 8 - 1)) * 8
        content[place : place + 8] = struct.pack("<q", data.draw(numbers))
    content = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    for item in parsed(bytes(content)):
        assert isinstance(item, Record | Unreadable)


def test_a_parquet_footer_with_names_in_no_encoding_is_kept_apart() -> None:
    table = io.BytesIO()
    pq.write_table(pa.table({"text": ["one", "two"]}), table)
    damaged = table.getvalue().replace(b"text", b"\xff\xfe\xff\xfe")
    reading = Reading(limit=2**20)
    whole = Piece("a.parquet", len(damaged))
    assert list(cut_parquet(whole, io.BytesIO(damaged), len(damaged), reading)) == []
    (found,) = parse_parquet(whole, io.BytesIO(damaged), reading)
    assert isinstance(found, Unreadable)
