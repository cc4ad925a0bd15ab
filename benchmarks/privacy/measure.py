"""Hold the detectors of personal data against templates that another author wrote: one JSON line.

    python benchmarks/privacy/measure.py [--printed | --sentences] [--misses] [--seed 0] [--corpus FOLDER]

Recall by cell (kind and country): a value counts as found if findings cover all of its characters, whatever kind they
say, since what is covered is masked. `as_kind` is the share found as the kind that the cell is of. Precision by kind of
finding: one is right if it touches a value that was put in; every other finding is wrong, those on the lines without
personal data among them. `wider` counts right findings that take in more than `SLACK` characters beside the value.

`--printed` takes the templates whose recall a build prints in place of the held-out ones, `--sentences` the 1,200 of
`audit_sentences.json`, 40 of each of 30 cells, whose values stand in them as their author wrote or drew them: she saw
neither detectors nor other templates, and the file was kept before anything was measured on it. FOLDER is what
`benchmarks/data/make_corpus.py` wrote: with it the speed on that text is measured, in processor seconds of one core.
Single misses are not printed: patterns are not to be written to these templates.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from audit import AUDIT, PRINTED, Span, clean, rendered

from lmworks.data.personal.findings import Finding, scan
from lmworks.data.privacy.anonymise import AnonymiseConfig

SENTENCES = Path(__file__).with_name("audit_sentences.json")
SLACK = 12
"""Characters beside a value that a finding may take in: brackets, a title, a unit."""
ENOUGH = 0.95
DOCUMENTS = 20_000

KIND_OF = {"medical_record": "record_number", "password": "secret"}
"""What the project calls the kind of a cell, where its name is another."""


def covered(span: Span, findings: Sequence[Finding]) -> bool:
    """Whether every character of the value but white space lies in a finding."""
    start, end, value = span
    open_ = {start + place for place, character in enumerate(value) if not character.isspace()}
    for finding in findings:
        open_.difference_update(range(max(start, finding.start), min(end, finding.end)))
    return not open_


def touches(finding: Finding, span: Span) -> bool:
    """Whether they share a character."""
    return finding.start < span[1] and span[0] < finding.end


def find_all(texts: Sequence[str]) -> Iterator[list[Finding]]:
    """What the detectors that a recipe has by default find in each text."""
    detectors = AnonymiseConfig(**{"from": "raw"}).detectors()
    for text in texts:
        yield scan(text, detectors)


def written(path: Path) -> dict[str, list[tuple[str, list[Span]]]]:
    """Sentences with their values, cell by cell."""
    cells: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {
        cell: [
            (
                row["text"],
                [
                    (place, place + len(value), value)
                    for value in row["values"]
                    if (place := row["text"].index(value)) >= 0
                ],
            )
            for row in rows
        ]
        for cell, rows in cells.items()
    }


def measure(path: Path, seed: int) -> dict[str, Any]:
    """Recall by cell, precision by kind."""
    filled = written(path) if path == SENTENCES else rendered(path, seed)
    cells: dict[str, Any] = {}
    misses: list[dict[str, Any]] = []
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    wider = 0
    for cell, rows in filled.items():
        as_kind = 0
        values, found = [0, 0], [0, 0]
        wanted = cell.partition("/")[0]
        for number, ((text, spans), findings) in enumerate(
            zip(rows, find_all([each for each, _ in rows]), strict=True)
        ):
            for span in spans:
                hit, half = covered(span, findings), number % 2
                values[half], found[half] = values[half] + 1, found[half] + hit
                if half == 0 and not hit:
                    misses.append(
                        {"cell": cell, "text": text, "value": span[2], "found": [each[:4] for each in findings]}
                    )
                as_kind += hit and any(
                    each.kind == KIND_OF.get(wanted, wanted) for each in findings if touches(each, span)
                )
            for finding in findings:
                touched = [span for span in spans if touches(finding, span)]
                (right if touched else wrong)[finding.kind] += 1
                if touched:
                    inside = max(end for _, end, _ in touched) - min(start for start, _, _ in touched)
                    wider += finding.end - finding.start > inside + SLACK
        cells[cell] = {
            "n": sum(values),
            "recall": round(sum(found) / sum(values), 3),
            "even": round(found[0] / values[0], 3),
            "odd": round(found[1] / values[1], 3),
            "as_kind": round(as_kind / sum(values), 3),
        }
    on_clean: Counter[str] = Counter()
    lines = [] if path == PRINTED else clean(path)
    for findings in find_all(lines):
        on_clean.update(finding.kind for finding in findings)
    false = wrong + on_clean
    precision = {kind: round(right[kind] / (right[kind] + false[kind]), 3) for kind in sorted({*right, *false})}
    return {
        "cells": cells,
        "cells_with_enough": sum(cell["recall"] >= ENOUGH for cell in cells.values()),
        "cells_with_enough_by_half": {
            half: sum(cell[half] >= ENOUGH for cell in cells.values()) for half in ("even", "odd")
        },
        "recall_by_kind": by_kind(cells),
        "precision": round(right.total() / max(1, right.total() + false.total()), 4),
        "precision_by_kind": precision,
        "right": right.total(),
        "wrong_beside_values": wrong.total(),
        "wrong_on_clean_lines": on_clean.total(),
        "clean_lines": len(lines),
        "wider": wider,
        "misses_of_even": misses,
    }


def by_kind(cells: dict[str, Any]) -> dict[str, float]:
    """Recall over all values of a kind."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0])
    for cell, figures in cells.items():
        kind = sums[cell.partition("/")[0]]
        kind[0] += figures["recall"] * figures["n"]
        kind[1] += figures["n"]
    return {kind: round(found / n, 3) for kind, (found, n) in sums.items()}


def speed(corpus: Path) -> dict[str, Any]:
    """Megabytes a processor second over documents of the corpus, the best of three rounds."""
    texts: list[str] = []
    for part in sorted((corpus / "documents").glob("*.jsonl")):
        for line in part.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                texts.append(json.loads(line)["text"])
            except (ValueError, KeyError, TypeError):
                continue  # planted there to be unreadable
    texts = [text for text in texts if isinstance(text, str)][:DOCUMENTS]
    megabytes = sum(len(text.encode(errors="replace")) for text in texts) / 1e6
    seconds = []
    for _ in range(3):
        started = time.process_time()
        findings = sum(map(len, find_all(texts)))
        seconds.append(time.process_time() - started)
    return {
        "documents": len(texts),
        "megabytes": round(megabytes, 2),
        "megabytes_per_second": round(megabytes / min(seconds), 2),
        "findings": findings,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--printed", dest="path", action="store_const", const=PRINTED, default=AUDIT)
    chosen.add_argument("--sentences", dest="path", action="store_const", const=SENTENCES)
    parser.add_argument("--misses", action="store_true", help="with --sentences: those of even rows")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path)
    options = parser.parse_args()
    result = measure(options.path, options.seed)
    if not (options.misses and options.path == SENTENCES):
        result.pop("misses_of_even")
    if options.corpus:
        result["speed"] = speed(options.corpus)
    print(json.dumps({"templates": options.path.stem, "seed": options.seed, **result}))


if __name__ == "__main__":
    main()
