"""Word documents (.docx): all text of the body in its order, then its notes.

What authors deleted, comments, headers and footers are no part of the text: they are counted.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Skipped, Span, whole_file

MOST_TAGS = 2**22
"""Of a document, which stands in memory as a tree of its elements."""

Element = Any
"""An lxml element; the library states no types."""
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_TEXTS = (f"{_W}t", f"{_M}t")
_ALTERNATIVES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
_AROUND = {
    *(f"{_W}{name}" for name in ("bdo", "customXml", "dir", "fldSimple", "hyperlink", "ins", "moveTo", "rt", "ruby")),
    *(f"{_W}{name}" for name in ("rubyBase", "sdt", "sdtContent", "smartTag")),
}
"""Elements that stand around text and say nothing themselves."""
_SIGNS = {f"{_W}tab": "\t", f"{_W}ptab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_NOTES = {f"{_W}footnoteReference": "footnotes", f"{_W}endnoteReference": "endnotes"}
_DRAWN = {f"{_W}{name}" for name in ("drawing", "pict", "object")}
_GRAPHICS = [f"{{http://schemas.openxmlformats.org/drawingml/2006/{name}" for name in ("chart}chart", "diagram}relIds")]
_OPERATORS = {f"{_M}{name}": sign for name, sign in {"num": "", "den": "/", "sub": "_", "sup": "^", "deg": ""}.items()}
"""What comes before a part of a formula that is written above or below the line."""
_DELETED = "deleted text"


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """One record; a row of a table is "cell | cell"."""
    import docx

    try:
        archive = zipfile.ZipFile(io.BytesIO(span.raw))
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > 10 * reading.limit:
            reason = f"longer than record_bytes: {unpacked} bytes when unpacked, ten times record_bytes is allowed"
            yield span.unreadable(piece.name, "", reason)
            return
        if (tags := sum(_tags(archive))) > MOST_TAGS:
            yield span.unreadable(
                piece.name, "", f"more tags and attributes than are read: {tags:,}, and {MOST_TAGS:,} are"
            )
            return
        document = docx.Document(io.BytesIO(span.raw))
        words = _Words()
        blocks = [*words.blocks(document.element.body)]
        faults = [fault for part in document.part.rels.values() if (fault := words.read_part(part))]
        text = "\n\n".join(block for block in (*blocks, *words.notes()) if block.strip())
    except Exception as error:  # a damaged file raises KeyError, BadZipFile, XMLSyntaxError and more
        yield span.unreadable(piece.name, "", f"not a readable docx: {error}")
        return
    for name, said in faults:
        yield span.unreadable(piece.name, name, f"not a readable part of a docx: {name}: {said}")
    for what, times in sorted(words.left_out.items()):
        for number in range(1, times + 1):
            yield Skipped(piece.name, f"{what} {number}", f"{what} of a Word document")
    yield Record(piece.name, "", text, "text", reading.licence)


def _tags(archive: zipfile.ZipFile) -> Iterator[int]:
    for entry in archive.infolist():
        with archive.open(entry) as member:
            while chunk := member.read(2**20):
                yield chunk.count(b"<") + chunk.count(b'="')


class _Words:
    """What a document says, the notes that it refers to, and how often something of it is left out."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self._referred: dict[tuple[str, str], list[str]] = {}
        """Each note that is referred to, in order, and its paragraphs once they are read."""

    def blocks(self, element: Element) -> Iterator[str]:
        """The paragraphs and tables inside an element; text boxes come after the paragraph that they are tied to."""
        for child in self._inside(element):
            if child.tag == f"{_W}p":
                boxes: list[Element] = []
                yield "".join(self._inline(child, boxes))
                for box in boxes:
                    yield from self.blocks(box)
            elif child.tag == f"{_W}tbl":
                yield "\n".join(self._rows(child))
            elif child.tag == f"{_W}altChunk":
                self.left_out["a file inside"] += 1

    def notes(self) -> Iterator[str]:
        """The paragraphs of all notes that are referred to."""
        for paragraphs in self._referred.values():
            yield from paragraphs

    def read_part(self, link: Any) -> tuple[str, str] | None:
        """Read what a document links to: its notes are kept, the rest is counted. The part's name, and its fault."""
        from docx.oxml.parser import parse_xml

        kind = str(link.reltype).rpartition("/")[2]
        if link.is_external or kind not in ("footnotes", "endnotes", "comments", "header", "footer"):
            return None
        try:
            root = parse_xml(link.target_part.blob)
        except (ValueError, SyntaxError) as error:
            return kind, str(error)
        if kind in ("header", "footer"):
            self.left_out["a header or footer"] += _says_something(root)
        for child in root.iterchildren("*") if kind == "comments" else ():
            self.left_out["a comment"] += _says_something(child)
        for child in root.iterchildren("*") if kind in _NOTES.values() else ():
            note = (kind, child.get(f"{_W}id", ""))
            if note in self._referred:
                self._referred[note] = [*self.blocks(child)]
            else:
                self.left_out["a note without a reference"] += _says_something(child)
        return None

    def _inside(self, element: Element) -> Iterator[Element]:
        """The children of an element, in place of those that only stand around text what is inside of them."""
        for child in element.iterchildren("*"):
            if child.tag == f"{_W}del":
                self.left_out[_DELETED] += _says_something(child)
            elif child.tag == f"{_W}sdt" and child.find(f"{_W}sdtPr/{_W}showingPlcHdr") is not None:
                self.left_out["a placeholder"] += 1
            elif child.tag == _ALTERNATIVES:
                branches = child.iterchildren("*")
                if (branch := next(filter(_says_something, branches), None)) is not None:
                    yield from self._inside(branch)
            elif child.tag in _AROUND:
                yield from self._inside(child)
            elif child.tag != f"{_W}moveFrom":  # which says what is read where it was moved to
                yield child

    def _rows(self, table: Element) -> Iterator[str]:
        for row in self._inside(table):
            if row.tag != f"{_W}tr":
                continue
            if row.find(f"{_W}trPr/{_W}del") is not None:
                self.left_out[_DELETED] += _says_something(row)
                continue
            cells = (cell for cell in self._inside(row) if cell.tag == f"{_W}tc")
            yield " | ".join("\n".join(self.blocks(cell)).strip() for cell in cells)

    def _inline(self, element: Element, boxes: list[Element]) -> Iterator[str]:
        """The texts of a paragraph, of a run, or of a part of a formula; the text boxes in it are added to `boxes`."""
        for child in self._inside(element):
            tag = child.tag
            if tag in _TEXTS:
                yield "".join(child.itertext())
            elif tag in _SIGNS:
                yield _SIGNS[tag]
            elif tag == f"{_W}sym":
                yield self._sign(child)
            elif tag in _NOTES:
                self._referred.setdefault((_NOTES[tag], child.get(f"{_W}id", "")), [])
            elif tag in _DRAWN:
                boxes += self._boxes(child)
                self.left_out["a chart or diagram"] += sum(1 for _ in child.iter(*_GRAPHICS))
                self.left_out["a file inside"] += tag == f"{_W}object"
            elif tag == f"{_W}r":
                yield from self._inline(child, boxes)
            elif tag.startswith(_M):
                yield self._formula(child, boxes)

    def _boxes(self, drawn: Element) -> Iterator[Element]:
        for child in self._inside(drawn):
            if child.tag == f"{_W}txbxContent":
                yield child
            else:
                yield from self._boxes(child)

    def _sign(self, symbol: Element) -> str:
        """A sign of a typeface, if its code is a character's."""
        try:
            sign = chr(int(symbol.get(f"{_W}char", ""), 16))
            sign.encode()
        except (ValueError, OverflowError):
            sign = "\ue000"
        if "\ue000" <= sign <= "\uf8ff":  # for private use: each typeface draws something else
            self.left_out["a sign of a typeface"] += 1
            return ""
        return sign

    def _formula(self, part: Element, boxes: list[Element]) -> str:
        """A part of a formula on one line."""
        name = part.tag.removeprefix(_M)
        if name == "d":
            begin, between, end = (_stated(part, "dPr", key, sign) for key, sign in _BRACKETS.items())
            inner = ("".join(self._inline(each, boxes)) for each in part.iterchildren(f"{_M}e"))
            return begin + between.join(inner) + end
        if name in _BETWEEN:
            inside = (each for each in self._inside(part) if not each.tag.endswith("Pr"))
            return _BETWEEN[name].join(self._formula(each, boxes) for each in inside)
        said = "".join(self._inline(part, boxes))
        if name == "nary":
            return _stated(part, "naryPr", "chr", "∫") + said
        if name == "rad":
            return f"√({said})"
        if (sign := _OPERATORS.get(part.tag)) is None or not said:
            return said
        return sign + (said if len(said) == 1 else f"({said})")


_BETWEEN = {"mr": " ", "m": "; ", "eqArr": "; ", "func": " "}
"""What comes between the parts of a matrix's row, its rows, equations below each other, a function and its argument."""
_BRACKETS = {"begChr": "(", "sepChr": "|", "endChr": ")"}


def _stated(part: Element, properties: str, name: str, default: str) -> str:
    found = part.find(f"{_M}{properties}/{_M}{name}")
    return default if found is None else str(found.get(f"{_M}val", ""))


def _says_something(element: Element) -> bool:
    return any(text.text and text.text.strip() for text in element.iter(*_TEXTS, f"{_W}delText"))


FORM = Form(parse, endings=(".docx",), about="A Word document: its body, then its notes.", needs=("docx",))
