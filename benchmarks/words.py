"""Check the English of docstrings, messages, field descriptions and pages against the house rules.

    make words
    python benchmarks/words.py src/lmworks/train       # only these files or folders
    python benchmarks/words.py --all                   # also what `words.yaml` says is not yet rewritten
    python benchmarks/words.py --count                 # counts per package and per rule
    python benchmarks/words.py --draw 1                # a random sample for human readers, drawn with this seed

A text fails if it opens with Of, What or Those, unless it is a question. It fails if a sentence has more than 40 words,
or if it contains a phrase of `words.yaml`. A field description must also end with a period, and have no semicolon.
A page fails if too many of its sentences are long, or are joined by `;` or `:`. `words.yaml` has the limits.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
RULES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
LIMITS = RULES["limits"]
OPENERS = re.compile(r"\W*(Of|What|Those)\b", re.IGNORECASE)
PHRASES = [re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE) for phrase in RULES["phrases"]]
DESCRIBED = {"description": "description", "help": "help", "about": "description"}
"""Keyword arguments that explain something to a user, and the kind of their text."""
DRAWN = 100
"""Texts of each kind that readers are given."""


class Text(NamedTuple):
    """One text with its place and kind: docstring, message, description, help, heading or prose."""

    place: str
    kind: str
    text: str

    def faults(self) -> Iterator[str]:
        """Yield each rule that the text breaks, followed by the words that break it."""
        if self.kind != "prose" and OPENERS.match(self.text) and not self.text.rstrip("`* ").endswith("?"):
            yield f"opening: {self.text[:60]}"
        for sentence in sentences(self.text):
            if len(sentence.split()) > LIMITS["words"]:
                yield f"{len(sentence.split())} words: {sentence[:60]}"
        for phrase in PHRASES:
            if found := phrase.search(_without_code(self.text)):
                yield f"phrase: {found[0]}"
        head = self.text.split("\n\n")[0]  # an example may follow
        if self.kind in ("description", "help") and not head.endswith((".", "?", "…", ". X")):
            yield f"no period: {head[-40:]}"
        if self.kind == "description" and ";" in _without_code(self.text):
            yield f"semicolon: {self.text.partition(';')[0][-40:]};"


def _without_code(text: str) -> str:
    """Return a text with CODE for a list of words in backquotes, and without lines of tables and code."""
    lines = re.sub(r"^(?: {4}.*|.*\S {3,}\S.*)$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]+`(?:,\s+`[^`\n]+`)*", "CODE", lines)


def sentences(text: str) -> list[str]:
    """Return the sentences of a text. Paragraphs and list items end a sentence; code counts as one word."""
    blocks = re.split(r"\n\s*(?:[-*]|\d+\.)\s|\n\s*\n|\n(?=Raises |Yields |Returns )", f"\n{_without_code(text)}")
    found = [each for block in blocks for each in re.split(r"(?<=[.!?])(?<!e\.g\.|i\.e\.| al\.)[)\"*”]*\s+", block)]
    return [" ".join(each.split()) for each in found if each.strip()]


def texts_of(path: Path) -> Iterator[Text]:
    """Yield the docstrings, messages, descriptions and help texts of a Python file."""
    tree, name = ast.parse(path.read_text()), str(path.relative_to(ROOT))
    constants = {node.targets[0].id: node.value for node in tree.body if _names(node)}
    for node in ast.walk(tree):
        for kind, value in _texts(node):
            value = constants.get(value.id, value) if isinstance(value, ast.Name) else value
            if words := _words(value).strip():
                yield Text(f"{name}:{value.lineno}", kind, inspect.cleandoc(words))


def _names(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)


def _texts(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        for each in node.body:
            if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                yield "docstring", each.value
    elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        yield from (("message", argument) for argument in node.exc.args)
    elif isinstance(node, ast.Call):
        yield from ((DESCRIBED[word.arg], word.value) for word in node.keywords if word.arg in DESCRIBED)


def _words(node: ast.AST) -> str:
    """Return the text of an expression, with X for each value that is not known here."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join("X" if isinstance(part, ast.FormattedValue) else _words(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _words(node.left) + _words(node.right)
    return ""


def prose(page: str) -> tuple[list[str], list[str]]:
    """Return the headings of a Markdown page and its sentences. Code blocks and tables are left out."""
    text = re.sub(r"^```.*?^```|^---\n.*?^---$|<!--.*?-->", "", page, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    lines = [line for line in text.splitlines() if not re.match(r"\s*\||    |\s*<", line)]
    headings = [line.lstrip("# ") for line in lines if line.startswith("#")]
    return headings, sentences("\n".join("" if line.startswith("#") else line for line in lines))


def figures(page: str) -> tuple[float, float, float]:
    """Return the median words per sentence, and the shares of long and of joined sentences."""
    _, found = prose(page)
    lengths = [len(each.split()) for each in found] or [0]
    long = sum(length > LIMITS["long"] for length in lengths)
    joined = sum(bool(re.search(r";|:\s", each)) for each in found)
    return median(lengths), long / len(lengths), joined / len(lengths)


def page_faults(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and words of each fault of a page."""
    page, name = path.read_text(), str(path.relative_to(ROOT))
    headings, found = prose(page)
    for text in [Text(name, "heading", each) for each in headings] + [Text(name, "prose", each) for each in found]:
        yield from ((name, fault) for fault in text.faults())
    _, long, joined = figures(page)
    if long > LIMITS["long_share"]:
        yield name, f"long: {long:.0%} of sentences have over {LIMITS['long']} words; {LIMITS['long_share']:.0%} may"
    if joined > LIMITS["joined_share"]:
        yield name, f"joined: {joined:.0%} of sentences are joined by ; or :; {LIMITS['joined_share']:.0%} may be"


def faults_in(path: Path) -> list[tuple[str, str]]:
    """Return the place and words of each fault of a file."""
    if path.suffix == ".md":
        return list(page_faults(path))
    return [(text.place, fault) for text in texts_of(path) for fault in text.faults()]


def files() -> list[Path]:
    """Return the Python files of `src/`, README.md and the pages of `docs/`."""
    return [*sorted((ROOT / "src").rglob("*.py")), ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def is_not_yet(path: Path) -> bool:
    """Whether `words.yaml` lists a file, or a folder that holds it, as not yet rewritten."""
    name = str(path.relative_to(ROOT))
    return any(name == entry or (entry.endswith("/") and name.startswith(entry)) for entry in RULES["not_yet"])


def drawn(paths: Sequence[Path], seed: int) -> Iterator[str]:
    """Yield 100 random texts of screens, 100 sentences of pages and 100 docstrings, numbered, for readers to mark."""
    code = [text for path in paths if path.suffix == ".py" for text in texts_of(path)]
    pages = [path for path in paths if path.suffix == ".md" and "reference" not in path.parts]
    kinds = {
        "S": [text.text for text in code if text.kind in ("message", "help", "description")],
        "P": [sentence for path in pages for sentence in prose(path.read_text())[1]],
        "D": [text.text for text in code if text.kind == "docstring"],
    }
    random = Random(seed)
    for kind, texts in kinds.items():
        for number, text in enumerate(random.sample(texts, min(DRAWN, len(texts))), 1):
            yield f"{kind}{number}: {' '.join(text.split())}"


def main() -> None:
    """Print the faults, and end with 1 if there are some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, help="files or folders; all by default")
    parser.add_argument("--all", action="store_true", help="check files that are not yet rewritten too")
    parser.add_argument("--count", action="store_true", help="print counts per package and per rule")
    parser.add_argument("--draw", type=int, metavar="SEED", help="print a random sample for readers, and check nothing")
    given = parser.parse_args()
    chosen = [path for path in files() if not given.paths or any(path.is_relative_to(p.resolve()) for p in given.paths)]
    if given.draw is not None:
        print("\n".join(drawn(chosen, given.draw)))
        return
    found = [(path, *fault) for path in chosen if given.all or not is_not_yet(path) for fault in faults_in(path)]
    if given.count:
        counts = Counter("/".join(path.relative_to(ROOT).parts[:3]) for path, _, _ in found)
        rules = Counter(re.sub(r"^\d+ ", "", fault).partition(":")[0] for _, _, fault in found)
        print("\n".join(f"{count:6} {name}" for name, count in [*counts.most_common(), *rules.most_common()]))
    else:
        for path in [path for path in chosen if path.suffix == ".md"]:
            middle, long, joined = figures(path.read_text())
            print(f"{path.relative_to(ROOT)}: median {middle:g} words, {long:.0%} long, {joined:.0%} joined")
        print("\n".join(f"{place}: {fault}" for _, place, fault in found))
    sys.exit(f"words.py: {len(found)} faults" if found else 0)


if __name__ == "__main__":
    main()
