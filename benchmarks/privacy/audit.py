"""Templates of personal data with made-up values: what a detector is measured on that was not written beside it.

    python benchmarks/privacy/audit.py [SEED]

`audit_templates.json` holds `cells`, from "kind/country" or "kind/language" to sentences with `{value}` where the
personal value stands, and `clean`, sentences without personal data but full of numbers that look like some.
`src/lmworks/data/privacy/printed_templates.json` holds the same cells in other words. `rendered` fills either.
The command checks both and prints one JSON line: counts, and how alike the templates of a cell are (the mean Jaccard
of the sets of words of each two; 1.0 would be one sentence over and over).
"""

from __future__ import annotations

import itertools
import json
import random
import re
import sys
from pathlib import Path

from audit_checks import EXAMPLES
from audit_values import CELLS

SLOT = "{value}"
AUDIT = Path(__file__).with_name("audit_templates.json")
PRINTED = Path(__file__).parents[2] / "src/lmworks/data/privacy/printed_templates.json"

Span = tuple[int, int, str]
"""Start and end in code points, and the value that stands between them."""


def filled(template: str, cell: str, chance: random.Random) -> tuple[str, list[Span]]:
    """The template with a value in each of its slots, and where they are."""
    text, spans = "", []
    parts = template.split(SLOT)
    for part in parts[:-1]:
        text += part
        value = CELLS[cell](chance, template.strip() == SLOT)
        if "\n" in value and cell.startswith("address/") and text.rpartition("\n")[2]:
            value = value.replace("\n", ", ")  # two lines only where the address starts a line
        spans.append((len(text), len(text) + len(value), value))
        text += value
    return text + parts[-1], spans


def rendered(path: Path, seed: int) -> dict[str, list[tuple[str, list[Span]]]]:
    """Each template of a file once, cell by cell; the same for the same file, seed and version of Faker.

    Raises:
        KeyError: if a cell of the file has no maker of values.
    """
    cells: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {
        cell: [filled(template, cell, random.Random(f"{seed}/{cell}/{template}")) for template in templates]
        for cell, templates in cells.items()
    }


def clean(path: Path = AUDIT) -> list[str]:
    """The sentences without personal data."""
    return list(json.loads(path.read_text(encoding="utf-8"))["clean"])


def likeness(templates: list[str]) -> float:
    """The mean Jaccard of the sets of words of each two templates."""
    words = [set(re.findall(r"\w+", template.replace(SLOT, " ").lower())) for template in templates]
    pairs = [len(one & other) / len(one | other) for one, other in itertools.combinations(words, 2) if one | other]
    return round(sum(pairs) / len(pairs), 3)


def check(path: Path, seed: int) -> None:
    """Hold a file to what is promised of it.

    Raises:
        ValueError: naming the cell or number, if a check fails.
    """
    for number, right in EXAMPLES:
        if not right(number):
            raise ValueError(f"the published example {number} does not pass its own check digit")
    cells: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    if set(cells) != set(CELLS):
        raise ValueError(f"{path.name} and the makers of values differ in {sorted(set(cells) ^ set(CELLS))}")
    for cell, found in rendered(path, seed).items():
        if len(set(cells[cell])) != len(cells[cell]) or len({text for text, _ in found}) != len(found):
            raise ValueError(f"{cell} holds a template twice")
        for text, spans in found:
            if not spans or any(text[start:end] != value for start, end, value in spans):
                raise ValueError(f"{cell} has no value, or a wrong place for one, in {text!r}")


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    line: dict[str, object] = {"seed": seed, "clean": len(set(clean()))}
    sides = {path: json.loads(path.read_text(encoding="utf-8"))["cells"] for path in (AUDIT, PRINTED)}
    for path, cells in sides.items():
        check(path, seed)
        counts = [len(templates) for templates in cells.values()]
        line[path.stem] = {"cells": len(cells), "templates": sum(counts), "fewest": min(counts), "most": max(counts)}
    shared = [cell for cell in sides[AUDIT] if set(sides[AUDIT][cell]) & set(sides[PRINTED][cell])]
    line |= {
        "cells_sharing_a_template": shared,
        "jaccard": {cell: likeness(all_) for cell, all_ in sides[AUDIT].items()},
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
