"""The models of recipes/translation.yaml on few pairs, beside copying and a word table, in BLEU: one JSON line.

    python benchmarks/train/translation.py DATA [--part validation] [--models translate decoder] [--threads 2]
        [--folder FOLDER] [--set model.field=value ...]

DATA holds lines in two languages, as Multi30k does: `train_5k.en`, `train_5k.de`, `val.*` and `test_2016_flickr.*`.
English is translated into German. The recipe is built as a user builds it, but the parts are those of the data instead
of drawn ones; its store and report stay in `--folder`, if that is named. `--models` leaves out the others and what only
they begin with. Settings are to be chosen on `--part validation`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

RECIPE = Path(__file__).parents[2] / "recipes" / "translation.yaml"
FILES = {"train": "train_5k", "validation": "val", "test": "test_2016_flickr"}
LICENCE = "LicenseRef-Multi30k"


def main() -> None:
    """Write pairs and the recipe, build it, and read what the store says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", default="test", choices=("validation", "test"))
    parser.add_argument("--models", nargs="+", default=["translate", "decoder"], choices=("translate", "decoder"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="new, or of an earlier run with equal data")
    parser.add_argument("--set", nargs="*", default=[], help="model.field=value")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder: Path = asked.folder or Path(name)
        for part, file in FILES.items():
            _write_pairs(asked.data, asked.part if file == FILES["test"] else part, folder / part)
        recipe = _recipe(asked.models, asked.threads)
        (folder / "recipe.yaml").write_text(json.dumps(recipe))
        began = time.perf_counter(), os.times()
        command = [sys.executable, "-m", "lmworks", "build", "recipe.yaml"]
        subprocess.run(
            [*command, *(word for setting in asked.set for word in ("--set", setting))],
            cwd=folder,
            env={"LMWORKS_ID_KEY": "a key for measurements only", **os.environ},
            stdout=sys.stderr,
            check=True,
        )
        seconds, ended = time.perf_counter() - began[0], os.times()
        took = {
            "build_seconds": round(seconds, 1),
            "processor_seconds": round(ended.children_user - began[1].children_user, 1),
        }
        print(json.dumps({"settings": asked.set, **_found(folder, list(recipe["models"]))} | took | _machine()))


def _recipe(asked: list[str], threads: int) -> dict[str, Any]:
    """The recipe with the data's own parts, and only the models asked for with those that they begin with."""
    recipe: dict[str, Any] = YAML(typ="safe").load(RECIPE)
    models, used = recipe["models"], list(asked)
    for name in used:
        used += [base] if (base := models[name]["from"]) in models else []
    recipe["models"] = {name: models[name] | {"threads": threads} for name in models if name in used}
    recipe["evaluate"]["models"] = asked
    recipe["plan"] = {"measure": False}
    source = {"kind": "files", "licence": LICENCE, "text_field": ["source", "target"], "keep": ["source", "target"]}
    data: dict[str, Any] = {}
    for part, texts in (("train", "corpus"), ("validation", "validation_texts"), ("test", "test_texts")):
        data[texts] = {"kind": "ingest", "licences": {"allow": [LICENCE]}, "sources": [source | {"path": part}]}
        data[part] = {"kind": "pairs", "from": texts}
    return recipe | {"data": data}


def _write_pairs(data: Path, part: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    source, target = ((data / f"{FILES[part]}.{code}").read_text("utf-8").splitlines() for code in ("en", "de"))
    pairs = [{"source": one, "target": other} for one, other in zip(source, target, strict=True)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs), "utf-8")


def _found(folder: Path, trained: list[str]) -> dict[str, Any]:
    manifests = [json.loads(path.read_text()) for path in (folder / ".lmworks" / "artifacts").glob("*/*/manifest.json")]
    made = {manifest["step"]: manifest for manifest in manifests}
    evaluated = {step.removeprefix("evaluate/"): manifest for step, manifest in made.items() if "evaluate/" in step}
    results = {
        step: {
            figure["name"]: [round(each, 3) for each in (figure["value"], *(figure["interval"] or ()))]
            for figure in manifest["figures"]
        }
        for step, manifest in evaluated.items()
    }
    return {
        "parameters": {name: made[name]["counts"]["parameters"] for name in trained},
        "fit": {name: {f["name"]: round(f["value"], 3) for f in made[name]["figures"]} for name in trained},
        "train_seconds": {name: round(made[name]["run"]["seconds"], 1) for name in trained},
        "seconds_a_text": {
            step: each["run"]["measured"] for step, each in evaluated.items() if each["run"]["measured"]
        },
        "results": results,
    }


def _machine() -> dict[str, Any]:
    return {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}


if __name__ == "__main__":
    main()
