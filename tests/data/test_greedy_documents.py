"""Documents that would take all memory, all of a disk, or time without end, of a few bytes."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_support import quarantined, texts

from lmworks.data.base import structure
from lmworks.data.clean.html import html_to_text
from lmworks.data.clean.normalise import normalise_text
from lmworks.data.parsers import fields
from lmworks.data.parsers.publications.mediawiki import plain_text
from lmworks.data.parsers.tables import json_values
from lmworks.data.sources import archives
from lmworks.data.sources.parsed import ParsedSource

Ingest = Callable[..., Any]


def test_the_directory_of_an_archive_is_read_once(ingest_files: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list[object]()

    class Counted(zipfile.ZipFile):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            opened.append(arguments)
            super().__init__(*arguments, **named)

    monkeypatch.setattr(archives.zipfile, "ZipFile", Counted)
    packed = [io.BytesIO(), io.BytesIO()]
    for stream, words in zip(packed, ("one", "two"), strict=True):
        with zipfile.ZipFile(stream, "w") as archive:
            for number in range(40):
                archive.writestr(f"{number:02}.txt", f"{words} {number:02}")
    opened.clear()
    _, out = ingest_files({f"{number}.zip": stream.getvalue() for number, stream in enumerate(packed)})
    assert texts(out) == sorted(f"{words} {number:02}" for words in ("one", "two") for number in range(40))
    assert len(opened) < 20


def test_an_archive_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    for words in ("first", "other"):
        path.unlink(missing_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{words}.txt", words)
        with path.open("rb") as stream:
            assert [entry.name for entry in archives.entries("a.zip", stream)] == [f"{words}.txt"]
            assert archives.open_member("a.zip", stream, f"{words}.txt").read() == words.encode()


def test_lists_in_lists_without_end_are_indented_no_further() -> None:
    text = html_to_text("<ul><li>" * 400 + "<p>a" * 50)
    assert max(map(len, text.split("\n")[1:])) < 100
    shallow = html_to_text("<ul><li>" * 30 + "a<p>b</p>")
    assert shallow.split("\n")[-1] == "  " * 30 + "b", "as deep as it stands"


@pytest.mark.parametrize(("name", "before", "after"), [("a.jsonl", "", ""), ("a.json", "[", "]"), ("b.json", "", "")])
def test_a_record_of_lists_without_end_is_kept_apart(
    ingest_files: Ingest, monkeypatch: pytest.MonkeyPatch, name: str, before: str, after: str
) -> None:
    monkeypatch.setattr(fields, "MOST_VALUES", 1_000)
    row = json.dumps({"text": "bad", "x": [[]] * 2_000})
    good = json.dumps({"text": "good", "x": [[]]})
    form = name.partition(".")[2]
    _, out = ingest_files({name: f"{before}{row}{after}", f"z.{form}": f"{before}{good}{after}"}, format=form)
    assert texts(out) == ["good"]
    (kept,) = quarantined(out)
    assert kept["path"] == name and "lists" in kept["reason"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("many", [[1] * 2_000, {f"k{number}": 1 for number in range(2_000)}], ids=["values", "names"])
def test_a_record_of_names_or_values_without_end_is_kept_apart(
    ingest_files: Ingest, monkeypatch: pytest.MonkeyPatch, name: str, many: Any
) -> None:
    for place in (fields, json_values):
        monkeypatch.setattr(place, "MOST_VALUES", 1_000)
    bad = {"text": "bad", "x": many}
    rows = {name: json.dumps(bad), f"z{name[1:]}": json.dumps({"text": "good", "x": [1, 2]})}
    files = {path: f"[{row}]" if name == "a.json" else row for path, row in rows.items()}
    _, out = ingest_files(files, format=name[2:])
    assert texts(out) == ["good"]
    (kept,) = quarantined(out)
    assert kept["path"] == name and "than are read" in kept["reason"]


def test_a_record_of_values_without_end_is_not_taken_apart(
    ingest_files: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structure, "MOST_VALUES", 100)
    rows = [{"text": "bad", "x": [["a"] * 60] * 2}, {"text": "good", "x": [["a"] * 10]}]
    _, out = ingest_files({"a.jsonl": "\n".join(map(json.dumps, rows))}, fields="all")
    assert texts(out)[0].startswith("good") and len(texts(out)) == 1
    (kept,) = quarantined(out)
    assert "more values than are read" in kept["reason"]


MARKS = "\u0300\u0316"


def test_marks_without_end_are_put_in_order_by_pieces() -> None:
    for count in (10, 499):
        assert normalise_text("a" + MARKS * count + " end") == unicodedata.normalize(
            "NFC", "a" + MARKS * count + " end"
        )
    text = normalise_text("a" + MARKS * 5_000 + " end")
    assert "\u034f" in text and max(map(len, text.split("\u034f"))) < 1_010
    assert sorted(unicodedata.normalize("NFD", text.replace("\u034f", ""))) == sorted("a" + MARKS * 5_000 + " end")


def test_values_that_stand_in_many_rows_are_read(ingest_files: Ingest, tmp_path: Path) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 1], pa.int32()), pa.array(["one", "two"]))
    pq.write_table(pa.table({"text": column, "n": [1, 2, 3, 4]}), tmp_path / "x.parquet")
    _, out = ingest_files({"x.parquet": (tmp_path / "x.parquet").read_bytes()}, keep=["n"])
    assert texts(out) == ["one", "two", "two"]


def test_wiki_pages_with_many_headings_and_signs_are_read(tmp_path: Path) -> None:
    page = "\n== A = b ==\n{| class=a\n| style=b | [[c=d]] = e\n|}\n" * 2_000
    assert plain_text(page).count("A = b") == 2_000


SENTENCES = [f"sentence {number:04} of a sound file, longer than what stands in a view itself" for number in range(500)]
WORDS, NUMBERS = pa.array(SENTENCES), pa.array(range(500), pa.int32())
VIEWS, BYTES = WORDS.cast(pa.string_view()), WORDS.cast(pa.binary()).cast(pa.binary_view())
SOUND = {
    "views": VIEWS,
    "bytes": BYTES,
    "dictionary": WORDS.dictionary_encode(),
    "dictionary of views": pa.DictionaryArray.from_arrays(NUMBERS, VIEWS),
    "lists": pa.ListArray.from_arrays(range(501), VIEWS),
    "lists of lists": pa.LargeListArray.from_arrays(range(501), pa.ListArray.from_arrays(range(501), VIEWS)),
    "lists with a dictionary": pa.ListArray.from_arrays(range(501), WORDS.dictionary_encode()),
    "fixed lists": pa.FixedSizeListArray.from_arrays(VIEWS, 1),
    "views of lists": pa.array([[text] for text in SENTENCES], pa.list_view(pa.string())),
    "fields": pa.StructArray.from_arrays([VIEWS, WORDS.dictionary_encode()], ["view", "dictionary"]),
    "maps": pa.MapArray.from_arrays(range(501), WORDS, VIEWS),
    "runs": pa.RunEndEncodedArray.from_arrays(range(1, 501), WORDS),
    "either": pa.UnionArray.from_dense(pa.array([0] * 500, pa.int8()), NUMBERS, [VIEWS]),
    "one of two": pa.UnionArray.from_sparse(pa.array([0, 1] * 250, pa.int8()), [VIEWS, WORDS]),
    "missing": pa.array([[text] if place % 3 else None for place, text in enumerate(SENTENCES)]),
    "empty lists": pa.array([[]] * 500, pa.list_(pa.string_view())),
    "no views": pa.array([None] * 500, pa.string_view()),
    "numbers": pa.array([[1.0] * 10] * 500, pa.list_(pa.float32(), 10)),
    "identifiers": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16)] * 500, pa.binary(16))),
}


def arrow_file(column: pa.Array, rows: int | None = None, form: Any = pa.ipc.new_stream) -> bytes:
    table, stream = pa.table({"text": WORDS[: len(column)], "more": column}), io.BytesIO()
    with form(stream, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return stream.getvalue()


@pytest.mark.parametrize("rows", [None, 60])
@pytest.mark.parametrize("form", SOUND)
def test_all_rows_of_a_sound_arrow_file_are_read(
    ingest_files: Ingest, monkeypatch: pytest.MonkeyPatch, form: str, rows: int | None
) -> None:
    monkeypatch.setattr(ParsedSource, "_is_guarded", lambda source, piece: False)
    _, out = ingest_files({"x.arrow": arrow_file(SOUND[form], rows)}, record_bytes=2**10)
    assert not quarantined(out)
    assert texts(out) == SENTENCES


def test_an_arrow_file_that_is_no_stream_is_read(ingest_files: Ingest) -> None:
    _, out = ingest_files({"x.arrow": arrow_file(VIEWS, 60, pa.ipc.new_file)})
    assert not quarantined(out)
    assert texts(out) == SENTENCES


def test_an_arrow_file_in_an_archive_is_measured_by_its_own_size(ingest_files: Ingest) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.arrow", arrow_file(VIEWS, 60))
    _, out = ingest_files({"x.zip": packed.getvalue()}, record_bytes=2**10)
    assert not quarantined(out)
    assert texts(out) == SENTENCES


def test_a_place_outside_of_an_arrow_files_values_is_damage(ingest_files: Ingest) -> None:
    raw, places = arrow_file(WORDS), [0, len(SENTENCES[0]), 2 * len(SENTENCES[0])]
    damaged = raw.replace(struct.pack("<3i", *places), struct.pack("<3i", *places[:2], 7), 1)
    assert damaged != raw
    _, out = ingest_files({"x.arrow": damaged, "a.txt": "good"})
    assert texts(out) == ["good"]
    assert "not a readable Arrow file" in quarantined(out)[0]["reason"]


def test_damaged_statistics_of_a_parquet_file_do_not_end_the_process(tmp_path: Path) -> None:
    """pyarrow aborts where it is asked for the column chunk that they stand at; the rows are sound."""
    stream = io.BytesIO()
    pq.write_table(pa.table({"text": ["good", None, "better"]}), stream, store_schema=False)
    content, script = stream.getvalue(), tmp_path / "parse.py"
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    script.write_text(
        "import io, sys\n"
        "from lmworks.data.parsers.tables.columns import parse_parquet\n"
        "from lmworks.data.parsers.parser import Piece, Reading\n"
        "content, footer = open(sys.argv[1], 'rb').read(), int(sys.argv[2])\n"
        "for place in range(footer, len(content) - 8):\n"
        "    for value in (0x06, 0x26, 0x29, 0x36):\n"
        "        damaged = content[:place] + bytes([value]) + content[place + 1:]\n"
        "        list(parse_parquet(Piece('x', len(damaged)), io.BytesIO(damaged), Reading()))\n"
    )
    (tmp_path / "x.parquet").write_bytes(content)
    done = subprocess.run([sys.executable, script, tmp_path / "x.parquet", str(footer)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:500]
