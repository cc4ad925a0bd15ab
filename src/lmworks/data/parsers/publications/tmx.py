"""Translation memories (TMX): a record for each unit, with a field for each language.

https://www.gala-global.org/tmx-14b
"""

from __future__ import annotations

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.parser import Found, Piece, Reading, Skipped, Span
from lmworks.data.parsers.publications.xml import Element, element_form

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def _record(unit: Element, path: str, number: str, reading: Reading) -> Found:
    """Return the texts of a unit by language, such as `de` and `en`. A second one, as `pt-BR`, keeps its country."""
    row: dict[str, str] = {}
    for variant in unit.findall("tuv"):
        stated = variant.get(_LANGUAGE) or variant.get("lang") or ""
        language = stated.replace("_", "-").partition("-")[0].lower()
        segment = variant.find("seg")
        text = "" if segment is None else _text(segment).strip()
        if language and text:
            row[stated if language in row else language] = text
    if len(row) < 2:
        return Skipped(path, number, "a unit without texts in two languages")
    return row_record(row, Piece(path, 0), int(number), Span(0, b"", 0), reading)


def _text(segment: Element) -> str:
    """Return the words of a segment. Elements other than `hi` hold codes of the program that wrote it."""
    parts = [segment.text or ""]
    for inner in segment:
        parts += [_text(inner) if inner.tag == "hi" else "", inner.tail or ""]
    return "".join(parts)


FORM = element_form(
    "tu",
    _record,
    endings=(".tmx",),
    about="Translation memories. Each unit is a row with a field for each language, such as `de` and `en`.",
)
