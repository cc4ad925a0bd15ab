"""Fifty files that fill memory, take for ever or end the process: each is quarantined, and its neighbours are read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pypdf
import pytest
from data_support import quarantined, texts
from pypdf.generic import NameObject

from data.parsers.test_parsers import encrypted, make_pdf
from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.sources.files import Files
from lmworks.data.sources.source import Record, Unreadable
from lmworks.pipeline import guarded
from quick import few
from support import make_context

ZEROS = bytes(2**24)
LAUGHS = b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">%s]>' % b"".join(
    b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 8) for n in range(1, 12)
)


def in_zip(name: str, content: bytes, base: bytes = b"") -> bytes:
    """A zip archive, or `base` with one of its members changed."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        if base:
            with zipfile.ZipFile(io.BytesIO(base)) as old:
                for member in old.namelist():
                    if member != name:
                        archive.writestr(member, old.read(member))
        archive.writestr(name, content)
    return made.getvalue()


def word(body: bytes = b"") -> bytes:
    made = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("text")
    document.save(made)
    if not body:
        return made.getvalue()
    start = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    content = (LAUGHS if b"&" in body else b"") + start + body + b"</w:body></w:document>"
    return in_zip("word/document.xml", content, made.getvalue())


def workbook(sheet: bytes = b"") -> bytes:
    made = io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append(["text"])  # type: ignore[union-attr]
    book.save(made)
    start = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    return in_zip("xl/worksheets/sheet1.xml", start + sheet + b"</sheetData></worksheet>", made.getvalue())


def parquet(column: Any, **options: Any) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table({"text": column}), made, compression="zstd", **options)
    return made.getvalue()


def arrow(column: Any) -> bytes:
    made = io.BytesIO()
    table = pa.table({"text": column})
    with pa.ipc.new_stream(made, table.schema) as writer:
        writer.write_table(table)
    return made.getvalue()


def tar(name: str, content: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def packed_pdf() -> bytes:
    """A PDF whose page is a GiB of zeros when unpacked."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf("text")))
    stream = writer.pages[0]["/Contents"].get_object()
    stream._data = zlib.compress(bytes(2**30))
    stream[NameObject("/Filter")] = NameObject("/FlateDecode")
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


REPEATED = pa.DictionaryArray.from_arrays(pa.array([0] * 60_000, pa.int32()), pa.array(["a" * 2**18]))
MIXED = b"Content-Type: multipart/mixed; boundary="
ROWS = [f"row {number}" for number in range(2_000)]
WIKI = "<mediawiki><page><title>t</title><ns>0</ns><id>1</id><revision><text>{}</text></revision></page></mediawiki>"
HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing.txt": lambda: bytes(10_000),
    "bytes.txt": lambda: bytes(range(256)) * 100,
    "utf16.txt": lambda: "half of the signs are zeros".encode("utf-16-le"),
    "endless.txt": lambda: b"a" * (2**22 + 1),
    "bomb.txt.gz": lambda: gzip.compress(ZEROS) * 80,
    "cut.txt.gz": lambda: gzip.compress(b"words " * 1_000)[:-20],
    "cut.txt.bz2": lambda: bz2.compress(b"words " * 100_000)[:-9],
    "memory.txt.xz": lambda: lzma.compress(ZEROS)[:-30],
    "bomb.zip": lambda: in_zip("bomb.txt", bytes(2**28)),
    "cut.zip": lambda: in_zip("a.txt", b"words")[:-10],
    "inner.zip": lambda: in_zip("inner.txt.gz", gzip.compress(ZEROS) * 80),
    "lies.tar": lambda: tar("a.txt", b"words").replace(b"00000000005", b"77777777777", 1),
    "cut.tar.gz": lambda: gzip.compress(tar("a.txt", b"words " * 10_000))[:-40],
    "deep.jsonl": lambda: b"[" * 100_000 + b"]" * 100_000,
    "deeper.jsonl": lambda: b'{"text": ' * 50_000,
    "json/lists.json": lambda: b'[{"text": "a", "x": [' + b"[]," * 6_000_000 + b"[]]}]",
    "number.jsonl": lambda: b'{"text": ' + b"9" * 100_000 + b"}",
    "half.jsonl": lambda: b'{"text": "\\ud83d"}',
    "line.jsonl": lambda: b'{"text": "' + b"a" * (2**22 + 1) + b'"}',
    "json/list.json": lambda: b'[{"text": "a" "b"',
    "json/deep.json": lambda: b'{"a":' * 100_000,
    "quote.csv": lambda: b'text,n\n"open,1\n',
    "cell.csv": lambda: b"text\n" + b"a" * (2**22 + 1) + b"\n",
    "width.csv": lambda: b"text,n\n" + b"," * 100_000 + b"\n",
    "cut.parquet": lambda: parquet(ROWS)[:-9],
    "repeated.parquet": lambda: parquet(REPEATED),
    "rubbish.parquet": lambda: b"PAR1" + b"\xff" * 1_000 + b"PAR1",
    "lies.parquet": lambda: parquet(ROWS)[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1",
    "cut.arrow": lambda: arrow(ROWS)[:5_000],
    "repeated.arrow": lambda: arrow(REPEATED),
    "nulls.arrow": lambda: arrow(pa.FixedSizeListArray.from_arrays(pa.nulls(2**26), 2**20)),
    "place.arrow": lambda: arrow(ROWS).replace(struct.pack("<3i", 0, 5, 10), struct.pack("<3i", 0, 2**30, 10), 1),
    "cut.pdf": lambda: make_pdf("text")[:200],
    "locked.pdf": lambda: encrypted(make_pdf("text")),
    "slow.pdf": lambda: make_pdf("x) Tj ET\n" + "q BT (a) Tj ET Q\n" * 400_000 + "BT (y"),
    "bomb.pdf": packed_pdf,
    "laughs.docx": lambda: word(b"<w:p><w:r><w:t>&l;</w:t></w:r></w:p>"),
    "cut.docx": lambda: word()[:3_000],
    "deep.docx": lambda: word(b"<w:p>" * 100_000),
    "tags.docx": lambda: word(b"<w:p/>" * 5_000_000),
    "cut.xlsx": lambda: workbook()[:2_000],
    "far.xlsx": lambda: workbook(
        b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (n, n) for n in range(1, 9_000))
    ),
    "bomb.xlsx": lambda: workbook(b"<row>" + bytes(2**28) + b"</row>"),
    "parts.eml": lambda: MIXED + b"b\n\n" + b"\n--b\n\na" * 500_000,
    "levels.eml": lambda: b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(9_000)
    ),
    "no.mbox": lambda: b"words that no mailbox begins with\n",
    "lies.warc": lambda: b"WARC/1.0\r\nWARC-Type: resource\r\nContent-Length: 99999999\r\n\r\nno",
    "rubbish.po": lambda: b'msgid "a\nmsgstr b',
    "groups.tex": lambda: b"\\begin{document}" + b"{" * 300_000 + b"a" + b"}" * 300_000,
    "wiki/open.xml": lambda: WIKI.format("words " + "{{a|" * 60_000).encode(),
    "wiki/heading.xml": lambda: WIKI.format("words\n" + "=a" * 100_000).encode(),
    "rows/laughs.xml": lambda: LAUGHS + b"<rows><row><text>&l;</text></row></rows>",
    "rows/deep.xml": lambda: b"<rows><row>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</row></rows>",
    "rows/cut.xml": lambda: b"<rows><row><text>words</te",
}
"""By name, the bytes of a file."""
GOOD: dict[str, bytes] = {
    "good.txt": b"a good text",
    "good.jsonl": b'{"text": "a good row"}\n{"text": "one more"}',
    "good.csv": b"text\na good cell\n",
    "good.pdf": make_pdf("a good page"),
    "good.docx": word(b"<w:p><w:r><w:t>a good paragraph</w:t></w:r></w:p>"),
    "good.parquet": parquet(["a good column"]),
    "good.eml": b"Subject: a good message\n\nwords",
    "json/good.json": b'[{"text": "a good item"}]',
    "wiki/good.xml": WIKI.format("a good article").encode(),
    "rows/good.xml": b"<rows><row><text>a good element</text></row></rows>",
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes that give a record a few seconds and a GiB."""
    monkeypatch.setattr(guarded, "_idle", [])
    monkeypatch.setattr(guarded, "PROCESSOR_SECONDS", 3)
    monkeypatch.setattr(guarded, "MEMORY_BYTES", 2**30)
    yield
    for worker in guarded._idle:
        worker.end()


@pytest.mark.usefixtures("impatient")
def test_each_hostile_file_is_quarantined_and_its_neighbours_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    for name, content in [*((name, make()) for name, make in HOSTILE.items()), *GOOD.items()]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    sources = [
        {"path": "files", "name": "any", "record_bytes": 2**22, "exclude": ["wiki/*", "rows/*", "json/*"]},
        {"path": "files/json", "name": "json", "format": "json"},
        {"path": "files/wiki", "name": "wiki", "format": "mediawiki"},
        {"path": "files/rows", "name": "rows", "format": "xml", "records": "row"},
    ]
    named = [{"kind": "files", "licence": "MIT", **source} for source in sources]
    config = {"sources": named, "licences": {"allow": ["MIT"]}, "largest_bad_share": 1}
    out = tmp_path / "raw"
    ingest(IngestConfig.model_validate(config).resolve(tmp_path), out=out, context=make_context(tmp_path))
    kept = {f"{bad['source']}/{bad['path'].split('/')[0]}".removeprefix("any/"): bad for bad in quarantined(out)}
    assert kept.keys() == HOSTILE.keys()
    assert all(bad["reason"] for bad in kept.values())
    found = [" ".join(text.split()) for text in texts(out)]
    assert sum("good" in text for text in found) == len(GOOD)


@pytest.mark.usefixtures("impatient")
def test_a_page_that_takes_too_long_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    pages = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf("first")))
    pages.append(io.BytesIO(HOSTILE["slow.pdf"]()))
    pages.append(io.BytesIO(make_pdf("third")))
    pages.write(tmp_path / "a.pdf")
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path)
    bad, record = source.read(source.pieces("a.pdf", 10**9)[0])
    assert isinstance(bad, Unreadable) and isinstance(record, Record)
    assert (bad.key, record.text) == ("page 2", "first\n\nthird")
    assert bad.reason == "not a readable page: takes too long: more than 3 seconds of processor time"


BOMBS = {
    "a list of one number": lambda: pa.ListArray.from_arrays([0, 2**24], pa.nulls(2**24, pa.int64()).fill_null(7)),
    "a list of one text": lambda: pa.ListArray.from_arrays([0, 2**10], pa.array(["a" * 2**17] * 2**10)),
    "one text in every row": lambda: pa.array(["a" * (2**20 + 1)] * 2**7),
    "one long text": lambda: pa.array(["a" * 2**27]),
}
"""Columns of 128 MiB, which a Parquet file holds in a few kilobytes."""


@pytest.mark.parametrize("name", few(BOMBS, 1))
def test_a_parquet_file_that_is_a_bomb_takes_no_memory_of_the_build(tmp_path: Path, name: str) -> None:
    pq.write_table(pa.table({"text": BOMBS[name]()}), tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 2**16
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path, record_bytes=2**20, fields="all")
    tracemalloc.start()
    items = [item for piece in source.pieces("a.parquet", 2**20) for item in source.read(piece)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert items and all(isinstance(item, Unreadable) for item in items)
    assert re.match("longer than record_bytes|more values than are read", items[-1].reason)
    assert peak < 40 * 2**20
