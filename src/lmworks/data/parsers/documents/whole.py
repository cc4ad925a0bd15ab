"""One document per file: plain text, Markdown as it is written, or HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Span, whole_file

_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)


@whole_file
def parse_text(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """Yield a text in UTF-8, with or without a byte order mark."""
    yield Record(piece.name, "", span.raw.decode("utf-8-sig"), "text", reading.licence)


@whole_file
def parse_html(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """Yield a page in UTF-8, or in the encoding that it declares."""
    text, form = page_text(decode_page(span.raw), reading)
    yield Record(piece.name, "", text, form, reading.licence)


@whole_file
def not_text(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """Yield a file whose encoding is not the one stated as unreadable. None of its text is read."""
    yield span.not_text(piece.name, "", reading, at=0)


def decode_page(raw: bytes, charset: str | None = None, other: str | None = None) -> str:
    """Return a page as text: UTF-8 if it is, else as HTTP says (`charset`), else as the page says, else as `other`.

    Raises UnicodeDecodeError when none of them fits.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        declared = _CHARSET.search(raw[:2048])
        named = charset or (declared and declared[1].decode()) or other
        if not named:
            raise
        with suppress(LookupError, ValueError):
            text = raw.decode(named)
            text.encode()  # some codecs of Python make halves of surrogate pairs
            return text
        raise


def page_text(page: str, reading: Reading) -> tuple[str, str]:
    """Return the page's main text, or its markup for a later step, with the format that it then has."""
    if reading.html == "keep":
        return page, "html"
    import trafilatura

    return trafilatura.extract(page, include_comments=False, deduplicate=False) or "", "text"


TEXT = Form(parse_text, encoding="text", endings=(".txt", ".md"), about="One text per file.")
HTML = Form(parse_html, encoding="text", endings=(".html", ".htm"), about="One web page per file.")
