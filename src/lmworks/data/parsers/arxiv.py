"""arXiv: abstracts as its OAI-PMH service gives them (format `arXiv`), each under its own licence; and TeX sources."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Skipped, Span, whole_file
from lmworks.data.parsers.xml import Element, element_form, text_of

LEFT_OUT = ("author", "date", "maketitle", "thanks", "title", "today")
"""Macros that give nothing where they stand: title and authors come first, and a day is not the text's."""
ARGUMENT, MOST_ARGUMENTS = 10_000, 1_000
"""Characters of a title or of the authors, and how often they may be stated."""
MOST_SIGNS = 2**19
"""Commands, groups and formulas of a file, each of which takes 0.6 KB of memory and 40 microseconds."""
_SIGNS = re.compile(r"[\\{$]")
WORDS = ("mbox", "textmd", "textsf", "texttt", "textup")
"""Macros whose argument is text, which pylatexenc parses and leaves out."""
NO_WORDS = frozenset(
    re.findall(
        r"\w+",
        "acknowledgments appendix bf bfseries bibitem bibliographystyle bigskip bottomrule caption centering "
        "cleardoublepage clearpage cline columnwidth em fbox footnotemark footnotesize gls hfill hline huge Huge "
        "index it itshape large Large LARGE linebreak linewidth listoffigures lstinline medskip midrule multicolumn "
        "multirow newline newpage noindent nolinkurl normalsize num pagebreak pageref pagestyle par parencite path "
        "phantom protect qty raggedleft raggedright rm rmfamily sc scriptsize scshape sf sffamily si SI sl small "
        "smallskip sout tableofcontents textcite textsubscript textsuperscript textwidth thispagestyle tiny toprule "
        "tt ttfamily uline vfill and",
    )
)
"""Macros that only say how it looks, or whose words are their arguments, which stay: others may stand for words."""
UNKNOWN = "macros of TeX that are not known"
NOT_READ = "files that TeX takes in by \\input, which are not read there"
_HEAD = re.compile(
    r"\\[\\%]|%[^\n]*"
    r"|\\begin\{(?P<name>verbatim\*?|alltt|(?:lstlisting|Verbatim\*?|minted)(?=\}(?P<options>\[[^\]]{0,1000}\])?))\}"
    r"|\\(?:verb\*?|lstinline(?:\[[^\]\n]{0,1000}\])?)(?P<mark>[^\w\s{*])"
    r"|(?P<macro>\\(?:url|href|path|nolinkurl)\s*\{)(?P<address>[^{}\n]{0,10000})(?=\})"
)
_LANGUAGE = re.compile(r"\{[\w+#-]{0,40}\}")
_ASIDE = re.compile("\ue000([0-9]{1,9})\ue001")
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
        told = Counter[str]()
        yield Record(piece.name, "", tex_to_text(source, told), "text", reading.licence, counts=+told)
    except (ValueError, IndexError, RecursionError) as error:
        yield span.unreadable(piece.name, "", f"not TeX: {error}")


def tex_to_text(source: str, told: Counter[str] | None = None) -> str:
    """TeX without preamble, comments and commands, behind its title and its authors; listings as they stand.

    The day on which it is read is no part of it: `\\today` is left out. `told` counts what is not read.
    Raises ValueError for more commands than are read.
    """
    source, aside = _set_aside(source)
    if (signs := len(_SIGNS.findall(source))) > MOST_SIGNS:
        raise ValueError(f"more commands and groups than are read: {signs:,}, and {MOST_SIGNS:,} are")
    _, begins, body = source.partition(r"\begin{document}")
    body = body.partition(r"\end{document}")[0] if begins else source
    facts = [*_arguments(source, "title")[:1], *_arguments(source, "author")]
    told = Counter() if told is None else told
    said = [" ".join(_plain(each, told).split()).replace(" ,", ",") for each in facts]
    text = "\n\n".join([*filter(None, said), _plain(body, told)])
    return _ASIDE.sub(lambda place: aside[int(place[1])] if int(place[1]) < len(aside) else place[0], text)


def _set_aside(source: str) -> tuple[str, list[str]]:
    """TeX with a mark in place of each listing and address, in which nothing is a command; and what these are."""
    parts, aside, at, endless = [], list[str](), 0, set[str]()
    while head := _HEAD.search(source, at):
        begin = stop = end = head.end()
        before = source[at : head.start()]
        if (name := head["name"]) and name not in endless:
            begin += len(head["options"] or "")
            if name == "minted" and (language := _LANGUAGE.match(source, begin)):
                begin = language.end()
            stop = source.find(f"\\end{{{name}}}", begin)
            end = stop + len(f"\\end{{{name}}}")
            endless |= {name} if stop < 0 else set()
        elif head["mark"]:
            line = source.find("\n", begin)
            stop = source.find(head["mark"], begin, line if line >= 0 else None)
            end = stop + 1
        elif head["macro"]:
            before, begin = f"{before}{head['macro']}", head.start("address")
        else:
            stop = -1
        if stop < 0:
            parts.append(source[at : head.end()])
            at = head.end()
        else:
            parts.append(f"{before}\ue000{len(aside)}\ue001")
            aside.append(source[begin:stop])
            at = end
    return "".join([*parts, source[at:]]), aside


@cache
def _contexts() -> tuple[Any, Any]:
    """The macros that are known: how they are parsed, and what they become."""
    from pylatexenc import latex2text, latexwalker, macrospec

    parsed, read = latexwalker.get_default_latex_context_db(), latex2text.get_default_latex_context_db()
    with_argument = [macrospec.std_macro(name, True, 1) for name in ("author", "date", "thanks", "title")]
    others = [macrospec.std_macro("href", False, 2), macrospec.std_macro("verb", False, 0)]
    listing = macrospec.std_environment("verbatim", "")
    macros = [*with_argument, *others]
    parsed.add_context_category("lmworks", macros=macros, environments=[listing], prepend=True)
    words = [latex2text.MacroTextSpec(name, discard=False) for name in WORDS]
    words += [latex2text.MacroTextSpec(name, name) for name in ("LaTeX", "TeX")]
    left_out = [latex2text.MacroTextSpec(name, "") for name in LEFT_OUT]
    parted = latex2text.MacroTextSpec("and", ", ")
    read.add_context_category("lmworks", macros=[*left_out, *words, parted], prepend=True)
    return parsed, read


def _plain(source: str, told: Counter[str]) -> str:
    from pylatexenc.latex2text import LatexNodes2Text

    parsed, read = _contexts()

    class Reader(LatexNodes2Text):  # type: ignore[misc]  # the library states no types
        def macro_node_to_text(self, node: Any) -> str:
            name = node.macroname
            told[NOT_READ] += name in ("input", "include")
            known = name in NO_WORDS or parsed.get_macro_spec(name) or read.get_macro_spec(name)
            told[UNKNOWN] += not known
            try:
                return str(super().macro_node_to_text(node))
            except (AttributeError, IndexError, TypeError):  # what it needs behind it is not there
                told[UNKNOWN] += bool(known)
                return ""

    reader = Reader(latex_context=read, math_mode="verbatim", strict_latex_spaces=False)
    return str(reader.latex_to_text(source, latex_context=parsed))


def _arguments(source: str, macro: str) -> list[str]:
    """What a macro is given, each time that it is, up to `ARGUMENT` characters; one that does not end is left out."""
    found = []
    begins = re.finditer(rf"\\{macro}\s*(?:\[[^\]\n]{{0,1000}}\]\s*)?\{{", _COMMENT.sub("", source))
    for begin in islice(begins, MOST_ARGUMENTS):
        depth = 1
        for edge in _EDGE.finditer(begin.string, begin.end(), begin.end() + ARGUMENT):
            depth += {"{": 1, "}": -1}.get(edge[0], 0)
            if not depth:
                found.append(begin.string[begin.end() : edge.start()])
                break
    return found


FORM = element_form("record", _record, states_licences=True, about="Abstracts of arXiv, each under its own licence.")
TEX = Form(parse_tex, encoding="text", endings=(".tex",), about="TeX, without its markup.", needs=("pylatexenc",))
