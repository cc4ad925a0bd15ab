"""What little text gives a published model: SmolLM2-135M as it is, and adapted to some, on other texts of the kind.

    python benchmarks/plan/least_text.py DATA [--megabytes 0.07 0.28] [--minutes 4] [--only NAME …]

`decide.json` says from how many tokens an adapter is worth its training (limits: texts). For each of three collections
(Python's own library, speeches, pages of documentation) a folder of so many megabytes is adapted to as `lmworks init`
writes it (LoRA of rank 16), and bits per byte are measured on documents of the collection that stand in another part of
the split, beside the model as it was published and an n-gram model of the same texts. One JSON line each, with the
paired difference (adapted less published; below nothing is better) and its interval. DATA holds
`us-presidential-addresses/` and `licence-tagged-docs/`.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LONGEST = 8000
"""Characters of a document: of longer ones the beginning, so that many are on either side."""


def library(data: Path) -> Iterator[str]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(folder.glob("*.py")):
        yield path.read_text(encoding="utf-8", errors="replace")


def speeches(data: Path) -> Iterator[str]:
    for path in sorted((data / "us-presidential-addresses").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)["text"]


def pages(data: Path) -> Iterator[str]:
    for path in sorted((data / "licence-tagged-docs").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)["text"]


COLLECTIONS = {made.__name__: made for made in (library, speeches, pages)}
TEST_BYTES = 120_000


def recipe(test: float, minutes: float) -> Mapping[str, Any]:
    """As `lmworks init` writes it for texts that are gone on with."""
    adapted = {"objective": "causal-lm", "from": "smollm2-135m", "data": "corpus", "validation": "split.validation"}
    adapted |= {"adapter": {"kind": "lora", "rank": 16}, "learning_rate": 0.0005, "sequence_length": 256}
    files = {"kind": "files", "path": "texts", "licence": "LicenseRef-measured", "format": "text"}
    return {
        "name": "least-text",
        "use_case": "measuring what little text gives",
        "budget": {"minutes": minutes},
        "data": {
            "raw": {"kind": "ingest", "sources": [files], "licences": {"allow": ["LicenseRef-measured"]}},
            "split": {"kind": "split", "from": "raw", "by": "id", "test": round(test, 3), "validation": 0.05},
            "corpus": {"kind": "curate", "from": "split.train", "filters": []},
        },
        "models": {"adapted": {**adapted, "steps": "auto"}},
        "evaluate": {
            "models": ["smollm2-135m", "adapted"],
            "tasks": [{"kind": "perplexity", "data": "split.test", "train": "corpus", "data_type": "bfloat16"}],
        },
    }


def measure(name: str, data: Path, megabytes: float, minutes: float, folder: Path) -> dict[str, Any]:
    """Build it, and read what the comparison says."""
    texts, size = [text[:LONGEST] for text in COLLECTIONS[name](data)], 0
    random.Random(0).shuffle(texts)
    (folder / "texts").mkdir(parents=True)
    wanted = megabytes * 1e6 + TEST_BYTES
    for number, text in enumerate(texts):
        if size < wanted:
            (folder / "texts" / f"{number:04}.txt").write_text(text, encoding="utf-8")
            size += len(text.encode())
    (folder / "recipe.yaml").write_text(json.dumps(recipe(TEST_BYTES / size, minutes)))  # YAML, and in this order
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "lmworks", "build", "recipe.yaml"], cwd=folder, check=True, stdout=sys.stderr)
    return {"collection": name, "megabytes": megabytes, "seconds": round(time.monotonic() - began), **compared(folder)}


def compared(folder: Path) -> dict[str, Any]:
    from lmworks.pipeline.store import Store
    from lmworks.release.built import Built

    built = Built.open(Store(folder / ".lmworks"))
    ((task, systems),) = built.evaluations().items()
    figures = {name: each.manifest.figures[0] for name, each in systems.items() if name and each.manifest.figures}
    record = json.loads((systems[""].payload / "comparison.json").read_text())
    pairs = [pair for pair in record["pairs"] if {"adapted", "smollm2-135m"} <= set(map(str, pair.values()))]
    return {
        "task": task,
        **{name: [each.value, each.interval, each.n] for name, each in figures.items()},
        "pairs": pairs,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[0.07, 0.28])
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--only", nargs="*", default=list(COLLECTIONS), choices=COLLECTIONS)
    asked = parser.parse_args()
    for name in asked.only:
        for megabytes in asked.megabytes:
            with tempfile.TemporaryDirectory() as temporary:
                found = measure(name, asked.data, megabytes, asked.minutes, Path(temporary))
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
