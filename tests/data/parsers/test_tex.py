"""Of TeX all that says something is read: nothing of it costs the file, and what is not read is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.parsers.test_parsers import good, read
from lmworks.data.parsers.documents.tex import NOT_READ, UNKNOWN, tex_to_text

SENTENCE = "The river rose, see {} for data."


def plain(tex: str) -> str:
    return " ".join(tex_to_text(f"\\documentclass{{article}}\\begin{{document}}{tex}\\end{{document}}").split())


@pytest.mark.parametrize(
    ("tex", "said"),
    [
        (r"\href{http://y.example}{the gauge page}", "the gauge page <http://y.example>"),
        (r"\href{http://y.example/a%20b#c}{the \emph{gauge} page}", "the gauge page <http://y.example/a%20b#c>"),
        (r"\url{http://y.example/a%20b}", "<http://y.example/a%20b>"),
        (r"\verb|open_weir(3) % now|", "open_weir(3) % now"),
        (r"\verb*+a b+", "a b"),
        (r"\lstinline[language=C]!x = 1;!", "x = 1;"),
        (r"\lstinline{y = 2}", "y = 2"),
        (r"\texttt{gauge}, \textsf{weir}, \mbox{mill}, \textup{and} \textmd{more}", "gauge, weir, mill, and more"),
        (r"\textsuperscript{2}", "2"),
    ],
)
def test_words_in_macros_stay(tex: str, said: str) -> None:
    assert plain(SENTENCE.replace("{}", tex)) == SENTENCE.format(said)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("verbatim", "verbatim"),
        ("verbatim*", "verbatim*"),
        ("lstlisting}[language=Python, caption={A}", "lstlisting"),
        ("Verbatim}[numbers=left", "Verbatim"),
        ("minted}[linenos]{python", "minted"),
        ("alltt", "alltt"),
    ],
)
def test_listings_stay_as_they_are(begin: str, end: str) -> None:
    close = "" if begin[-1] == "}" else "]" if "[" in begin and "{python" not in begin else "}"
    code = "open_weir(3)  # the only safe order, 100 % \\alpha $x\n    go()"
    tex = f"Call:\n\\begin{{{begin}{close}\n{code}\n\\end{{{end}}}\nEnd."
    assert code in tex_to_text(f"\\begin{{document}}{tex}\\end{{document}}")


def test_a_listing_that_does_not_end_and_a_macro_that_is_cut_cost_themselves() -> None:
    assert "Before." in plain("Before. \\begin{lstlisting}\nx = 1")
    for cut in (r"\verb", r"\verb|x", r"\href", r"\begin{verbatim} x"):
        assert "Before." in plain(f"Before. {cut}")


def test_what_is_not_read_is_counted(tmp_path: Path) -> None:
    tex = (
        r"\documentclass{article}\newcommand{\kura}{Mtkvari}\begin{document}\centering The \kura{} rises, \kura\ falls."
        r" \noindent\strange{word} \input{chapter2} \include{chapter3} \textbf{End}.\end{document}"
    )
    (found,) = good(read(tmp_path, {"a.tex": tex.encode()}))
    assert found.counts == {UNKNOWN: 3, NOT_READ: 2}
    assert "word" in found.text and "End" in found.text
    (plain_one,) = good(read(tmp_path, {"a.tex": b"\\begin{document}\\textbf{Rain}.\\end{document}"}))
    assert plain_one.counts == {}
