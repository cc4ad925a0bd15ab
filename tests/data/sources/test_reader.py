"""The reader: what a bad line costs, what compression changes, and ids that stay."""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from data_support import payload_bytes, quarantined, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Documents
from lmworks.data.sources.files import Files
from lmworks.data.sources.source import Record, Unreadable
from lmworks.errors import Stopped, UsageError
from support import MemoryJournal, make_context

Ingest = Callable[..., Any]


def lines(*records: Any) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def read(folder: Path, size: int = 10**9, **options: Any) -> list[Any]:
    """All that a folder holds, read in pieces of about `size` bytes."""
    source = Files(kind="files", path=".", licence="MIT", folder=folder, **options)
    return [found for path in source.paths() for piece in source.pieces(path, size) for found in source.read(piece)]


def test_documents_keep_the_ids_that_they_have_always_had(tmp_path: Path, ingest_files: Ingest) -> None:
    (tmp_path / "texts").mkdir()
    pq.write_table(pa.table({"text": ["row one", "row two"]}), tmp_path / "texts" / "rows.parquet", row_group_size=1)
    _, out = ingest_files(
        {
            "a.txt": "plain",
            "b/c.md": "# head",
            "d.html": "<p>page</p>",
            "e.jsonl": '{"text": "line one"}\n\n{"text": "cut\n{"text": "line two"}\n',
        }
    )
    assert {document.text: document.id for document in Documents(out, "").iterate()} == {
        "plain": "2fe67e2aa2ad8806adbf28da69904135",
        "# head": "a1e1cbfb6d953babbbf8a605509f860b",
        "<p>page</p>": "3b89257ef81e0491c55ca9a6fb5f9bb9",
        "line one": "5fd3e4a7b96e2b0f57d0d2bdd64c822a",
        "line two": "3edad3eb153df3d5ac4a723c5707ee8f",
        "row one": "924fba75077d0201b6e0cfd6442076cc",
        "row two": "763dbe9c18c24b61a68db6b95f7f5e3d",
    }
    (record,) = quarantined(out)
    assert (record["record"], record["offset"], record["start"], record["raw_bytes"]) == ("3", 35, 22, 14)


def test_a_line_beyond_the_limit_is_quarantined_in_bounded_memory(tmp_path: Path) -> None:
    with (tmp_path / "a.jsonl").open("wb") as stream:
        stream.write(lines({"text": "before"}))
        stream.write(b'{"text": "')
        for _ in range(100):
            stream.write(b"x" * 10**6)
        stream.write(b'"}\n' + lines({"text": "after"}))
    tracemalloc.start()
    before, long, after = read(tmp_path, 2**20, record_bytes=2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (before.text, after.text, after.key) == ("before", "after", "3")
    assert isinstance(long, Unreadable)
    assert long.reason.startswith("longer than record_bytes")
    assert (long.key, long.start, long.size) == ("2", 19, 100_000_013)
    assert len(long.raw) == 65_536
    assert peak < 8 * 2**20


@pytest.mark.slow
def test_a_field_that_is_misspelt_everywhere_quarantines_a_large_file_in_bounded_memory(ingest_files: Ingest) -> None:
    bad = lines({"txt": "x" * 2000})
    content = bad * 15_000 + lines({"text": "good"})
    ingest_files({"small.jsonl": bad + lines({"text": "good"})})  # imports what it needs
    tracemalloc.start()
    result, out = ingest_files({"a.jsonl": content})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.counts["quarantined: field 'text' is missing"] == 15_001
    assert peak < 24 * 2**20
    with (out / "quarantine.jsonl").open() as stream:
        assert [json.loads(line)["record"] for line in stream] == [*map(str, range(1, 15_001)), "1"]


def test_a_forty_megabyte_line_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "' + b"x" * 40_000_000 + b'"}\n')
    (record,) = read(tmp_path)
    assert len(record.text) == 40_000_000


def test_columns_that_come_late_or_change_their_type_are_kept(ingest_files: Ingest) -> None:
    rows: list[dict[str, Any]] = [{"text": f"t{number}", "id": number} for number in range(6000)]
    rows.append({"text": "late", "id": "a word", "score": {"a": [1]}})
    _, out = ingest_files({"a.jsonl": lines(*rows)}, keep=["id", "score"])
    found = {document.text: document.meta for document in Documents(out, "").iterate()}
    assert found["late"] == {"id": "a word", "score": {"a": [1]}, "path": "a.jsonl", "format": "text"}
    assert found["t5"] == {"id": 5, "path": "a.jsonl", "format": "text"}


def test_a_field_to_keep_that_cannot_be_stored_spoils_its_record_alone(ingest_files: Ingest) -> None:
    _, out = ingest_files({"a.jsonl": b'{"text": "x", "k": "\\ud800"}\n' + lines({"text": "good"})}, keep=["k"])
    assert texts(out) == ["good"]
    assert quarantined(out)[0]["record"] == "1"


def test_own_fields_of_documents_cannot_be_kept_over() -> None:
    with pytest.raises(ValidationError, match="every document of lmworks has a field 'path'"):
        Files(kind="files", path=".", keep=["path"])


def test_a_key_field_gives_ids_that_outlive_new_rows(tmp_path: Path, ingest_files: Ingest) -> None:
    old, new = {"text": "old", "n": 7}, {"text": "new", "n": 8}
    _, out = ingest_files({"a.jsonl": lines(old)}, key_field="n")
    (before,) = Documents(out, "").iterate()
    out.rename(tmp_path / "first")
    (tmp_path / "scratch").rename(tmp_path / "first-scratch")
    _, out = ingest_files({"a.jsonl": lines(new, old, {"text": "none"})}, key_field="n")
    assert {document.text: document.id for document in Documents(out, "").iterate()}["old"] == before.id
    assert quarantined(out)[0]["reason"].startswith("field 'n' is not a key")


@pytest.mark.parametrize("pack", [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", zstandard.compress)])
@pytest.mark.parametrize("size", [10**9, 3000])
def test_compressed_files_hold_the_same_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: tuple[str, Callable[[bytes], bytes]], size: int
) -> None:
    ending, compress = pack
    content = lines(*({"text": f"text {number}"} for number in range(500))) + b"{bad\n" + lines({"text": "last"})
    for name, packed in (("plain", content), ("packed", compress(content[:5000]) + compress(content[5000:]))):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"a.jsonl{ending if name == 'packed' else ''}").write_bytes(packed)
    plain, packed = read(tmp_path / "plain", size), read(tmp_path / "packed", size)
    assert [(type(found), found.key) for found in plain] == [(type(found), found.key) for found in packed]
    assert [getattr(found, "text", "") for found in plain] == [getattr(found, "text", "") for found in packed]
    assert {found.path for found in packed} == {f"a.jsonl{ending}"}


def test_every_form_is_read_compressed_and_from_an_archive(tmp_path: Path, ingest_files: Ingest) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["row"]}), buffer)
    archive = zipped(
        {
            "a.txt": b"plain",
            "b/c.md": b"# head",
            "d.jsonl.gz": gzip.compress(lines({"text": "line"})),
            "e.parquet": buffer.getvalue(),
            "f.csv": b"text\ncell\n",
            ".hidden/x.txt": b"no",
            "g.exe": b"no",
        }
    )
    result, out = ingest_files({"z.zip": archive, "h.parquet.gz": gzip.compress(buffer.getvalue())})
    assert {document.meta["path"]: document.text for document in Documents(out, "").iterate()} == {
        "z.zip/a.txt": "plain",
        "z.zip/b/c.md": "# head",
        "z.zip/d.jsonl.gz": "line",
        "z.zip/e.parquet": "row",
        "z.zip/f.csv": "cell",
        "h.parquet.gz": "row",
    }
    assert [file["path"] for file in json.loads((out / "files.json").read_text())] == ["h.parquet.gz", "z.zip"]
    assert result.counts["not read: .exe"] == 1


@pytest.mark.parametrize("form", [None, "text"])
def test_a_broken_or_empty_archive_is_never_taken_for_a_text(ingest_files: Ingest, form: str | None) -> None:
    _, out = ingest_files({"a.zip": b"PK no", "b.zip": zipped({}), "c.txt": "text"}, format=form)
    assert texts(out) == ["text"]
    assert [record["path"] for record in quarantined(out)] == ["a.zip", "b.zip"]


def test_patterns_choose_files_and_members_of_archives(ingest_files: Ingest) -> None:
    archive = zipped({"posts/a.txt": b"in", "users/a.txt": b"out"})
    files = {"z.zip": archive, "posts/b.txt": "also in", "users/b.txt": "also out"}
    result, out = ingest_files(files, include=["*posts/*"])
    assert texts(out) == ["also in", "in"]
    assert result.counts["not read: .txt"] == 2


def test_a_pattern_that_no_file_matches_is_refused(ingest_files: Ingest) -> None:
    files = {"z.zip": zipped({"posts/a.txt": b"in"}), "b.txt": "b"}
    with pytest.raises(
        UsageError, match=r"`include` has '\*\.json', which no file .* matches; there are b.txt, z.zip/posts"
    ):
        ingest_files(files, include=["*posts/*", "*.json"])


def test_damaged_archives_give_what_is_sound_and_quarantine_the_rest(ingest_files: Ingest) -> None:
    content = lines(
        *({"text": f"{number} {base64.b85encode(str(number**99).encode()).decode()}"} for number in range(3000))
    )
    files = {
        "cut.jsonl.gz": gzip.compress(content)[:-5000],
        "not.jsonl.gz": b"plain text",
        "cut.jsonl.zst": zstandard.compress(content)[:-5000],
        "not.zip": b"PK no",
        "cut.jsonl.bz2": bz2.compress(lines({"text": "x"}))[:-10],
    }
    result, out = ingest_files({**files, "good.txt": "good"}, shard_bytes=50_000)
    assert result.counts["documents"] > 3000
    assert {record["path"] for record in quarantined(out)} >= set(files)
    assert result.counts["quarantined: cannot be unpacked"] == 5


def test_a_large_file_that_is_cut_off_loses_only_what_is_missing(tmp_path: Path) -> None:
    line = lines({"text": "x" * 2000})
    packed = gzip.compress(line * 20_000)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) * 9 // 10])
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path)
    pieces = source.pieces("a.jsonl.gz", 2**20)
    found = [item for piece in pieces for item in source.read(piece)]
    assert len(pieces) > 1
    good = [int(item.key) for item in found if isinstance(item, Record)]
    assert good == list(range(1, len(good) + 1)) and len(good) > 17_000
    assert isinstance(found[-1], Unreadable) and found[-1].reason.startswith("cannot be unpacked")


def test_names_that_are_no_text_do_not_stop_a_run(tmp_path: Path, ingest_files: Ingest) -> None:
    (tmp_path / "texts").mkdir()
    Path(str(tmp_path / "texts") + "/caf\udce9.txt").write_text("latin")
    _, out = ingest_files({"good.txt": "good"})
    assert texts(out) == ["good"]
    assert quarantined(out)[0]["reason"] == "the file's name is not UTF-8"


field = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1, max_size=12)


@given(st.lists(st.tuples(field, field), max_size=12), st.integers(1, 60), st.integers(-1, 12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_row_is_lost_however_a_table_is_cut(
    tmp_path: Path, rows: list[tuple[str, str]], size: int, bad_after: int
) -> None:
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row).encode() + b"\n" for row in rows]
    if 0 <= bad_after <= len(quoted):
        quoted.insert(bad_after, b'"never closed,x\n')
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext,other\n" + b"".join(quoted))
    whole, cut = (read(tmp_path, n, keep=["other"]) for n in (10**9, size))
    assert whole == cut
    if bad_after == -1:
        assert [(record.text, record.meta["other"]) for record in whole] == rows


def test_a_stray_quote_costs_one_line(tmp_path: Path) -> None:
    table = 'text,n\none,1\n"two,2\nthree,3\n"four, with a comma",4\nfi"ve,5\nsix,6,6\n"sev\nen",7\n'
    (tmp_path / "a.csv").write_bytes(table.encode() + b"ei\xe9ght,8\nnine,9\n")
    found = read(tmp_path)
    good = [record.text for record in found if isinstance(record, Record)]
    assert good == ["one", "three", "four, with a comma", 'fi"ve', "sev\nen", "nine"]
    bad = [(record.key, record.reason.split(":")[0], record.raw) for record in found if isinstance(record, Unreadable)]
    assert bad == [
        ("2", "a quote is not closed, or closes in another record", b'"two,2\n'),
        ("6", "wrong number of fields", b"six,6,6\n"),
        ("8", "not UTF-8", b"ei\xe9ght,8\n"),
    ]
    content = (tmp_path / "a.csv").read_bytes()
    assert [content[record.start :].startswith(record.raw) for record in found if isinstance(record, Unreadable)]


def test_tables_without_header_and_with_tabs(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('a"b\t1\n"c\t2\n')
    found = read(tmp_path, columns=["sentence", "label"], text_field="sentence", keep=["label"])
    assert [(record.text, record.meta) for record in found] == [('a"b', {"label": "1"}), ('"c', {"label": "2"})]


def test_what_was_quarantined_is_read_again_when_mended(tmp_path: Path, ingest_files: Ingest) -> None:
    bad = '{"text": "cut\n{"txt": "misspelt"}\n{"text": "' + "y" * 70_000 + "\n"
    _, out = ingest_files({"a.jsonl": bad, "b.csv": "text,n\nok,1\nthree,4,5\n", "good.txt": "good"})
    entries = quarantined(out)
    assert len(entries) == 4
    entries[0]["mended"] = '{"text": "whole"}'
    entries[3]["mended"] = "three,4"
    (tmp_path / "mended.jsonl").write_bytes(lines(*entries) + b"{}\n")
    source = {"kind": "quarantine", "path": "mended.jsonl", "licence": "MIT", "columns": ["text", "n"]}
    config = IngestConfig.model_validate({"sources": [source]}).resolve(tmp_path)
    (again,) = config.sources
    found = [item for path in again.paths() for piece in again.pieces(path, 10**6) for item in again.read(piece)]
    assert [(item.path, item.key, item.text) for item in found if isinstance(item, Record)] == [
        ("texts/a.jsonl", "1", "whole"),
        ("texts/b.csv", "2", "three"),
    ]
    reasons = [item.reason for item in found if isinstance(item, Unreadable)]
    assert reasons[0] == "field 'text' is missing: found 'txt'"
    assert reasons[1].startswith("only its beginning was kept")
    assert reasons[2].startswith("not a quarantined record")
    renamed = again.model_copy(update={"text_field": "txt"})
    replayed = [item for piece in renamed.pieces("mended.jsonl", 10**6) for item in renamed.read(piece)]
    assert ("2", "misspelt") in [(item.key, item.text) for item in replayed if isinstance(item, Record)]


def test_a_key_that_stands_twice_keeps_its_first_record_and_quarantines_the_others(
    tmp_path: Path, ingest_files: Ingest
) -> None:
    rows = [{"text": f"text {number}", "n": number % 7} for number in range(40)]
    files = {"a.jsonl": lines(*rows), "b.jsonl": lines({"text": "of another file", "n": 3})}
    result, out = ingest_files(files, key_field="n", shard_bytes=100)
    assert texts(out) == ["of another file", *(f"text {number}" for number in range(7))]
    assert result.counts["documents"] == 8
    assert result.counts["quarantined: a key that an earlier record has"] == 33
    names = (out / "ids.txt").read_text().split()
    assert names == sorted(set(names)) and len(names) == 8
    bad = quarantined(out)
    assert [json.loads(base64.b64decode(record["raw"]))["text"] for record in bad] == [row["text"] for row in rows[7:]]
    assert bad[0]["reason"].startswith("a key that an earlier record has: '0'; name a field that is unique")
    assert files["a.jsonl"][bad[0]["start"] :].startswith(base64.b64decode(bad[0]["raw"]))


def test_a_row_of_a_table_whose_key_stands_twice_is_quarantined_with_what_it_holds(ingest_files: Ingest) -> None:
    table = pa.table({"text": ["first", "second"], "n": [1, 1]})
    parquet, arrow = io.BytesIO(), io.BytesIO()
    pq.write_table(table, parquet)
    with pa.ipc.new_stream(arrow, table.schema) as stream:
        stream.write_table(table)
    _, out = ingest_files({"a.parquet": parquet.getvalue(), "b.arrow": arrow.getvalue()}, key_field="n")
    assert texts(out) == ["first", "first"]
    held = [json.loads(base64.b64decode(record["raw"])) for record in quarantined(out)]
    assert held == [{"text": "second", "n": 1}] * 2


def test_a_run_that_was_killed_among_repeated_keys_ends_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "texts").mkdir()
    # Each piece holds the first record of one key and the second of another.
    rows = [{"text": f"text {number}", "n": 100 + number // 2 + 1 - number % 2} for number in range(16)]
    (tmp_path / "texts" / "a.jsonl").write_bytes(lines(*rows))
    source = {"kind": "files", "path": "texts", "licence": "MIT", "key_field": "n"}
    gate = {"allow": ["MIT"]}
    config = IngestConfig.model_validate({"sources": [source], "licences": gate, "shard_bytes": 40}).resolve(tmp_path)
    counts = ingest(config, out=tmp_path / "whole", context=make_context(tmp_path / "a")).counts
    journal = MemoryJournal()
    for stop_at in range(1, 200):
        context = make_context(tmp_path / "b", journal)
        steps = iter(range(stop_at))

        def check(steps: Any = steps) -> None:
            if next(steps, None) is None:
                raise Stopped("killed")

        with contextlib.suppress(Stopped):
            result = ingest(config, out=tmp_path / "killed", context=replace(context, check_stop=check))
            break
    assert stop_at > 3 and result.counts == counts
    assert payload_bytes(tmp_path / "killed") == payload_bytes(tmp_path / "whole")


def test_what_the_recipe_excludes_is_not_read_and_counted_as_left_out(ingest_files: Ingest) -> None:
    files = {
        "a.txt": "new",
        "old/a.txt": "was",
        "b.txt.bak": "spare",
        "z.zip": zipped({"old/c.txt": b"was, too", "d.txt": b"packed"}),
        "old.zip": zipped({"e.txt": b"all of it"}),
        "g.exe": "binary",
    }
    result, out = ingest_files(files, exclude=["old/*", "*/old/*", "*.bak", "old.zip"])
    assert texts(out) == ["new", "packed"]
    assert result.counts["left out by `exclude`"] == 4, "a file, one of an archive, an archive and one of no known form"
    assert {each for each in result.losses if "read" in each or "left out" in each} == {"not read: .exe"}
