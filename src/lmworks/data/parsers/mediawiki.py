"""A MediaWiki dump (`pages-articles.xml`): an article a record, its markup taken away."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from lmworks.data.parsers.parser import Found, Reading, Record, Skipped, Unreadable
from lmworks.data.parsers.xml import Element, element_form

_NOT_TEXT = re.compile(r"(?:File|Image|Category|Media):", re.IGNORECASE)
_SINGLE = frozenset("br wbr hr meta link img li dt dd th td tr".split())  # noqa: SIM905
"""Tags that need not be closed."""
_MOST_OPEN = 1_000
_TIMES, _LEAST_WORK = 100, 10**6
"""Signs of a page that are looked at for what is open and never closed: so many times its length, and in any case."""
_MOST_SIGNS = 2**19
"""Of a page; each takes about a KB of memory. The longest page of Wikipedia has 2 MiB."""
_SIGNS = re.compile(r"^(?:[:;*#]++|----)|[{\[<&]|://", re.MULTILINE)
_MOST_EQUALS = 5_000
"""Runs of `=` in a heading: the library calls itself at each, and some 50,000 fill its stack and end the process."""
_HEADING = re.compile("^=", re.MULTILINE)
_IN_HEADING = re.compile(
    r"(?P<opens>\{\{|\[\[|\{\||<(?P<name>[a-z][^\s<>/]*+)[^<>]*+(?<!/)>)|(?P<closes>\}\}|\]\]|\|\}|</[a-z][^<>]*+>)"
    r"|\n|=++",
    re.IGNORECASE,
)
_NO_TAG = re.compile(r"<(?!/?[a-z])", re.IGNORECASE)
_LESS = "\ufdd0"
"""In place of a `<` that begins no tag: a code point that no text has."""
_STYLE = re.compile(r"('*)'{5}|(')'{3}|'{2,3}")
"""Signs of italic and bold words; of more signs than these have, the others are text."""
_TAG = re.compile(r"<(?P<closes>/)?(?P<name>[a-z][^\s<>/]*+)(?P<inside>[^<>]*+)(?P<end>>?)", re.IGNORECASE)
_PAIRS = [
    re.compile(pair, re.IGNORECASE)
    for pair in (
        r"(?P<opens>\{\{)|\}\}",
        r"(?P<opens>\[\[)|\]\]",
        r"(?P<opens>\[(?=\w+:|//))|\]",
        r"(?P<opens>\{\|)|\|\}",
    )
]
"""What opens and what closes templates, links, external links and tables."""


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

    Raises ValueError for markup that opens more than is read without closing it: parsing takes quadratic time then, and
    of a heading with thousands of `=`, at each of which the library calls itself.
    """
    import mwparserfromhell

    markup = _NO_TAG.sub(_LESS, _without_comments(markup))
    signs = sum(map(len, _SIGNS.findall(markup))) if len(markup) > _MOST_SIGNS else 0
    if signs > _MOST_SIGNS:
        raise ValueError(f"more signs of markup than are read: {signs:,}, and {_MOST_SIGNS:,} are")
    _refuse_unclosed(markup)
    _refuse_headings(markup)
    code = mwparserfromhell.parse(markup, skip_style_tags=True)
    waiting = [code]
    while waiting:  # the library's own `remove` looks through the whole page each time
        part = waiting.pop()
        part.nodes = [_without_style(node) for node in part.nodes if _is_text(node)]
        waiting.extend(child for node in part.nodes if _is_parsed(node) for child in node.__children__())
    return str(code.strip_code()).replace(_LESS, "<")


def _refuse_unclosed(markup: str) -> None:
    """Raise ValueError if too much is open at once, or if what never closes would have a page looked at too often."""
    unclosed, deepest = list[int](), 0
    for both in _PAIRS:
        places = list[int]()
        for found in both.finditer(markup):
            if found.lastgroup == "opens":
                places.append(found.start())
                deepest = max(deepest, len(places))
            elif places:
                places.pop()
        unclosed += places
    tags = dict[str, list[int]]()
    for tag in _TAG.finditer(markup):
        name, places = tag["name"].lower(), tags.setdefault(tag["name"].lower(), [])
        if tag["closes"]:
            del places[-1:]
        elif not tag["end"]:
            unclosed.append(tag.start())
        elif not tag["inside"].endswith("/") and name not in _SINGLE:
            places.append(tag.start())
    deepest = max([deepest, *map(len, tags.values())])
    work = sum(len(markup) - place for places in (unclosed, *tags.values()) for place in places)
    if deepest > _MOST_OPEN or work > max(_LEAST_WORK, _TIMES * len(markup)):
        raise ValueError(
            f"markup without closing: {deepest:,} are open at once, and {_MOST_OPEN:,} are read, or for what never "
            f"closes the page is looked at {work // len(markup):,} times, and {_TIMES} are allowed"
        )


def _refuse_headings(markup: str) -> None:
    """Raise ValueError for a heading of too many `=`; it ends with its line, or with what opens there."""
    at = 0 if markup.count("=") > _MOST_EQUALS else len(markup)
    while heading := _HEADING.search(markup, at):
        depth = runs = 0
        for found in _IN_HEADING.finditer(markup, heading.start()):
            at = found.end()
            if found["opens"]:
                depth += not found["name"] or found["name"].lower() not in _SINGLE
            elif found["closes"]:
                depth -= depth > 0
            elif found[0] != "\n":
                runs += 1
            elif not depth:
                break
        if runs > _MOST_EQUALS:
            raise ValueError(f"a heading of too many signs: {runs:,} times `=`, and {_MOST_EQUALS:,} are read")


def _is_text(node: Any) -> bool:
    from mwparserfromhell.nodes import Tag, Wikilink

    if isinstance(node, Wikilink):
        return not _NOT_TEXT.match(str(node.title))
    return not isinstance(node, Tag) or str(node.tag).lower() not in ("ref", "table", "gallery", "math")


def _is_parsed(node: Any) -> bool:
    """Whether there is markup in it, as there is none in `nowiki`."""
    from mwparserfromhell.definitions import is_parsable
    from mwparserfromhell.nodes import Tag

    return not isinstance(node, Tag) or bool(is_parsable(str(node.tag)))


def _without_style(node: Any) -> Any:
    """A node without the signs of italic and bold words, which the library would look for up to the end of a page."""
    from mwparserfromhell.nodes import Text

    return Text(_STYLE.sub(r"\1\2", str(node.value))) if isinstance(node, Text) else node


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
