"""PDF: one document per file, with the text of its pages in order. Pages that are pictures have no text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from lmworks.data.base.letters import SHAPED, as_letters
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Skipped, Span, whole_file
from lmworks.pipeline.guarded import note

DEPTH = 3
"""Maximum depth of drawings inside each other on a page that are searched for a picture."""


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """Yield one record. A page that cannot be read is quarantined, and the other pages are kept."""
    import pypdf

    try:
        file = pypdf.PdfReader(io.BytesIO(span.raw))
        if file.is_encrypted:
            yield span.unreadable(piece.name, "", "encrypted PDF: save a copy without a password")
            return
        pages = list(file.pages)
    except MemoryError:
        raise
    except Exception as error:  # a parser of a hostile format raises what it likes
        yield span.unreadable(piece.name, "", f"not a readable PDF: {error}")
        return
    texts, pictures = list[str](), list[int]()
    for number, page in enumerate(pages, 1):
        key, fault, text = f"page {number}", reading.left_out.get(number, ""), ""
        note(number)
        try:
            text = "" if fault else page.extract_text().encode(errors="replace").decode()
            if text.strip():
                texts.append(text)
            elif not fault and _has_picture(page, DEPTH):
                pictures.append(number)
            elif not fault:
                yield Skipped(piece.name, key, "a page of a PDF without a word")
        except MemoryError:
            raise
        except Exception as error:
            fault = f"{error or type(error).__name__}"
        if fault:
            yield span.unreadable(piece.name, key, f"not a readable page: {fault}")
    if pictures and not texts:
        reason = f"a scanned PDF: no text layer, {len(pictures)} of {len(pages)} pages are pictures"
        yield span.unreadable(piece.name, "", f"{reason}; recognise its text first, such as by ocrmypdf")
        return
    for number in pictures:
        yield Skipped(piece.name, f"page {number}", "a page of a PDF that is a picture")
    joined, shaped = as_letters("\n\n".join(texts))
    counts = {SHAPED: shaped} if shaped else {}
    yield Record(piece.name, "", joined, "text", reading.licence, {"pages": len(pages)}, counts=counts)


def _has_picture(page: Any, depth: int) -> bool:
    resources = page["/Resources"].get_object() if "/Resources" in page else {}
    named = resources["/XObject"].get_object() if "/XObject" in resources else {}
    drawn = [drawing.get_object() for drawing in named.values()]
    kinds = [drawing.get("/Subtype") for drawing in drawn]
    return "/Image" in kinds or (bool(depth) and any(_has_picture(drawing, depth - 1) for drawing in drawn))


FORM = Form(
    parse, endings=(".pdf",), about="A PDF with text in it. Pictures are not read.", needs=("pypdf",), guarded=True
)
