"""PDF files that are pictures, that are hostile, and that would take for ever."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pypdf
import pytest
from data_support import texts
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, StreamObject

from data.parsers.test_parsers import Ingest, good, make_pdf, read, reasons
from lmworks.data.sources.files import Files
from lmworks.data.sources.source import Skipped, Unreadable
from lmworks.pipeline import guarded


def with_pictures(*pages: str | None) -> bytes:
    """A PDF whose pages hold a text, or a picture where it is None."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf(*(text or "" for text in pages))))
    for text, page in zip(pages, writer.pages, strict=True):
        if text is None:
            image = StreamObject()
            image.set_data(b"\0")
            image.update({NameObject("/Type"): NameObject("/XObject"), NameObject("/Subtype"): NameObject("/Image")})
            image.update({NameObject("/Width"): NumberObject(1), NameObject("/Height"): NumberObject(1)})
            drawn = DictionaryObject({NameObject("/Im0"): writer._add_object(image)})
            page["/Resources"][NameObject("/XObject")] = drawn  # type: ignore[index]
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_a_scanned_pdf_is_quarantined_as_one(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.pdf": with_pictures(None, None)})
    (bad,) = found
    assert isinstance(bad, Unreadable)
    assert bad.reason.startswith("a scanned PDF: no text layer, 2 of 2 pages are pictures")
    found = read(tmp_path, {"a.pdf": make_pdf("")})
    assert [record.text for record in good(found)] == [""]  # an empty page is no picture


def test_pages_without_a_word_are_counted(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.pdf": make_pdf("One", "", "Three", " ")})
    assert [record.text for record in good(found)] == ["One\n\nThree"]
    assert [(item.key, item.reason) for item in found if isinstance(item, Skipped)] == [
        ("page 2", "a page of a PDF without a word"),
        ("page 4", "a page of a PDF without a word"),
    ]


def test_pages_that_are_pictures_among_others_are_counted(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.pdf": with_pictures("One", None, "Three")})
    assert [record.text for record in good(found)] == ["One\n\nThree"]
    assert [(item.key, item.reason) for item in found if isinstance(item, Skipped)] == [
        ("page 2", "a page of a PDF that is a picture")
    ]


def in_a_font_of(names: list[str], text: str) -> bytes:
    """A PDF whose font draws these glyphs for "!", "#", "$" and on."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf(text)))
    font = writer.pages[0]["/Resources"]["/Font"]["/F1"]  # type: ignore[index]
    drawn = [NumberObject(33), NameObject(names[0]), NumberObject(35), *map(NameObject, names[1:])]
    font[NameObject("/Encoding")] = DictionaryObject({NameObject("/Differences"): ArrayObject(drawn)})
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_letters_that_a_font_joins_or_shapes_are_read_as_letters_and_counted(ingest_files: Ingest) -> None:
    joined = in_a_font_of(["/ff", "/fi", "/ffi", "/twosuperior"], "e!ets #nal o$ciel 2 m%")
    shaped = in_a_font_of(["/uniFEDB", "/uniFEAE", "/uniFEF3", "/uniFEE2"], "%$#!")  # from left to right, as PDF draws
    result, out = ingest_files({"a.pdf": joined, "b.pdf": shaped})
    assert sorted(texts(out)) == ["effets final officiel 2 m²", "كريم"]
    assert result.counts["ligatures and presentation forms, now letters"] == 7


@pytest.fixture
def endless() -> bytes:
    """A page that takes minutes."""
    return make_pdf("x) Tj ET\n" + "q BT (a) Tj ET Q\n" * 1_000_000 + "BT (y")


def test_a_page_that_takes_too_long_is_told_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endless: bytes
) -> None:
    monkeypatch.setattr(guarded, "_idle", [])
    monkeypatch.setattr(guarded, "PROCESSOR_SECONDS", 1)
    pages = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf("first")))
    pages.append(io.BytesIO(endless))
    pages.append(io.BytesIO(make_pdf("third")))
    pages.write(tmp_path / "a.pdf")
    (tmp_path / "b.pdf").write_bytes(make_pdf("sound"))
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path)
    found: list[Any] = [item for path in source.paths() for item in source.read(source.pieces(path, 10**9)[0])]
    assert [record.text for record in good(found)] == ["first\n\nthird", "sound"]
    assert reasons(found) == ["not a readable page: takes too long: more than 1 seconds of processor time"]
    assert next(item for item in found if isinstance(item, Unreadable)).key == "page 2"
    for worker in guarded._idle:
        worker.end()
