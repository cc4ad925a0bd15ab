"""Input as it is found in the wild: each fault costs itself alone, is counted, and stops nothing."""

from __future__ import annotations

import base64
import gzip
import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from data_support import quarantined, texts

from lmworks.data.shards.records import Documents
from lmworks.data.sources import unpack
from lmworks.data.sources.files import Files
from lmworks.data.sources.source import Unreadable

Ingest = Callable[..., Any]
GOOD = '{"text": "good", "n": 1}\n'


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.jsonl", b"\xef\xbb\xbf" + GOOD.encode(), ["good"]),
        ("a.csv", b"\xef\xbb\xbftext,n\r\ngood,1\r\n", ["good"]),
        ("a.tsv", b"\xef\xbb\xbftext\tn\r\ngood\t1\r\n", ["good"]),
        ("a.txt", b"\xef\xbb\xbfgood", ["good"]),
        ("a.jsonl", GOOD.encode("utf-16"), ["good"]),
        ("a.jsonl", GOOD.replace("\n", "\r\n").encode() * 2, ["good", "good"]),
        ("a.jsonl", b'{"text": "a\\u0000b"}\n', ["a\0b"]),
        ("a.csv", b"text,n\na\0b,1\n", ["a\0b"]),
        ("a.txt", b"a\0b", ["a\0b"]),
        ("a.jsonl", b"", []),
        ("a.csv", b"", []),
        ("a.jsonl.gz", gzip.compress(b"", mtime=0), []),
        ("a.jsonl", b"\n\n\r\n", []),
    ],
)
def test_marks_line_ends_zero_bytes_and_nothing_at_all_are_read(
    ingest_files: Ingest, name: str, content: bytes, wanted: list[str]
) -> None:
    _, out = ingest_files({name: content, "z.txt": "last"})
    assert texts(out) == sorted([*wanted, "last"])
    assert quarantined(out) == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", b'{"text": "cut of', "not JSON"),
        ("a.jsonl", b'{"text": "caf\xe9"}\n', "not UTF-8"),
        ("a.jsonl", b'{"text": "a\0b"}\n', "not JSON"),
        ("a.jsonl", GOOD.rstrip().encode("utf-16-le"), "not UTF-8"),
        ("a.jsonl", b"\0" * 1000, "not JSON"),
        ("a.txt", b"caf\xe9", "not UTF-8"),
        ("a.parquet", b"", "not a readable Parquet file"),
        ("a.arrow", b"", "not a readable Arrow file"),
        ("a.pdf", b"", "not a readable PDF"),
        ("a.docx", b"", "not a readable docx"),
        ("a.zip", b"", "cannot be unpacked"),
        ("a.jsonl.gz", gzip.compress(GOOD.encode() * 1000, mtime=0)[:-9], "cannot be unpacked"),
        ("a.jsonl.zst", zstandard.compress(GOOD.encode() * 1000)[:-9], "cannot be unpacked"),
    ],
)
def test_what_is_broken_is_quarantined_by_its_reason(
    ingest_files: Ingest, name: str, content: bytes, reason: str
) -> None:
    result, out = ingest_files({name: content, "b.jsonl": GOOD, "z.txt": "last"})
    assert {"good", "last"} <= set(texts(out))
    assert {record["reason"].split(":")[0] for record in quarantined(out)} == {reason}
    assert {record["path"] for record in quarantined(out)} == {name}
    assert result.counts[f"quarantined: {reason}"] >= 1


def test_an_integer_and_the_same_word_are_one_key(ingest_files: Ingest) -> None:
    rows = '{"text": "number", "id": 7}\n{"text": "word", "id": "7"}\n{"text": "other", "id": "b7"}\n'
    _, out = ingest_files({"a.jsonl": rows}, key_field="id")
    assert texts(out) == ["number", "other"]
    assert quarantined(out)[0]["reason"].startswith("a key that an earlier record has: '7'")


def test_an_article_that_stands_twice_in_a_file_is_read_once(ingest_files: Ingest) -> None:
    def article(version: int) -> str:
        body = f"<ArticleTitle>T</ArticleTitle><Abstract><AbstractText>v{version}</AbstractText></Abstract>"
        citation = f"<MedlineCitation><PMID Version='{version}'>9</PMID><Article>{body}</Article></MedlineCitation>"
        return f"<PubmedArticle>{citation}</PubmedArticle>"

    _, out = ingest_files({"pubmed.xml": f"<Set>{article(1)}{article(2)}</Set>"}, format="pubmed")
    assert texts(out) == ["T\n\nv1"]
    assert b"v2" in base64.b64decode(quarantined(out)[0]["raw"])


def peak_of(folder: Path, name: str, **options: Any) -> tuple[list[Any], int]:
    source = Files(kind="files", path=".", licence="MIT", folder=folder, **options)
    tracemalloc.start()
    found = [item for piece in source.pieces(name, 2**20) for item in source.read(piece)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found, peak


def bomb(form: str) -> bytes:
    """64 MiB of one byte, in a file of a thousandth of that."""
    zeros = b" " * 2**20
    buffer = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.txt", "w") as member:
            for _ in range(64):
                member.write(zeros)
    else:
        opened = zstandard.ZstdCompressor().stream_writer(buffer, closefd=False) if form == "zst" else None
        with opened or gzip.GzipFile(fileobj=buffer, mode="wb") as stream:
            for _ in range(64):
                stream.write(zeros)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.zip", "zip"), ("a.jsonl.gz", "gz"), ("a.jsonl.zst", "zst"), ("a.pdf.gz", "gz"), ("a.csv.zst", "zst")],
)
def test_a_bomb_is_quarantined_in_bounded_memory(tmp_path: Path, name: str, form: str) -> None:
    (tmp_path / name).write_bytes(bomb(form))
    found, peak = peak_of(tmp_path, name, record_bytes=2**20)
    assert found and all(isinstance(item, Unreadable) for item in found)
    assert found[0].reason.startswith("longer than record_bytes") or "header" in found[0].reason
    assert peak < 40 * 2**20


def test_lists_that_are_no_bomb_are_read(ingest_files: Ingest) -> None:
    rows = [{"text": f"row {n}", "tags": ["one", None, "two"] * (n % 3), "mask": [1] * 50} for n in range(2_000)]
    rows[0]["tags"] = None
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=500)
    _, out = ingest_files({"a.parquet": buffer.getvalue()}, keep=["tags", "mask"])
    assert len(texts(out)) == 2_000


def test_a_bomb_that_must_be_unpacked_to_disk_does_not_fill_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet.zst").write_bytes(bomb("zst"))
    written = 0
    real = unpack.tempfile.TemporaryFile

    def watched() -> Any:
        copy = real()
        write = copy.write

        def count(chunk: bytes) -> int:
            nonlocal written
            written += len(chunk)
            return int(write(chunk))

        return type("Watched", (), {"write": staticmethod(count), "tell": copy.tell, "close": copy.close})()

    monkeypatch.setattr(unpack.tempfile, "TemporaryFile", watched)
    found, _ = peak_of(tmp_path, "a.parquet.zst", record_bytes=2**20)
    assert [item.reason for item in found] == [
        f"cannot be unpacked: it has more than {max(2**20, 200 * (tmp_path / 'a.parquet.zst').stat().st_size)} "
        "bytes when unpacked, which is too many for a sound file"
    ]
    assert written < 16 * 2**20


def test_an_archive_in_an_archive_is_counted_and_left(ingest_files: Ingest) -> None:
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.txt", "inner")
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("b.txt", "outer")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("b.txt", "outer, written again")
    result, out = ingest_files({"a.zip": outer.getvalue()})
    assert texts(out) == ["outer, written again"]
    assert result.counts["not read: .zip"] == 1


def test_links_that_lead_in_a_circle_pipes_and_failing_disks_stop_nothing(
    tmp_path: Path, ingest_files: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Files.open
    fails = Path("/proc/self/mem")  # its first page cannot be read
    monkeypatch.setattr(
        Files, "open", lambda self, path: fails.open("rb") if path == "disk.txt" else opened(self, path)
    )
    folder = tmp_path / "texts"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "up").symlink_to("..")
    (folder / "self.txt").symlink_to("self.txt")
    os.mkfifo(folder / "pipe.txt")
    (folder / "disk.txt").touch()
    result, out = ingest_files({"deep/good.txt": "good"})
    assert texts(out) == ["good"]
    assert {record["path"]: record["reason"] for record in quarantined(out)} == {
        "self.txt": "unreadable: Too many levels of symbolic links",
        "pipe.txt": "unreadable: not a regular file",
        "disk.txt": "unreadable: Input/output error",
    }
    assert result.counts["not read: a linked folder"] == 1


def test_rows_of_a_table_that_gains_columns_are_read(tmp_path: Path, ingest_files: Ingest) -> None:
    (tmp_path / "texts").mkdir()
    for number, table in enumerate(({"text": ["a"]}, {"text": ["b"], "late": [{"x": 1}]})):
        pq.write_table(pa.table(table), tmp_path / "texts" / f"{number}.parquet")
    _, out = ingest_files({}, keep=["late"])
    assert {document.text: document.meta.get("late") for document in Documents(out, "").iterate()} == {
        "a": None,
        "b": {"x": 1},
    }


def test_a_line_that_is_too_long_is_not_lost_because_it_begins_with_spaces(ingest_files: Ingest) -> None:
    result, out = ingest_files({"a.jsonl": b" " * 70_000 + GOOD.encode() + GOOD.encode()}, record_bytes=2**16)
    assert texts(out) == ["good"]
    assert result.counts["quarantined: longer than record_bytes"] == 1


def test_damage_in_a_parquet_file_costs_its_row_group(ingest_files: Ingest) -> None:
    stream = io.BytesIO()
    rows = pa.table({"text": [f"a text of the row {number}, which is long enough" for number in range(1000)]})
    pq.write_table(rows, stream, row_group_size=100, compression="none", use_dictionary=False)
    content = bytearray(stream.getvalue())
    place = content.index(b"a text of the row 450,")
    group = pq.ParquetFile(io.BytesIO(stream.getvalue())).metadata.row_group(4).column(0)
    content[group.data_page_offset : group.data_page_offset + 12] = b"\xff" * 12
    assert group.data_page_offset < place
    result, out = ingest_files({"a.parquet": bytes(content)})
    assert len(texts(out)) == 900
    (bad,) = quarantined(out)
    assert bad["reason"].startswith("100 rows of a damaged row group") and bad["record"] == "401-500"
    assert result.counts["quarantined: 100 rows of a damaged row group"] == 1
