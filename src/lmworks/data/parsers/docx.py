"""Word documents (.docx): paragraphs and tables in their order."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Span, whole_file

MOST_TAGS = 2**23
"""Of a document, which stands in memory as a tree of its elements."""


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """One record; a row of a table is "cell | cell"."""
    import docx

    try:
        unpacked = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(span.raw)).infolist())
        if unpacked > 10 * reading.limit:
            reason = f"longer than record_bytes: {unpacked} bytes when unpacked, ten times record_bytes is allowed"
            yield span.unreadable(piece.name, "", reason)
            return
        if (tags := _tags(span.raw)) > MOST_TAGS:
            yield span.unreadable(piece.name, "", f"more tags than are read: {tags:,}, and {MOST_TAGS:,} are")
            return
        text = _text(docx.Document(io.BytesIO(span.raw)))
    except Exception as error:  # a damaged file raises KeyError, BadZipFile, XMLSyntaxError and more
        yield span.unreadable(piece.name, "", f"not a readable docx: {error}")
        return
    yield Record(piece.name, "", text, "text", reading.licence)


def _tags(raw: bytes) -> int:
    archive = zipfile.ZipFile(io.BytesIO(raw))
    found = 0
    for entry in archive.infolist():
        with archive.open(entry) as member:
            while chunk := member.read(2**20):
                found += chunk.count(b"<")
    return found


def _text(document: Any) -> str:
    from docx.table import Table

    blocks = []
    for item in document.iter_inner_content():
        if isinstance(item, Table):
            blocks.append("\n".join(" | ".join(cell.text.strip() for cell in row.cells) for row in item.rows))
        else:
            blocks.append(item.text)
    return "\n\n".join(block for block in blocks if block.strip())


FORM = Form(parse, endings=(".docx",), about="A Word document.", needs=("docx",))
