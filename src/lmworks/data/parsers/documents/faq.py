"""Pages of frequently asked questions: a record for each question with its answer, without the page's menus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from lmworks.data.parsers.documents.whole import decode_page
from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Skipped, Span, whole_file
from lmworks.data.parsers.tables.columns import KEPT_AS

FEWEST = 3
"""Minimum number of questions with the same markup on a page of frequently asked questions."""
ENDS = "?？؟;"
"""Signs that end a question. The last of them is Greek."""
_ASKED = re.compile(rb"<(summary|dt|h[2-5])\b[^>]{0,300}>(?:(?!</\1)[\s\S]){1,500}\?[\s\S]{0,100}?</\1")
_HEADINGS = ("h2", "h3", "h4", "h5")


def has_questions(head: bytes) -> bool:
    """Return whether the beginning of a page has enough questions for a page of frequently asked questions."""
    return len(_ASKED.findall(head)) >= FEWEST


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """Yield a record for each question, with the fields `question` and `answer`."""
    number = 0
    for number, row in enumerate(_pairs(decode_page(span.raw)), 1):
        raw = json.dumps(row, ensure_ascii=False).encode()
        yield row_record(row, piece, number, Span(0, raw, len(raw), KEPT_AS), reading)
    if not number:
        yield Skipped(piece.name, "", "a page without questions and answers")


def _pairs(page: str) -> Iterator[dict[str, str]]:
    """Yield the pairs of each kind of markup in which at least half of the headings are questions."""
    from lxml import html

    if not page.strip():
        return
    tree = html.document_fromstring(page.encode(), parser=html.HTMLParser(encoding="utf-8"))
    for found in (_folds(tree), _terms(tree), _headed(tree)):
        pairs = [(question, answer) for question, answer in found if question and answer]
        if len(pairs) >= FEWEST and 2 * sum(question[-1] in ENDS for question, _ in pairs) >= len(pairs):
            yield from ({"question": question, "answer": answer} for question, answer in pairs)


def _folds(tree: Any) -> Iterator[tuple[str, str]]:
    """Yield the pairs of parts that unfold: `details` with a `summary`."""
    for fold in tree.iter("details"):
        if (head := fold.find("summary")) is not None:
            yield _text(head), " ".join(_text(each) for each in fold if each is not head)


def _terms(tree: Any) -> Iterator[tuple[str, str]]:
    """Yield the terms of lists of definitions: `dt` with the `dd` after it."""
    for term in tree.iter("dt"):
        yield _text(term), " ".join(_text(each) for each in _until(term, ("dt",)))


def _headed(tree: Any) -> Iterator[tuple[str, str]]:
    """Yield headings, each with the text up to the next heading."""
    for heading in tree.iter(*_HEADINGS):
        yield _text(heading), " ".join(_text(each) for each in _until(heading, ("h1", *_HEADINGS)))


def _until(element: Any, stops: tuple[str, ...]) -> Iterator[Any]:
    for each in element.itersiblings():
        if each.tag in stops:
            return
        if isinstance(each.tag, str):  # and is no comment
            yield each


def _text(element: Any) -> str:
    """Return the words of an element with single spaces, without its buttons, scripts and styles."""
    words = element.xpath(".//text()[not(ancestor::button or ancestor::script or ancestor::style)]")
    return " ".join(" ".join(words).split())


FORM = Form(
    parse,
    encoding="text",
    needs=("lxml",),
    guarded=True,
    about="HTML pages of frequently asked questions. Each question with its answer is a row, as `question` and "
    "`answer`. Questions are in `summary`, `dt` or headings.",
)
