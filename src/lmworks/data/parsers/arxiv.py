"""arXiv: abstracts as its OAI-PMH service gives them (format `arXiv`), each under its own licence; and TeX sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Skipped, Span, whole_file
from lmworks.data.parsers.xml import Element, element_form, text_of

LEFT_OUT = ("author", "date", "maketitle", "thanks", "title", "today")
"""Macros that give nothing where they stand: title and authors come first, and a day is not the text's."""
ARGUMENT, MOST_ARGUMENTS = 10_000, 1_000
"""Characters of a title or of the authors, and how often they may be stated."""
_COMMENT = re.compile(r"(?<!\\)%[^\n]*")
_EDGE = re.compile(r"\\.|[{}]", re.DOTALL)
_CREATIVE_COMMONS = re.compile(r"https?://creativecommons\.org/licenses/([a-z-]+)/([0-9.]+)/?")
_LICENCES = {
    "creativecommons.org/publicdomain/zero/1.0": "CC0-1.0",
    "arxiv.org/licenses/nonexclusive-distrib/1.0": "LicenseRef-arXiv-nonexclusive-distrib-1.0",
}


def _record(record: Element, path: str, number: str, reading: Reading) -> Record | Skipped:
    header = record.find("{*}header")
    if header is not None and header.get("status") == "deleted":
        return Skipped(path, number, "deleted")
    paper = record.find("{*}metadata/{*}arXiv")
    key = paper.findtext("{*}id") or number
    title, abstract = text_of(paper.find("{*}title")), text_of(paper.find("{*}abstract"))
    meta = {"title": title, "categories": text_of(paper.find("{*}categories"))}
    licence = spdx(paper.findtext("{*}license")) or reading.licence
    return Record(path, key, f"{title}\n\n{abstract}", "text", licence, meta, paper.findtext("{*}created"))


def spdx(address: str | None) -> str | None:
    """The SPDX id of a licence named by its web address; None for one that is not known."""
    if not address:
        return None
    if found := _CREATIVE_COMMONS.match(address):
        return f"CC-{found[1].upper()}-{found[2]}"
    return _LICENCES.get(re.sub(r"^https?://|/$", "", address.strip()))


@whole_file
def parse_tex(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """The running text of one TeX file; formulas stay as they are written."""
    source = span.raw.decode("utf-8-sig")
    try:
        yield Record(piece.name, "", tex_to_text(source), "text", reading.licence)
    except (ValueError, IndexError, RecursionError) as error:
        yield span.unreadable(piece.name, "", f"not TeX: {error}")


def tex_to_text(source: str) -> str:
    """TeX without preamble, comments and commands, behind its title and its authors.

    The day on which it is read is no part of it: `\\today` is left out.
    """
    _, begins, body = source.partition(r"\begin{document}")
    body = body.partition(r"\end{document}")[0] if begins else source
    facts = [*_arguments(source, "title")[:1], *_arguments(source, "author")]
    said = [" ".join(_plain(each).split()).replace(" ,", ",") for each in facts]
    return "\n\n".join([*filter(None, said), _plain(body)])


@cache
def _contexts() -> tuple[Any, Any]:
    """The macros that are known: how they are parsed, and what they become."""
    from pylatexenc import latex2text, latexwalker, macrospec

    parsed, read = latexwalker.get_default_latex_context_db(), latex2text.get_default_latex_context_db()
    with_argument = [macrospec.std_macro(name, True, 1) for name in ("author", "date", "thanks", "title")]
    parsed.add_context_category("lmworks", macros=with_argument, prepend=True)
    left_out = [latex2text.MacroTextSpec(name, "") for name in LEFT_OUT]
    parted = latex2text.MacroTextSpec("and", ", ")
    read.add_context_category("lmworks", macros=[*left_out, parted], prepend=True)
    return parsed, read


def _plain(source: str) -> str:
    from pylatexenc.latex2text import LatexNodes2Text

    parsed, read = _contexts()
    reader = LatexNodes2Text(latex_context=read, math_mode="verbatim", strict_latex_spaces=False)
    return str(reader.latex_to_text(source, latex_context=parsed))


def _arguments(source: str, macro: str) -> list[str]:
    """What a macro is given, each time that it is, up to `ARGUMENT` characters; one that does not end is left out."""
    found = []
    source = _COMMENT.sub("", source)
    for begin in re.finditer(rf"\\{macro}\s*(?:\[[^\]\n]{{0,{ARGUMENT}}}\]\s*)?\{{", source):
        depth = 1
        for edge in _EDGE.finditer(source, begin.end(), begin.end() + ARGUMENT):
            depth += {"{": 1, "}": -1}.get(edge[0], 0)
            if not depth:
                found.append(source[begin.end() : edge.start()])
                break
        if len(found) == MOST_ARGUMENTS:
            break
    return found


FORM = element_form("record", _record, states_licences=True, about="Abstracts of arXiv, each under its own licence.")
TEX = Form(parse_tex, encoding="text", endings=(".tex",), about="TeX, without its markup.", needs=("pylatexenc",))
