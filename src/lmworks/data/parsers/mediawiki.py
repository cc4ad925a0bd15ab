"""A MediaWiki dump (`pages-articles.xml`): an article a record, its markup taken away."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from lmworks.data.parsers.parser import Found, Reading, Record, Skipped, Unreadable
from lmworks.data.parsers.xml import Element, element_form

_NOT_TEXT = re.compile(r"(?:File|Image|Category|Media):", re.IGNORECASE)
_SINGLE = "br|wbr|hr|meta|link|img|li|dt|dd|th|td|tr"
"""Tags that need not be closed."""

_MOST_OPEN = 1_000
_PAIRS = [
    re.compile(pair, re.IGNORECASE)
    for pair in (
        r"(?P<opens>\{\{)|\}\}",
        r"(?P<opens>\[\[)|\]\]",
        r"(?P<opens>\[(?=\w+:|//))|\]",
        rf"(?P<opens><(?!(?:{_SINGLE})\b)[a-z]+\b[^<>]*+(?<!/)>?)|</[a-z]",
        r"(?P<opens>\{\|)|\|\}",
        r"(?P<opens><[a-z]+\b[^<>]*+(?!>))",
    )
]
"""What opens and what closes templates, links, external links, tags and tables. A tag without end never closes."""


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

    markup = _without_comments(markup)
    for both in _PAIRS:
        depth = deepest = 0
        for found in both.finditer(markup):
            depth = depth + 1 if found.lastgroup == "opens" else max(depth - 1, 0)
            deepest = max(deepest, depth)
        if deepest > _MOST_OPEN:
            raise ValueError(f"markup without closing: {deepest:,} are open at once, and {_MOST_OPEN:,} are read")
    code = mwparserfromhell.parse(markup)
    waiting = [code]
    while waiting:  # the library's own `remove` looks through the whole page each time
        part = waiting.pop()
        part.nodes = [node for node in part.nodes if _is_text(node)]
        waiting.extend(child for node in part.nodes for child in node.__children__())
    return str(code.strip_code())


def _is_text(node: Any) -> bool:
    from mwparserfromhell.nodes import Tag, Wikilink

    if isinstance(node, Wikilink):
        return not _NOT_TEXT.match(str(node.title))
    return not isinstance(node, Tag) or str(node.tag).lower() not in ("ref", "table", "gallery", "math")


def _without_comments(markup: str) -> str:
    """Without comments; of one that does not end, its beginning alone goes."""
    parts, at = [], 0
    while (begin := markup.find("<!--", at)) >= 0 and (end := markup.find("-->", begin + 4)) >= 0:
        parts.append(markup[at:begin])
        at = end + 3
    return "".join(parts) + markup[at:].replace("<!--", "")


FORM = replace(
    element_form("page", _record, about="Pages of a MediaWiki dump, such as Wikipedia's."),
    needs=("lxml", "mwparserfromhell"),
)
