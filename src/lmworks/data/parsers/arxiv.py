"""arXiv: abstracts as its OAI-PMH service gives them (format `arXiv`), each under its own licence; and TeX sources."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Skipped, Span, whole_file
from lmworks.data.parsers.xml import Element, element_form, text_of

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
    """TeX without preamble, comments and commands."""
    from pylatexenc.latex2text import LatexNodes2Text

    _, begins, body = source.partition(r"\begin{document}")
    body = body.partition(r"\end{document}")[0] if begins else source
    return str(LatexNodes2Text(math_mode="verbatim", strict_latex_spaces=False).latex_to_text(body))


FORM = element_form("record", _record, states_licences=True, about="Abstracts of arXiv, each under its own licence.")
TEX = Form(parse_tex, encoding="text", endings=(".tex",), about="TeX, without its markup.", needs=("pylatexenc",))
