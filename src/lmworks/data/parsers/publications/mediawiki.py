"""A MediaWiki dump (`pages-articles.xml`): one record per article, without markup."""

from __future__ import annotations

import re
from typing import Any

from lmworks.data.parsers.parser import Found, Reading, Record, Skipped
from lmworks.data.parsers.publications.xml import Element, element_form

_NOT_TEXT = re.compile(r"(?:File|Image|Category|Media):", re.IGNORECASE)
_NO_TAG = re.compile(r"<(?!/?[a-z]|!--)", re.IGNORECASE)
_LESS = "\ufdd0"
"""Code point that no text has. It replaces each `<` that begins no tag, for whose end the library would search."""
_STYLE = re.compile(r"('*)'{5}|(')'{3}|'{2,3}")
"""Signs of italic and bold words. If there are more signs, the further ones are text."""


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
    return Record(path, key, f"{title}\n\n{plain_text(markup)}", "text", reading.licence, {"title": title}, created)


def plain_text(markup: str) -> str:
    """Return the running text of wiki markup: no templates, tables, references, pictures or categories."""
    import mwparserfromhell

    code = mwparserfromhell.parse(_NO_TAG.sub(_LESS, markup), skip_style_tags=True)
    waiting = [code]
    while waiting:  # the library's own `remove` looks through the whole page each time
        part = waiting.pop()
        part.nodes = [_without_style(node) for node in part.nodes if _is_text(node)]
        waiting.extend(child for node in part.nodes if _is_parsed(node) for child in node.__children__())
    return str(code.strip_code()).replace(_LESS, "<")


def _is_text(node: Any) -> bool:
    from mwparserfromhell.nodes import Tag, Wikilink

    if isinstance(node, Wikilink):
        return not _NOT_TEXT.match(str(node.title))
    return not isinstance(node, Tag) or str(node.tag).lower() not in ("ref", "table", "gallery", "math")


def _is_parsed(node: Any) -> bool:
    """Return whether a node can contain markup. A node `nowiki` cannot."""
    from mwparserfromhell.definitions import is_parsable
    from mwparserfromhell.nodes import Tag

    return not isinstance(node, Tag) or bool(is_parsable(str(node.tag)))


def _without_style(node: Any) -> Any:
    """Return a node without signs of italic and bold words, for whose ends the library would search the page."""
    from mwparserfromhell.nodes import Text

    return Text(_STYLE.sub(r"\1\2", str(node.value))) if isinstance(node, Text) else node


FORM = element_form(
    "page",
    _record,
    needs=("lxml", "mwparserfromhell"),
    about="Pages of a MediaWiki dump, such as Wikipedia's.",
)
