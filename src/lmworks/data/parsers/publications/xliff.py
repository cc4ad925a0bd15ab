"""Files of translation programs (XLIFF 1.2): a record for each unit, with the fields `source` and `target`.

https://docs.oasis-open.org/xliff/v1.2/os/xliff-core.html
"""

from __future__ import annotations

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.parser import Found, Piece, Reading, Skipped, Span
from lmworks.data.parsers.publications.xml import Element, element_form

UNTRANSLATED = ("new", "needs-translation")
"""States of a target that nobody has translated. Programs fill it with the source."""
WORDS = ("g", "mrk")
"""Elements inside a text whose content is part of it. Others hold codes of the program."""


def _record(unit: Element, path: str, number: str, reading: Reading) -> Found:
    """Return source and target of a unit. Units without a translated target are left out."""
    source, target = unit.find("source"), unit.find("target")
    row = {"source": _text(source), "target": _text(target)}
    if target is None or target.get("state") in UNTRANSLATED or not all(row.values()):
        return Skipped(path, number, "a unit that is not translated")
    return row_record(row, Piece(path, 0), int(number), Span(0, b"", 0), reading)


def _text(element: Element | None) -> str:
    return "" if element is None else _words(element).strip()


def _words(element: Element) -> str:
    inner = ((_words(each) if each.tag in WORDS else "") + (each.tail or "") for each in element)
    return (element.text or "") + "".join(inner)


FORM = element_form(
    "trans-unit",
    _record,
    endings=(".xlf", ".xliff"),
    about="Files of translation programs (XLIFF 1.2). Each translated unit is a row with `source` and `target`.",
)
