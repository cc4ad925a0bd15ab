"""TeX: the running text of one file, without its markup."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Span, whole_file

LEFT_OUT = ("author", "date", "maketitle", "thanks", "title", "today")
"""Macros that give no text at their place: title and authors come first, and dates are left out."""
ARGUMENT = 10_000
"""Maximum characters of a title or of the authors."""
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
"""Macros that only change the look, or whose arguments are words and stay. Other unknown macros can mean words."""
UNKNOWN = "macros of TeX that are not known"
NOT_READ = "files that TeX includes by \\input, which are not read"
_ASIDE = re.compile(
    r"\\[\\%]|%[^\n]*"
    r"|\\begin\{(?P<name>verbatim\*?|alltt|lstlisting|Verbatim\*?|minted)\}(?:\[[^\]]*\])?(?:\{\w+\})?(?P<listing>.*?)"
    r"\\end\{(?P=name)\}"
    r"|\\(?:verb\*?|lstinline(?:\[[^\]\n]*\])?)(?P<mark>[^\w\s{*])(?P<code>[^\n]*?)(?P=mark)"
    r"|(?P<macro>\\(?:url|href|path|nolinkurl)\s*\{)(?P<address>[^{}\n]*)(?=\})",
    re.DOTALL,
)
"""Listings and addresses, in which nothing is a command. Comments come first, because they can hold any of these."""
_PLACE = re.compile("\ue000([0-9]{1,9})\ue001")
_COMMENT = re.compile(r"(?<!\\)%[^\n]*")
_EDGE = re.compile(r"\\.|[{}]", re.DOTALL)


@whole_file
def parse_tex(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """Yield the running text of one TeX file. Formulas stay as they are written."""
    source = span.raw.decode("utf-8-sig")
    try:
        counts = Counter[str]()
        yield Record(piece.name, "", tex_to_text(source, counts), "text", reading.licence, counts=+counts)
    except (ValueError, IndexError, RecursionError) as error:
        yield span.unreadable(piece.name, "", f"not TeX: {error}")


def tex_to_text(source: str, counts: Counter[str] | None = None) -> str:
    """Return title, authors and text of TeX, without preamble, comments and commands. Listings stay as they are.

    `\\today` is left out, because the day of reading is not part of the text. `counts` counts what is not read.
    """
    aside: list[str] = []

    def set_aside(found: re.Match[str]) -> str:
        inner = next((found[name] for name in ("listing", "code", "address") if found[name] is not None), None)
        if inner is None:
            return found[0]
        aside.append(inner)
        return f"{found['macro'] or ''}\ue000{len(aside) - 1}\ue001"

    source = _ASIDE.sub(set_aside, source)
    _, begins, body = source.partition(r"\begin{document}")
    body = body.partition(r"\end{document}")[0] if begins else source
    facts = [*_arguments(source, "title")[:1], *_arguments(source, "author")]
    counts = Counter() if counts is None else counts
    stated = [" ".join(_plain(fact, counts).split()).replace(" ,", ",") for fact in facts]
    text = "\n\n".join([*filter(None, stated), _plain(body, counts)])
    return _PLACE.sub(lambda place: aside[int(place[1])] if int(place[1]) < len(aside) else place[0], text)


@cache
def _contexts() -> tuple[Any, Any]:
    """Return the macros that are known: how they are parsed, and what they become."""
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


def _plain(source: str, counts: Counter[str]) -> str:
    from pylatexenc.latex2text import LatexNodes2Text

    parsed, read = _contexts()

    class Reader(LatexNodes2Text):  # type: ignore[misc]  # the library states no types
        def macro_node_to_text(self, node: Any) -> str:
            name = node.macroname
            counts[NOT_READ] += name in ("input", "include")
            known = name in NO_WORDS or parsed.get_macro_spec(name) or read.get_macro_spec(name)
            counts[UNKNOWN] += not known
            try:
                return str(super().macro_node_to_text(node))
            except (AttributeError, IndexError, TypeError):  # what it needs behind it is not there
                counts[UNKNOWN] += bool(known)
                return ""

    reader = Reader(latex_context=read, math_mode="verbatim", strict_latex_spaces=False)
    return str(reader.latex_to_text(source, latex_context=parsed))


def _arguments(source: str, macro: str) -> list[str]:
    """Return the arguments of a macro, up to `ARGUMENT` characters each. Arguments without an end are left out."""
    found = []
    begins = re.finditer(rf"\\{macro}\s*(?:\[[^\]\n]{{0,1000}}\]\s*)?\{{", _COMMENT.sub("", source))
    for begin in begins:
        depth = 1
        for edge in _EDGE.finditer(begin.string, begin.end(), begin.end() + ARGUMENT):
            depth += {"{": 1, "}": -1}.get(edge[0], 0)
            if not depth:
                found.append(begin.string[begin.end() : edge.start()])
                break
    return found


FORM = Form(
    parse_tex, encoding="text", endings=(".tex",), about="TeX without its markup.", needs=("pylatexenc",), guarded=True
)
