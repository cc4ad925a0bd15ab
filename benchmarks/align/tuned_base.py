"""What tuning a published base is worth and what it costs: recipes/chat.yaml with more questions, LAMBADA and ARC.

    python benchmarks/align/tuned_base.py FOLDER LAMBADA ARC [--part test] [--questions 200] [--set tuned.threads=2] …

LAMBADA and ARC are jsonl files with the fields `context`, `continuation` and `query`, `choices`, `gold` (measured:
mosaicml/llm-foundry, scripts/eval/local_data, commit 8c8dd48). A fifth of each is for `--part validation`, by which
settings may be chosen; `--part test` measures on the rest, and on the recipe's test services. The recipe is written to
FOLDER and built there.

Prints one JSON line: by task the figures of every system, with n and interval, every paired difference with its
p-values, and what the report says; and the processor seconds of the steps that trained and measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
SETS = {"lambada": ("last-word", "MIT"), "arc": ("multiple-choice", "CC-BY-SA-4.0")}


def recipe(files: dict[str, Path], part: str, questions: int, items: int, shots: list[int]) -> dict[str, Any]:
    """recipes/chat.yaml on one part of all that is held out; its corpus holds nothing of the sets."""
    made: dict[str, Any] = YAML(typ="safe").load(ROOT / "recipes" / "chat.yaml")
    data, tasks = made["data"], made["evaluate"]["tasks"]
    data["other-field"]["sources"][0]["path"] = str(ROOT / ".venv" / "lib")
    for name, path in files.items():
        licence = SETS[name][1]
        source = {"kind": "files", "name": name, "path": str(path.parent), "include": [path.name]}
        source |= {"licence": licence, "fields": "all", "format": "jsonl"}
        data[name] = {"kind": "ingest", "sources": [source], "licences": {"allow": [licence]}}
        data[f"{name}-split"] = {"kind": "split", "from": name, "test": 0.79, "validation": 0.2}
    data["decontaminated"] = {"kind": "decontaminate", "from": "corpus", "against": list(files)}
    data["questions"] = data.pop("questions") | {"train": "decontaminated"}
    for task in tasks:
        if task["data"] == "questions.test":
            task |= {"data": f"questions.{part}", "limit": questions}
    few = [task for task in tasks if task.get("prompt") == "few-shot"]
    if shots:
        made["evaluate"]["tasks"] = [task for task in tasks if task not in few]
        made["evaluate"]["tasks"] += [task | {"shots": count} for task in few for count in shots]
    for name in files:
        kind = SETS[name][0]
        of = {"data": f"{name}-split.{part}", "train": "decontaminated"}
        made["evaluate"]["tasks"].append({"kind": kind, **of, "data_type": "bfloat16", "limit": items})
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("lambada", type=Path)
    parser.add_argument("arc", type=Path)
    parser.add_argument("--part", choices=["validation", "test"], default="test")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--items", type=int, default=2000, help="of LAMBADA and of ARC")
    parser.add_argument("--shots", type=int, nargs="*", default=[], help="several numbers instead of the recipe's")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--until", help="stop after this step, to go on later")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / f"{given.part}.yaml"
    files = {name: getattr(given, name).resolve() for name in SETS}
    made = recipe(files, given.part, given.questions, given.items, given.shots)
    made["name"] = f"chat-{given.part}"
    path.write_text(json.dumps(made, indent=2), encoding="utf-8")  # which is YAML, in the order of the steps
    settings = [word for each in given.set for word in ("--set", each)]
    until = ["--until", given.until] if given.until else []
    command = [sys.executable, "-m", "lmworks", "build", str(path), *settings, *until]
    subprocess.run(command, check=True, stdout=sys.stderr)
    print(json.dumps(told(given.folder / ".lmworks", made["name"])))


def told(root: Path, name: str) -> dict[str, Any]:
    """What the build's manifests say."""
    from lmworks.pipeline.store import Store
    from lmworks.release.built import Built, read_json

    built = Built.open(Store(root), name)
    found: dict[str, Any] = {}
    for task, systems in built.evaluations().items():
        figures = {
            system: [
                {"name": each.name, "value": each.value, "n": each.n, "interval": each.interval, "chance": each.chance}
                | {"contamination": each.contamination}
                for each in artifact.manifest.figures
            ]
            for system, artifact in systems.items()
            if system
        }
        compared = read_json(systems[""].payload / "comparison.json") if "" in systems else {}
        found[task] = {"figures": figures, "pairs": compared.get("pairs"), "said": compared.get("verdicts")}
    seconds = {step: round(each.manifest.run.seconds) for step, each in built.artifacts.items()}
    return {"tasks": found, "seconds": seconds}


if __name__ == "__main__":
    main()
