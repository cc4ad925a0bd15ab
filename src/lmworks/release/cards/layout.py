"""Layout of a card: a head that a hub reads, then sentences, then the evidence that they name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from lmworks.pipeline.files import canonical_json
from lmworks.release.cards.evidence import Evidence, Statement
from lmworks.release.render.templates import markdown
from lmworks.release.render.words import visible

HEADING = "Evidence"
INTRODUCTION = "Numbers after sentences refer to this list: file, fields, and sha256 when this card was written."
PLAIN = re.compile(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*")
READ_OTHERWISE = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that YAML 1.1 does not read as texts, such as `no`, the code of Norwegian."""


@dataclass(frozen=True)
class Heading:
    """A heading."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Sentences in a row."""

    statements: Sequence[Statement]


@dataclass(frozen=True)
class Bullets:
    """Sentences in a list."""

    statements: Sequence[Statement]


@dataclass(frozen=True)
class Table:
    """A table whose rows are statements. The text of each is its cells between the signs of Markdown."""

    header: Sequence[str]
    rows: Sequence[Statement]


@dataclass(frozen=True)
class Code:
    """A program to run, or settings. They need no evidence."""

    language: str
    text: str


@dataclass(frozen=True)
class Folded:
    """Blocks that a page shows only on demand."""

    summary: str
    blocks: Sequence[Block]


Block = Heading | Paragraph | Bullets | Table | Code | Folded


def statements(blocks: Sequence[Block]) -> list[Statement]:
    """Return all statements of a card."""
    found: list[Statement] = []
    for block in blocks:
        if isinstance(block, Table):
            found += block.rows
        elif isinstance(block, (Paragraph, Bullets)):
            found += block.statements
        elif isinstance(block, Folded):
            found += statements(block.blocks)
    return found


def render(head: Mapping[str, Any], title: str, blocks: Sequence[Block], folder: Path | None) -> str:
    """Return the card as Markdown with a YAML head. `folder` is where it will be; None for a card that is sent away."""
    references = References(folder)
    parts = ["\n".join(["---", *as_yaml(head), "---"]), f"# {markdown(title)}"]
    parts += [part for block in blocks if (part := _block(block, references))]
    parts += [f"## {HEADING}", INTRODUCTION, *_folded("All files", ["\n".join(references.lines())])]
    return "\n\n".join(parts) + "\n"


def _folded(summary: str, parts: Sequence[str]) -> list[str]:
    """Return parts that a page shows on demand. Markdown within HTML needs the empty lines between them."""
    return [f"<details><summary>{escape(summary)}</summary>", *parts, "</details>"]


def _block(block: Block, references: References) -> str:
    if isinstance(block, Folded):
        parts = [part for each in block.blocks if (part := _block(each, references))]
        return "\n\n".join(_folded(block.summary, parts)) if parts else ""
    if isinstance(block, Heading):
        return f"{'#' * block.level} {markdown(block.text)}"
    if isinstance(block, Code):
        fence = max([2, *map(len, re.findall("`+", block.text))]) * "`" + "`"
        return f"{fence}{block.language}\n{block.text.rstrip()}\n{fence}"
    if isinstance(block, Table):
        header = f"| {' | '.join(map(markdown, block.header))} | evidence |"
        rule = "|---" * (len(block.header) + 1) + "|"
        rows = [f"{each.text} {references.marks(each.evidence)} |" for each in block.rows]
        return "\n".join([header, rule, *rows]) if rows else ""
    said = [f"{each.text} {references.marks(each.evidence)}" for each in block.statements]
    return "\n".join(f"- {each}" for each in said) if isinstance(block, Bullets) else "\n".join(said)


class References:
    """Numbers of the evidence of a card, in the order in which it is named."""

    def __init__(self, folder: Path | None) -> None:
        """Begin with no evidence. Links start at `folder`, where the card will be; None if it is sent away."""
        self._folder = folder
        self._numbers: dict[Evidence, int] = {}

    def marks(self, evidence: Sequence[Evidence]) -> str:
        """Return the numbers to put after a sentence."""
        numbers = [self._numbers.setdefault(each, len(self._numbers) + 1) for each in dict.fromkeys(evidence)]
        return "<sup>" + " ".join(f"[{number}](#{HEADING.lower()})" for number in numbers) + "</sup>"

    def lines(self) -> list[str]:
        """Return the list at the end of the card."""
        return [f"{number}. {self._line(each)}" for each, number in self._numbers.items()]

    def _line(self, evidence: Evidence) -> str:
        name = markdown(evidence.file)
        if self._folder:
            place = quote(os.fsencode(os.path.relpath(evidence.path, self._folder)))
            name = Markup(f"[{name}](<{place}>)")  # noqa: S704 - both are escaped
        fields = f": {markdown(evidence.fields)}" if evidence.fields else ""
        return f"{markdown(evidence.source)}, {name}{fields} (sha256 `{evidence.sha256[: 16 if self._folder else 64]}`)"


def as_yaml(value: Any, indent: int = 0) -> list[str]:
    """Return the lines of a YAML block that YAML 1.1 and 1.2 read alike."""
    space = "  " * indent
    if isinstance(value, Mapping):
        lines = []
        for name, inner in value.items():
            nested = isinstance(inner, (Mapping, list)) and bool(inner)
            lines += (
                [f"{space}{name}:", *as_yaml(inner, indent + isinstance(inner, Mapping))]
                if nested
                else [f"{space}{name}: {_scalar(inner)}"]
            )
        return lines
    lines = []
    for each in value:
        first, *more = as_yaml(each, indent + 1) if isinstance(each, (Mapping, list)) else [f"  {space}{_scalar(each)}"]
        lines += [f"{space}- {first[len(space) + 2 :]}", *more]
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) and value not in READ_OTHERWISE else canonical_json(visible(value))
    written = canonical_json(value)
    return written.replace("e", ".0e") if isinstance(value, float) and "." not in written else written
