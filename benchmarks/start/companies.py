"""Sixteen invented companies: their folders, what they answer, and what a careful adviser would tell them.

    python benchmarks/start/companies.py OUT [--seed 0] [--share 1.0] [--only NAME …]

writes for each OUT/NAME, the folder as the company has it, OUT/NAME.answers.yaml, its answers to the questions of
`lmworks init`, and OUT/NAME.expected.yaml: what would be right, and three inputs that a user of the result would send.
Who they are stands in `companies.yaml`, the rules of their texts in `grammars.yaml`. Companies of one seed and share
have the same texts. Figures on such texts say that the way is open, and nothing of how good a model is.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import documents
import tables
from grammar import RULES, Writer
from ruamel.yaml import YAML

Maker = Callable[[Path, Writer, float], None]
MAKERS: Mapping[str, Maker] = {
    maker.__name__: maker
    for maker in (
        documents.law,
        tables.shop,
        tables.hospital,
        tables.tickets,
        tables.strings,
        tables.dialogues,
        documents.docs,
        documents.code,
        documents.saga,
        documents.scans,
        tables.vehicles,
        documents.finance,
        tables.summaries,
        tables.reviews,
        documents.guild,
        documents.nothing,
    )
}


@dataclass(frozen=True)
class Expected:
    """What is right, by an adviser who looked at the folder and heard the answers."""

    verdicts: Sequence[str]
    """Steps of the ladder of `lmworks plan`, each of which would be good advice; empty where nothing can be built."""
    serves: str
    """passages: found and cited; labels: of a text; chat: turns; continuation: a text gone on; rewriting: text to text;
    nothing: exit code 3 and the reason."""
    because: str
    step: str = ""
    """Kind of a step that the recipe must have."""
    by: Sequence[str] = ()
    """Fields whose records must stand on one side of the split."""
    label: str = ""
    """Field that is learned."""
    unread: Sequence[str] = ()
    """Endings of files that are lost, or a word for them, of which the user must be told."""


@dataclass(frozen=True)
class Company:
    """One customer."""

    name: str
    maker: str
    rules: str
    answers: Mapping[str, Any]
    expected: Expected
    inputs: Sequence[str] = field(repr=False)

    def make(self, out: Path, seed: int, share: float, **more: object) -> Path:
        """Write its folder, and both files beside it; `more` answers are added."""
        folder = out / self.name
        folder.mkdir(parents=True)
        MAKERS[self.maker](folder, Writer(RULES[self.rules], random.Random(f"{seed} {self.name}")), share)
        yaml = YAML(typ="safe")
        yaml.default_flow_style = False
        yaml.dump({**self.answers, **more}, out / f"{self.name}.answers.yaml")
        yaml.dump({**asdict(self.expected), "inputs": self.inputs}, out / f"{self.name}.expected.yaml")
        return folder


def companies() -> dict[str, Company]:
    """All of them by name."""
    read = YAML(typ="safe").load(Path(__file__).with_name("companies.yaml").read_text(encoding="utf-8"))
    return {
        name: Company(name=name, **{**each, "expected": Expected(**each["expected"])}) for name, each in read.items()
    }


def named(names: Sequence[str]) -> list[Company]:
    """Those companies, by name or by number from 1; all when none is named."""
    by_name = companies()
    found = by_name | {str(number): each for number, each in enumerate(by_name.values(), 1)}
    if unknown := [name for name in names if name not in found]:
        raise SystemExit(f"--only {unknown[0]}: no such company; there are {', '.join(by_name)}")
    return [found[name] for name in names] or list(by_name.values())


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the folders of invented companies.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of texts")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    asked = parser.parse_args()
    for company in named(asked.only):
        print(company.make(asked.out, asked.seed, asked.share))


if __name__ == "__main__":
    main()
