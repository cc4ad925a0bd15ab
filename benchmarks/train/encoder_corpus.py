"""An encoder from scratch against a bag of words on services that neither has seen: one JSON line.

    python benchmarks/train/encoder_corpus.py [--store FOLDER] [field=value ...]

Builds recipes/categories.yaml, whose table sorts the services of botocore into 13 kinds, and prints accuracy and macro
F1 of the encoder, of TF-IDF with logistic regression and of the commonest label on 80 held-out services, and the paired
difference with its 95 % interval over services. `field=value` are settings of the recipe (`encoder.steps=200`); tune
with `evaluate.tasks.0.data=split.validation`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = Path(__file__).parents[2] / "recipes" / "categories.yaml"


def main() -> None:
    """Build, and read what the build found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, help="kept, so that a second run with other settings reuses the data")
    parser.add_argument("settings", nargs="*", metavar="field=value")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        store, began = options.store or Path(name), time.perf_counter()
        settings = [part for setting in options.settings for part in ("--set", setting)]
        command = [sys.executable, "-m", "lmworks", "build", str(RECIPE), "--store", str(store), *settings]
        subprocess.run(command, check=True, stdout=sys.stderr)
        found: dict[str, object] = {"seconds": round(time.perf_counter() - began, 1), "settings": options.settings}
        latest = max(store.glob("artifacts/compare/*/payload/comparison.json"), key=lambda path: path.stat().st_mtime)
        manifest = json.loads((latest.parents[1] / "manifest.json").read_text())
        found |= {"pairs": json.loads(latest.read_text())["pairs"], "step": manifest["step"]}
        for path in store.glob("artifacts/evaluate-classification*/*/payload/figures.json"):
            figures = json.loads(path.read_text())
            step = json.loads((path.parents[1] / "manifest.json").read_text())["step"]
            found[step] = {figure["name"]: [figure["value"], figure["interval"]] for figure in figures}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
