"""`Posts.xml` of a Stack Exchange dump: one question or answer per line, in HTML, each under its stated licence."""

from __future__ import annotations

from collections.abc import Iterable

from lmworks.data.parsers.documents.whole import page_text
from lmworks.data.parsers.lines import line_form
from lmworks.data.parsers.parser import Found, Piece, Reading, Record, Skipped, Span
from lmworks.data.parsers.publications.xml import Element, read_element

_KEPT = {"PostTypeId": "post_type", "ParentId": "parent", "AcceptedAnswerId": "accepted_answer", "Score": "score"}


def _line(piece: Piece, number: int, line: Span, reading: Reading) -> Iterable[Found]:
    """Return the record of a `row` element. Each `row` is on its own line."""
    is_row = line.raw.lstrip().startswith(b"<row")
    return read_element(piece, number, line, reading, to_record=_record) if is_row else []


def _record(row: Element, path: str, number: str, reading: Reading) -> Record | Skipped:
    key = row.get("Id") or number
    if row.get("PostTypeId", "1") not in ("1", "2"):
        return Skipped(path, key, "neither a question nor an answer")
    body = row.attrib["Body"]
    if title := row.get("Title"):
        import html

        body = f"<h1>{html.escape(title)}</h1>\n{body}"
    text, form = page_text(body, reading)
    meta = {name: row.get(attribute) for attribute, name in _KEPT.items() if row.get(attribute)}
    if tags := row.get("Tags"):
        meta["tags"] = tags
    stated = row.get("ContentLicense")  # "CC BY-SA 4.0"
    licence = stated.strip().replace(" ", "-") if stated else reading.licence
    return Record(path, key, text, form, licence, meta, row.get("CreationDate"))


FORM = line_form(
    _line,
    encoding="xml",
    states_licences=True,
    needs=("lxml",),
    about="Posts of a Stack Exchange dump, each with its licence.",
    guarded=True,
)
