"""A MediaWiki dump (`pages-articles.xml`): an article a record, its markup taken away."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

from lmworks.data.parsers.parser import Found, Reading, Record, Skipped, Unreadable
from lmworks.data.parsers.xml import Element, element_form

_NOT_TEXT = re.compile(r"\[\[(?:File|Image|Category|Media):", re.IGNORECASE)

_MOST_OPEN = 1_000
_PAIRS = [
    re.compile(pair, re.IGNORECASE)
    for pair in (r"(?P<opens>\{\{)|\}\}", r"(?P<opens>\[(?=\w+:|//))|\]", r"(?P<opens><ref\b[^<>/]*+>)|</ref")
]
"""What opens and what closes templates, external links and references."""


def _record(page: Element, path: str, number: str, reading: Reading) -> Found:
    key = page.findtext("id") or number
    title = page.findtext("title") or ""
    if (page.findtext("ns") or "0") != "0":
        return Skipped(path, key, "not an article")
    if page.find("redirect") is not None:
        return Skipped(path, key, "a redirect")
    revisions = page.findall("revision")  # a dump of histories holds several, oldest first
    markup = revisions[-1].findtext("text") if revisions else None
    if not markup:
        return Skipped(path, key, "no text")
    created = revisions[-1].findtext("timestamp")
    try:
        text = plain_text(markup)
    except ValueError as error:
        return Unreadable(path, key, 0, f"{error}", b"")
    return Record(path, key, f"{title}\n\n{text}", "text", reading.licence, {"title": title}, created)


def plain_text(markup: str) -> str:
    """The running text of wiki markup: no templates, tables, references, pictures or categories.

    Raises ValueError for markup that opens more than is read without closing it: parsing takes quadratic time then.
    """
    import mwparserfromhell

    for both in _PAIRS:
        depth = deepest = 0
        for found in both.finditer(markup):
            depth = depth + 1 if found.lastgroup == "opens" else max(depth - 1, 0)
            deepest = max(deepest, depth)
        if deepest > _MOST_OPEN:
            raise ValueError(f"markup without closing: {deepest:,} are open at once, and {_MOST_OPEN:,} are read")
    code = mwparserfromhell.parse(markup)
    for link in code.ifilter_wikilinks(recursive=True):
        if _NOT_TEXT.match(str(link)):
            _remove(code, link)
    for tag in code.ifilter_tags(recursive=True):
        if str(tag.tag).lower() in ("ref", "table", "gallery", "math"):
            _remove(code, tag)
    return str(code.strip_code())


def _remove(code: Any, node: Any) -> None:
    with suppress(ValueError):  # it may have gone with the node around it
        code.remove(node)


FORM = replace(
    element_form("page", _record, about="Pages of a MediaWiki dump, such as Wikipedia's."),
    needs=("lxml", "mwparserfromhell"),
)
