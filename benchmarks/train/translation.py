"""A T5 from scratch on few pairs against copying and a word table, in BLEU on pairs never seen: one JSON line.

    python benchmarks/train/translation.py DATA [--part validation] [--steps 2000] [--threads 2] [field=value ...]

DATA holds lines in two languages, as Multi30k does: `train_5k.en`, `train_5k.de`, `val.*` and `test_2016_flickr.*`.
English is translated into German. The recipe below is built as a user builds it, in a folder that is thrown away;
`field=value` changes fields of the model. Settings are to be chosen on
`--part validation`.
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

FILES = {"train": "train_5k", "validation": "val", "test": "test_2016_flickr"}
INGEST = (
    "{{kind: ingest, licences: {{allow: [LicenseRef-Multi30k]}}, sources: [{{kind: files, path: {part}, "
    "licence: LicenseRef-Multi30k, text_field: [source, target], keep: [source, target]}}]}}"
)
RECIPE = f"""\
name: captions
use_case: translating captions of pictures
plan: {{measure: false}}
data:
{"".join(f"  {part}_texts: {INGEST.format(part=part)}" + chr(10) for part in FILES)}\
{"".join(f"  {part}: {{kind: pairs, from: {part}_texts}}" + chr(10) for part in FILES)}\
tokenizer: {{kind: bpe, from: train_texts, vocab_size: 2000}}
models:
  t5:
    objective: text-to-text
    from: scratch
    data: train
    validation: validation
    hidden_size: 128
    num_layers: 2
    tie_embeddings: true
    num_heads: 4
    dropout: 0.2
    label_smoothing: 0.1
    adamw_learning_rate: 0.12
    global_batch_tokens: 8192
    validation_steps: 500
    validation_rows: 480
    checkpoint_steps: 1000
    data_type: bfloat16
    compile: true
evaluate:
  models: [t5]
  tasks: [{{kind: text-to-text, data: test, train: train, max_tokens: 64}}]
"""


def main() -> None:
    """Write pairs and a recipe, build it, and read what the store says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", default="test", choices=("validation", "test"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("fields", nargs="*", help="field=value of the model")
    asked = parser.parse_intermixed_args()
    settings = [f"steps={asked.steps}", f"threads={asked.threads}", *asked.fields]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, file in FILES.items():
            _write_pairs(asked.data, asked.part if file == FILES["test"] else part, folder / part)
        (folder / "recipe.yaml").write_text(RECIPE)
        began = time.perf_counter()
        command = [sys.executable, "-m", "lmworks", "build", "recipe.yaml"]
        subprocess.run(
            [*command, *(word for setting in settings for word in ("--set", f"t5.{setting}"))],
            cwd=folder,
            env={"LMWORKS_ID_KEY": "a key for measurements only", **os.environ},
            stdout=sys.stderr,
            check=True,
        )
        seconds = time.perf_counter() - began
        print(json.dumps({"settings": settings, **_found(folder), "build_seconds": round(seconds, 1)} | _machine()))


def _write_pairs(data: Path, part: str, folder: Path) -> None:
    folder.mkdir()
    source, target = ((data / f"{FILES[part]}.{code}").read_text("utf-8").splitlines() for code in ("en", "de"))
    pairs = [{"source": one, "target": other} for one, other in zip(source, target, strict=True)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs), "utf-8")


def _found(folder: Path) -> dict[str, Any]:
    manifests = [json.loads(path.read_text()) for path in (folder / ".lmworks" / "artifacts").glob("*/*/manifest.json")]
    made = {manifest["step"]: manifest for manifest in manifests}
    results = {
        step.rsplit("/", 1)[-1]: {
            figure["name"]: [round(each, 3) for each in (figure["value"], *(figure["interval"] or ()))]
            for figure in manifest["figures"]
        }
        for step, manifest in made.items()
        if step.startswith("evaluate/")
    }
    return {
        "parameters": made["t5"]["counts"]["parameters"],
        "fit": {figure["name"]: round(figure["value"], 3) for figure in made["t5"]["figures"]},
        "train_seconds": round(made["t5"]["run"]["seconds"], 1),
        "results": results,
    }


def _machine() -> dict[str, Any]:
    return {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}


if __name__ == "__main__":
    main()
