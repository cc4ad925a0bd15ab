"""Word documents (.docx): all text of the body in its order, then its notes.

Deleted text, comments, headers and footers are not part of the text. They are only counted.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Skipped, Span, whole_file

Element = Any
"""An lxml element. The library states no types."""
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_ALTERNATIVES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
_TEXTS = (f"{_W}t", f"{_M}t")
_SIGNS = {f"{_W}tab": "\t", f"{_W}ptab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_NOTES = {f"{_W}footnoteReference": "footnotes", f"{_W}endnoteReference": "endnotes"}
_PLACEHOLDER = f"{_W}sdtPr/{_W}showingPlcHdr"
_OPERATORS = {f"{_M}{name}": sign for name, sign in {"den": "/", "sub": "_", "sup": "^", "rad": "√"}.items()}
"""Signs before a part of a formula that Word draws above or below the line."""


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """Yield one record. A row of a table becomes "cell | cell"."""
    import docx

    try:
        document = docx.Document(io.BytesIO(span.raw))
        words = _Words()
        blocks = [*words.blocks(document.element.body)]
        faults = [fault for part in document.part.rels.values() if (fault := words.read_part(part))]
        text = "\n\n".join(block for block in (*blocks, *words.notes()) if block.strip())
    except MemoryError:
        raise
    except Exception as error:  # a damaged file raises KeyError, BadZipFile, XMLSyntaxError and more
        yield span.unreadable(piece.name, "", f"not a readable docx: {error}")
        return
    for name, reason in faults:
        yield span.unreadable(piece.name, name, f"not a readable part of a docx: {name}: {reason}")
    for what, times in sorted(words.left_out.items()):
        for number in range(1, times + 1):
            yield Skipped(piece.name, f"{what} {number}", f"{what} of a Word document")
    yield Record(piece.name, "", text, "text", reading.licence)


class _Words:
    """The texts of a document, the notes that it refers to, and counts of what is left out."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self._referred: dict[tuple[str, str], list[str]] = {}
        """Paragraphs of each note, in the order in which the text refers to them."""

    def blocks(self, element: Element) -> Iterator[str]:
        """Yield the paragraphs and tables inside an element. A text box comes after the paragraph that holds it."""
        for child in self._children(element):
            if child.tag == f"{_W}p":
                boxes: list[Element] = []
                yield "".join(self._inline(child, boxes))
                for box in boxes:
                    yield from self.blocks(box)
            elif child.tag == f"{_W}tbl":
                yield "\n".join(" | ".join(self._cells(row)) for row in self._inside(child, f"{_W}tr"))
            else:
                yield from self.blocks(child)

    def notes(self) -> Iterator[str]:
        """Yield the paragraphs of all notes that the text refers to."""
        for paragraphs in self._referred.values():
            yield from paragraphs

    def read_part(self, link: Any) -> tuple[str, str] | None:
        """Read a part that a document links to: keep its notes, and count the rest. Return its name and its fault."""
        from docx.oxml.parser import parse_xml

        kind = str(link.reltype).rpartition("/")[2]
        if link.is_external or kind not in ("footnotes", "endnotes", "comments", "header", "footer"):
            return None
        try:
            root = parse_xml(link.target_part.blob)
        except (ValueError, SyntaxError) as error:
            return kind, str(error)
        if kind in ("header", "footer"):
            self.left_out["a header or footer"] += _has_words(root)
        for child in root.iterchildren("*") if kind not in ("header", "footer") else ():
            note = (kind, child.get(f"{_W}id", ""))
            if note in self._referred:
                self._referred[note] = [*self.blocks(child)]
            else:
                self.left_out["a comment" if kind == "comments" else "a note without a reference"] += _has_words(child)
        return None

    def _children(self, element: Element) -> Iterator[Element]:
        """Yield the children that are part of the text, one of several alternatives, and count the others."""
        for child in element.iterchildren("*"):
            if child.tag == f"{_W}del" or child.find(f"{_W}trPr/{_W}del") is not None:
                self.left_out["deleted text"] += _has_words(child)
            elif child.find(_PLACEHOLDER) is not None:
                self.left_out["a placeholder"] += 1
            elif child.tag == _ALTERNATIVES:
                yield from filter(_has_words, [*filter(_has_words, child.iterchildren("*"))][:1])
            elif child.tag != f"{_W}moveFrom":  # its words are read where they were moved to
                yield child

    def _inside(self, element: Element, tag: str) -> Iterator[Element]:
        """Yield the rows of a table, or the cells of a row, however they are wrapped."""
        for child in self._children(element):
            if child.tag == tag:
                yield child
            else:
                yield from self._inside(child, tag)

    def _cells(self, row: Element) -> Iterator[str]:
        for cell in self._inside(row, f"{_W}tc"):
            yield "\n".join(self.blocks(cell)).strip()

    def _inline(self, element: Element, boxes: list[Element]) -> Iterator[str]:
        """Yield the texts of a paragraph, a run or a formula. Add the text boxes in it to `boxes`."""
        for child in self._children(element):
            tag = child.tag
            if tag in _TEXTS:
                yield "".join(child.itertext())
            elif tag in _SIGNS:
                yield _SIGNS[tag]
            elif tag in _NOTES:
                self._referred.setdefault((_NOTES[tag], child.get(f"{_W}id", "")), [])
            elif tag == f"{_W}txbxContent":
                boxes.append(child)
            elif tag == f"{_M}chr":  # the sign of a sum
                yield child.get(f"{_M}val", "")
            elif tag == f"{_M}d":
                yield f"({''.join(self._inline(child, boxes))})"
            elif tag in (_OPERATORS.keys() | {f"{_M}num"}):
                said = "".join(self._inline(child, boxes))
                yield _OPERATORS.get(tag, "") * bool(said) + (said if len(said) < 2 else f"({said})")
            else:
                yield from self._inline(child, boxes)


def _has_words(element: Element) -> bool:
    return any(text.text and text.text.strip() for text in element.iter(*_TEXTS, f"{_W}delText"))


FORM = Form(
    parse, endings=(".docx",), about="A Word document, with its notes after its body.", needs=("docx",), guarded=True
)
