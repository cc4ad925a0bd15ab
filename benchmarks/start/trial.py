"""Take strangers' folders to a built model that answers, and compare it with its baselines: one JSON line each.

    python benchmarks/start/trial.py FOLDERS [--expected FILE] [--set 1] [--only NAME …] [--minutes 6] [--keep FOLDER]

`FOLDERS` is what `folders.py` wrote. Of each folder the program gives `lmworks init` with the task that
`expected.yaml` names, and `lmworks build`. It asks the questions of that file, and counts the right passages and the
refusals. A Markdown table goes to the error stream. A reader decides whether the verdict is the expected one: both are
printed.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from run import measured_of, run

TASKS = {
    "sentiment": "classify",
    "classification": "classify",
    "translation": "translate",
    "content": "write",
    "summaries": "summarise",
    "chat": "search",
    "search": "search",
}
"""What `init` calls a use case of the guide. A chat about documents cites them."""
PLANNED = re.compile(r"  time +([\d.,]+)( s)? to ([\d.,]+) (s|min) in all")
FIRST = "[1]"
"""How the answer of passages begins."""


@dataclass
class Row:
    """What became of one folder."""

    name: str
    expected: str
    verdict: str = ""
    recipe: str = ""
    init: int = -1
    build: int = -1
    seconds: dict[str, float] = field(default_factory=dict)
    figure: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    """As in `run.py`."""
    planned: list[float] = field(default_factory=list)
    """Least and most seconds of the build that the last plan before it states; empty if it states none."""
    questions: int = 0
    right_first: int = 0
    """Questions whose first passage is the right one."""
    right: int = 0
    """Questions with the right passage among those that are shown."""
    unanswerable: int = 0
    refused: int = 0
    """Of the unanswerable ones, those that got no answer."""
    said: str = ""
    """The last lines of what failed."""


def passages_of(folder: Path, asked: list[str]) -> list[str]:
    """Return what is served to each question."""
    rows, out = folder.with_suffix(".asked.jsonl"), folder.with_suffix(".answers.jsonl")
    rows.write_text("".join(json.dumps({"text": each}) + "\n" for each in asked))
    said = run(folder, 300, "predict", "recipe.yaml", str(rows), "--out", str(out))
    if said.code:
        raise SystemExit(said.text[-500:])
    return [str(json.loads(line).get("predicted_text") or "") for line in out.read_text().splitlines()]


def ask(folder: Path, told: Mapping[str, Any], row: Row) -> None:
    """Put the questions of a collection to what is served, and count."""
    answered, absent = told.get("questions") or [], told.get("unanswerable") or []
    found = passages_of(folder, [*(each["ask"] for each in answered), *absent])
    row.questions, row.unanswerable = len(answered), len(absent)
    for each, said in zip(answered, found, strict=False):
        plain, wanted = (" ".join(text.replace(">", " ").split()).casefold() for text in (said, each["passage"]))
        row.right += wanted in plain
        row.right_first += wanted in plain.partition("[2]")[0]
    row.refused = sum(not said.startswith(FIRST) for said in found[len(answered) :])


def try_folder(folder: Path, told: Mapping[str, Any], minutes: float) -> Row:
    """Give the commands of a stranger in one folder."""
    row = Row(told["name"], " ".join(str(told["verdict"]).split()))
    task = ["--task", TASKS[told["task"]]] if told["task"] in TASKS else []
    use = " ".join(str(told["use_case"]).split())
    said = run(folder, 300, "init", ".", "--yes", "--minutes", f"{minutes:g}", "--use-case", use, *task)
    row.init, row.seconds["init"] = said.code, said.seconds
    row.verdict, row.recipe = ("; ".join(said.after(each)) for each in ("verdict: ", "recipe: "))
    if said.code:
        row.said = said.text[-400:]
        return row
    said = run(folder, 60 * minutes * 4, "build", "recipe.yaml")
    row.build, row.seconds["build"] = said.code, said.seconds
    for low, in_seconds, high, unit in PLANNED.findall(said.text)[-1:]:
        row.planned = [float(low) * (1 if in_seconds or unit == "s" else 60), float(high) * (1 if unit == "s" else 60)]
    if said.code:
        row.said = said.text[-800:]
    if said.code in (0, 3):
        row.figure, row.outcome = measured_of(folder)
        if told.get("questions"):
            ask(folder, told, row)
    return row


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown."""
    lines = ["| folder | recipe | figure | best baseline | outcome | passages | refused | build |", "|" + "---|" * 8]
    for row in rows:
        figure = row.figure
        value = f"{figure['metric']} {figure['value']:.3f} ({figure['n']})" if figure else "–"
        baseline = f"{figure['baseline']} {figure['baseline_value']:.3f}" if figure.get("baseline") else "–"
        found = f"{row.right_first}, {row.right} of {row.questions}" if row.questions else "–"
        refused = f"{row.refused} of {row.unanswerable}" if row.unanswerable else "–"
        cells = [row.name, row.recipe[:90] or row.said[-90:], value, baseline, row.outcome, found, refused]
        lines.append(f"| {' | '.join(map(' '.join, map(str.split, cells)))} | {row.seconds.get('build', 0):.0f} s |")
    return "\n".join(lines)


def main() -> None:
    """Read the options, and try each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path)
    parser.add_argument("--expected", type=Path, default=Path(__file__).with_name("expected.yaml"))
    parser.add_argument("--set", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    listed = YAML(typ="safe").load(options.expected.read_text())["folders"]
    listed = [
        each for each in listed if each["set"] == options.set and each["name"] in (options.only or [each["name"]])
    ]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for told in listed:
            folder = (options.keep or Path(scratch)) / told["name"]
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(options.folders / told["name"], folder)
            rows.append(try_folder(folder, told, options.minutes))
            print(json.dumps(asdict(rows[-1]), ensure_ascii=False), flush=True)
    print(table(rows), file=sys.stderr)


if __name__ == "__main__":
    main()
