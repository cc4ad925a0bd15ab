"""Word documents (.docx): paragraphs and tables in their order."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Span, whole_file


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
        text = _text(docx.Document(io.BytesIO(span.raw)))
    except Exception as error:  # a damaged file raises KeyError, BadZipFile, XMLSyntaxError and more
        yield span.unreadable(piece.name, "", f"not a readable docx: {error}")
        return
    yield Record(piece.name, "", text, "text", reading.licence)


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
