"""PDF: a document a file, its pages' text in order. Pages that are pictures hold none."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Span, whole_file


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """One record; a page that cannot be read is quarantined and the others are kept."""
    import pypdf

    # It warns of each flaw that it mends, with words of the file in them.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        file = pypdf.PdfReader(io.BytesIO(span.raw))
        if file.is_encrypted:
            yield span.unreadable(piece.name, "", "encrypted PDF: save a copy without a password")
            return
        pages = list(file.pages)
    except Exception as error:  # a parser of a hostile format raises what it likes
        yield span.unreadable(piece.name, "", f"not a readable PDF: {error}")
        return
    texts = []
    for number, page in enumerate(pages, 1):
        try:
            texts.append(page.extract_text().encode(errors="replace").decode())
        except Exception as error:
            yield span.unreadable(piece.name, f"page {number}", f"not a readable page: {error}")
    text = "\n\n".join(text for text in texts if text.strip())
    yield Record(piece.name, "", text, "text", reading.licence, {"pages": len(pages)})


FORM = Form(parse, endings=(".pdf",), about="A PDF with text in it; pictures are not read.", needs=("pypdf",))
