"""Tags of HTML with attributes without end: a tree links each new one behind all others of its element."""

from __future__ import annotations

import re
from functools import cache

MOST_ATTRIBUTES = 256
"""Of an element that are read: of so many, a page takes linear time. The text of a page stands in none."""
_S = r"[ \t\n\f\r]"
_NAME = r"</?[a-zA-Z][^ \t\n\f\r/>]*+"
_ATTRIBUTE = (
    rf"[ \t\n\f\r/]*+[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+"
    rf"(?:{_S}*+={_S}*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^ \t\n\f\r>\"'][^ \t\n\f\r>]*+)?+)?+"
)
_RAW = r"(?:iframe|noembed|noframes|plaintext|script|style|textarea|title|xmp)"
"""Elements in which nothing is a tag but their own end; `plaintext` has none."""
_RAW_NAME = re.compile(rf"<({_RAW})(?=[ \t\n\f\r/>])", re.IGNORECASE)
_TAG = re.compile(rf"{_NAME}(?:{_ATTRIBUTE})*+")
_EMPTY_TAG = re.compile(r"[ \t\n\f\r/]*/>")
_COMMENT_END = re.compile(r"-->|(?<!<!)(?<!<!-)--!>")


@cache
def _patterns(most: int) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What is skipped: text, and tags of at most so many attributes; and the beginning of a tag up to its last one."""
    few = rf"{_NAME}(?:{_ATTRIBUTE}){{0,{most}}}+"
    other = r"[^<]++|<(?:!(?!--)|\?)[^>]*+>?|</[^a-zA-Z>][^>]*+>?|<(?![!?/a-zA-Z])|</(?:>|\Z)"
    skipped = rf"(?:{other}|(?!<{_RAW}[ \t\n\f\r/>]){few}[ \t\n\f\r/]*+(?:>|\Z))*+"
    return re.compile(skipped, re.IGNORECASE), re.compile(few)


def with_few_attributes(markup: str, most: int = MOST_ATTRIBUTES) -> str:
    """A page without the attributes of each tag behind so many, by a scan in linear time (WHATWG HTML, 13.2.5)."""
    if len(markup) <= 2 * most:
        return markup
    skipped, few = _patterns(most)
    parts, done, at = [], 0, 0
    while (found := skipped.match(markup, at)) and (at := found.end()) < len(markup):
        if markup.startswith("<!--", at):
            if (end := _COMMENT_END.search(markup, at + 2)) is None:
                break
            at = end.end()
            continue
        kept, tag = few.match(markup, at), _TAG.match(markup, at)
        if kept is None or tag is None:
            at += 1
            continue
        if kept.end() < tag.end():
            parts.append(markup[done : kept.end()])
            done = tag.end()
        name = _RAW_NAME.match(markup, at)
        at = tag.end()
        if name and not _EMPTY_TAG.match(markup, at):
            end_tag = re.compile(rf"</{name[1]}(?=[ \t\n\f\r/>])", re.IGNORECASE).search(markup, at)
            if end_tag is None or name[1].lower() == "plaintext":
                break
            at = end_tag.start()
    return "".join([*parts, markup[done:]])
