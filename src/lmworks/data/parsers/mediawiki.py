"""A MediaWiki dump (`pages-articles.xml`): an article a record, its markup taken away."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

from lmworks.data.parsers.parser import Reading, Record, Skipped
from lmworks.data.parsers.xml import Element, element_form

_NOT_TEXT = re.compile(r"\[\[(?:File|Image|Category|Media):", re.IGNORECASE)


def _record(page: Element, path: str, number: str, reading: Reading) -> Record | Skipped:
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
    return Record(path, key, f"{title}\n\n{plain_text(markup)}", "text", reading.licence, {"title": title}, created)


def plain_text(markup: str) -> str:
    """The running text of wiki markup: no templates, tables, references, pictures or categories."""
    import mwparserfromhell

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
