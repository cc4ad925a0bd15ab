"""Any XML: the elements named by `records` are rows, with their attributes and the elements inside them as fields."""

from __future__ import annotations

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.parser import Found, Piece, Reading, Span
from lmworks.data.parsers.xml import Element, element_form, text_of


def _record(element: Element, path: str, number: str, reading: Reading) -> Found:
    row = dict(element.attrib)
    for child in element.iterchildren("*"):
        before = row.get(child.tag)
        row[child.tag] = f"{before}\n\n{text_of(child)}" if before else text_of(child)
    return row_record(row, Piece(path, 0), int(number), Span(0, b"", 0), reading)


FORM = element_form(None, _record, about="XML: the elements that `records` names are rows.")
