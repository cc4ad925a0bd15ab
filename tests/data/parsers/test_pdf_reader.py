"""PDF files that are pictures, that are hostile, and that would take for ever."""

from __future__ import annotations

import io
from pathlib import Path

import pypdf
from data_support import texts
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, StreamObject

from data.parsers.test_parsers import Ingest, good, make_pdf, read
from lmworks.data.sources.source import Skipped, Unreadable


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
