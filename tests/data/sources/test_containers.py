"""Files in what packs them: the same records as plain ones, whatever is damaged, hostile or of no use among them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from data_support import quarantined, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.parsers.test_parsers import MAIN, good, read, reasons, warc_record
from data.sources.test_reader import zipped
from lmworks.data.shards.records import Documents
from lmworks.data.sources import archives, parsed
from lmworks.data.sources.files import Files
from lmworks.data.sources.source import Record, Unreadable
from lmworks.errors import LmworksError

Ingest = Callable[..., Any]
PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard.compress}
LINES = "".join(json.dumps({"text": f"text {number}"}) + "\n" for number in range(3000)).encode()


def tarred(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT, links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = (tarfile.SYMTYPE if target.startswith("/") else tarfile.LNKTYPE), target
            archive.addfile(entry)
    return buffer.getvalue()


FILES = {
    "./a.txt": b"plain",
    "b/c.md": b"# head",
    "d.jsonl.gz": gzip.compress(b'{"text": "line"}\n'),
    "e.csv": b"text;n\ncell;1\n",
    "n/" + "long" * 60 + ".ndjson": b'{"text": "named at length"}\n',
    ".hidden/x.txt": b"no",
    "g.pptx": b"no",
    "h.tar": tarred({"inner.txt": b"no"}),
}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst", "tgz", "txz", "tbz2", "tzst"])
def test_a_tar_archive_is_read_like_a_folder(ingest_files: Ingest, ending: str, form: int) -> None:
    packing = {"tar": "", "tgz": ".gz", "txz": ".xz", "tbz2": ".bz2", "tzst": ".zst"}.get(ending, ending[3:])
    content = tarred(FILES, form, {"link.txt": "/etc/passwd", "hard.txt": "./a.txt"})
    result, out = ingest_files({f"z.{ending}": PACKERS[packing](content)})
    assert {document.meta["path"]: document.text for document in Documents(out, "").iterate()} == {
        f"z.{ending}/a.txt": "plain",
        f"z.{ending}/b/c.md": "# head",
        f"z.{ending}/d.jsonl.gz": "line",
        f"z.{ending}/e.csv": "cell",
        f"z.{ending}/n/{'long' * 60}.ndjson": "named at length",
    }
    assert quarantined(out) == []
    assert result.counts["not read: a link in an archive"] == 2
    assert result.counts["not read: .pptx"] == result.counts["not read: .tar"] == 1


@pytest.mark.parametrize("packing", ["", ".gz", ".xz", ".zst"])
def test_members_of_a_tar_archive_are_cut_to_the_same_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: str
) -> None:
    monkeypatch.setattr(parsed, "PACKED_PIECE", 2**10)
    small = {f"s{number:02d}.txt": b"x" * 100 + str(number).encode() for number in range(40)}
    content = tarred({**small, "large.jsonl": LINES, "late.txt": b"late", "later.jsonl": LINES[:2000] + b"{bad\n"})
    (tmp_path / f"a.tar{packing}").write_bytes(PACKERS[packing](content))
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path)

    def found(size: int) -> list[Any]:
        pieces = source.pieces(f"a.tar{packing}", size)
        return [(item.path, item.key, getattr(item, "text", "")) for piece in pieces for item in source.read(piece)]

    assert len(source.pieces(f"a.tar{packing}", 100)) > 5
    assert found(100) == found(10**9)
    assert sum(bool(text) for *_, text in found(100)) == 40 + 3000 + 1 + LINES[:2000].count(b"\n")


@pytest.mark.parametrize("packing", [".xz", ".gz", ".zst", ".bz2"])
def test_a_damaged_tar_archive_gives_what_is_sound(ingest_files: Ingest, packing: str) -> None:
    content = tarred({f"{number}.txt": f"text {number} ".encode() * 400 for number in range(20)})
    cut = PACKERS[packing](content[: len(content) // 2])
    broken = bytearray(content)
    broken[len(content) // 2 // 512 * 512 :] = b"\xff" * (len(content) - len(content) // 2 // 512 * 512)
    files = {f"cut.tar{packing}": cut, "broken.tar": bytes(broken), "not.tar": b"no archive at all" * 100}
    result, out = ingest_files({**files, "empty.tar": b"", "good.txt": "good"})
    assert {record["path"].split("/")[0] for record in quarantined(out)} == {*files, "empty.tar"}
    assert {record["reason"].split(":")[0] for record in quarantined(out)} == {
        "cannot be unpacked",
        "not UTF-8",  # what stood before the broken header
    }
    assert result.counts["documents"] > 15 and "good" in texts(out)


def claiming(size: int, kind: bytes = tarfile.REGTYPE, name: str = "a.txt") -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, kind
    return entry.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "content",
    [
        claiming(2**60),
        claiming(2**60) + b"beginning",
        claiming(2**60, tarfile.XHDTYPE),
        claiming(2**60, tarfile.GNUTYPE_LONGNAME) + b"x" * 10_000,
        claiming(2**60, tarfile.GNUTYPE_LONGNAME),
        claiming(2**60, tarfile.DIRTYPE),
    ],
)
def test_a_tar_archive_that_claims_more_than_it_holds_costs_nothing(tmp_path: Path, content: bytes) -> None:
    found = read(tmp_path, {"a.tar": content})
    assert found and all(isinstance(item, Unreadable) for item in found)


def test_a_file_with_holes_is_counted_and_not_filled(ingest_files: Ingest) -> None:
    sparse = tarfile.TarInfo("sparse.txt")
    sparse.size, sparse.type = 0, tarfile.GNUTYPE_SPARSE
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"77777777777\0"  # its real size
    total = sum(header) - sum(header[148:156]) + 8 * 32
    header[148:156] = f"{total:06o}\0 ".encode()
    result, out = ingest_files({"a.tar": bytes(header) + tarred({"b.txt": b"good"})})
    assert texts(out) == ["good"]
    assert result.counts["not read: a device or a sparse file in an archive"] == 1


def test_files_of_an_archive_that_are_read_whole_are_cut_into_shards(tmp_path: Path, ingest_files: Ingest) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(8):
            archive.writestr(f"{number}.txt", f"text {number} " + "and so on " * 1_000)
    _, out = ingest_files({"a.zip": packed.getvalue()}, shard_bytes=2**13)
    assert len(list(out.glob("part-*.parquet"))) == 8 and len(texts(out)) == 8


@pytest.mark.slow
def test_an_xz_file_may_have_several_streams_with_padding_and_must_not_end_inside_one(tmp_path: Path) -> None:
    one = lzma.compress(b'{"text": "one"}\n') + b"\0" * 8 + lzma.compress(b'{"text": "two"}\n')
    assert [item.text for item in read(tmp_path, {"a.jsonl.xz": one})] == ["one", "two"]
    found = read(tmp_path, {"a.jsonl.xz": lzma.compress(LINES)[:-20]})
    assert isinstance(found[-1], Unreadable) and found[-1].reason.startswith("cannot be unpacked")
    huge = lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1536 * 2**20}])
    assert isinstance(read(tmp_path, {"a.jsonl.xz": huge})[0], Unreadable | Record)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_any_damage_to_an_archive_is_quarantined(tmp_path: Path, data: st.DataObject) -> None:
    packing = data.draw(st.sampled_from(sorted(PACKERS)))
    content = bytearray(
        PACKERS[packing](tarred({"a.txt": b"one", "long" * 40 + ".txt": b"two", "c.jsonl": LINES[:99]}))
    )
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    for old in tmp_path.iterdir():
        old.unlink()
    for item in read(tmp_path, {f"a.tar{packing}": bytes(content)}):
        assert isinstance(item, Record | Unreadable)


@pytest.mark.parametrize("between", [b"", b"JUNK", b"\0" * 512], ids=["nothing", "stray bytes", "zeros"])
@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst", "tar", "tar.gz", "zip"])
def test_what_stands_behind_a_packed_file_is_read_or_told(tmp_path: Path, packing: str, between: bytes) -> None:
    def packed(name: str) -> bytes:
        if packing == "zip":
            return zipped({f"{name}.txt": name.encode()})
        return (
            PACKERS[""](tarred({f"{name}.txt": name.encode()}))
            if "tar" in packing
            else PACKERS[f".{packing}"](name.encode())
        )

    content = packed("one") + between + packed("two")
    if packing == "tar.gz":
        content = gzip.compress(content)
    found = read(tmp_path, {f"a.{packing}" if packing[:3] in ("tar", "zip") else f"a.txt.{packing}": content})
    texts = "".join(item.text for item in good(found))
    assert texts == "onetwo" or any(isinstance(item, Unreadable) and "unpacked" in item.reason for item in found)
    assert texts or packing not in ("tar", "tar.gz", "zip")


def test_bytes_behind_a_zip_archive_are_told_and_its_files_are_read_once(ingest_files: Ingest) -> None:
    archive = zipped({"one.txt": b"one", "two.txt": b"two"})
    result, out = ingest_files({"a.zip": archive + b"x" * 100, "b.zip": archive})
    assert result.counts["documents"] == 4
    assert [record["path"] for record in quarantined(out)] == ["a.zip"]


def test_pages_that_a_server_did_not_give_are_counted_by_status(tmp_path: Path) -> None:
    def page(status: str, number: int) -> bytes:
        record = warc_record("response", f"<p>{MAIN}</p>".encode(), number)
        old = b"HTTP/1.1 200 OK"
        length = len(record) - record.index(b"\r\n\r\n") - 8
        new = record.replace(old, f"HTTP/1.1 {status}".encode())
        grown = length + len(new) - len(record)
        return new.replace(f"Content-Length: {length}".encode(), f"Content-Length: {grown}".encode())

    statuses = ["200 OK", "404 Not Found", "301 Moved", "503 Busy", "404 Not Found", "206 Partial Content"]
    content = b"".join(page(status, number) for number, status in enumerate(statuses, 1))
    found = read(tmp_path, {"a.warc": content})
    assert len(good(found)) == 2
    assert sorted(reasons(found)) == [f"a page with HTTP status {status}" for status in (301, 404, 404, 503)]


def test_forms_that_are_not_read_are_named_with_what_to_do(tmp_path: Path, ingest_files: Ingest) -> None:
    result, _ = ingest_files({"a.xls": b"x", "b.pptx": b"x", "c.txt": "read", "d.bin": b"x"})
    assert [result.counts[f"not read: .{ending}"] for ending in ("xls", "pptx", "bin")] == [1, 1, 1]
    (tmp_path / "office").mkdir()
    (tmp_path / "office" / "a.xls").write_bytes(b"x")
    with pytest.raises(LmworksError, match=r"found \.xls \(1\)\. \.xls is not read: save it as XLSX"):
        Files(kind="files", path="office", folder=tmp_path).paths()


def test_readers_of_one_archive_do_not_read_through_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a.txt", "one")
        packed.writestr("b.txt", "other")
    opened, real = [], zipfile.ZipFile.open

    def interrupted(archive: zipfile.ZipFile, name: str, *rest: Any) -> Any:
        """Another reader comes and goes before this one opens its file, as a second thread may."""
        opened.append(name)
        if len(opened) == 1:
            with path.open("rb") as stream:
                assert archives.open_member(str(path), stream, "b.txt").read() == b"other"
        return real(archive, name, *rest)

    monkeypatch.setattr(zipfile.ZipFile, "open", interrupted)
    with path.open("rb") as stream:
        assert archives.open_member(str(path), stream, "a.txt").read() == b"one"


def test_members_outside_of_the_archive_s_folder_are_read_and_replaced_ones_are_told(
    tmp_path: Path, ingest_files: Ingest
) -> None:
    packed = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w") as archive:
        warnings.simplefilter("ignore")  # a name that is there twice
        for name, text in (("../up.txt", "from above"), ("a.txt", "the older one"), ("a.txt", "the newer one")):
            archive.writestr(name, text)
    result, out = ingest_files({"x.zip": packed.getvalue()})
    assert texts(out) == ["from above", "the newer one"]
    assert result.counts[f"not read: {archives.REPLACED}"] == 1 and f"not read: {archives.REPLACED}" in result.losses
