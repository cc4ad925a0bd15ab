"""A T5 and a decoder from scratch on few pairs against copying and a word table, in BLEU on pairs never seen: one JSON
line.

    python benchmarks/train/translation.py DATA [--part validation] [--models t5 decoder] [--steps 2000] [--threads 2]
        [--set model.field=value ...]

DATA holds lines in two languages, as Multi30k does: `train_5k.en`, `train_5k.de`, `val.*` and `test_2016_flickr.*`.
English is translated into German. The recipe below is built as a user builds it, in a folder that is thrown away. Both
have as many weights and see as many pairs: of the decoder's steps a third, `read`, learn both sides as one text, and
`decoder` learns to answer one with the other. Each is timed on sentences one at a time, the encoder-decoder with 4
beams and greedily. Settings are to be chosen on `--part validation`.
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
"""
SHARED = """\
    validation_steps: 500
    checkpoint_steps: 1000
    data_type: bfloat16
    compile: true
    dropout: 0.2
"""
T5 = """\
  t5:
    objective: text-to-text
    from: scratch
    data: train
    validation: validation
    hidden_size: 128
    num_layers: 2
    tie_embeddings: true
    num_heads: 4
    label_smoothing: 0.1
    adamw_learning_rate: 0.12
    global_batch_tokens: 8192
    validation_rows: 480
"""
DECODER = """\
  read:
    objective: causal-lm
    from: scratch
    data: train_texts
    hidden_size: 128
    num_layers: 5
    tie_embeddings: true
    num_heads: 4
    global_batch_tokens: 3072
"""
ANSWER = """\
  decoder:
    objective: sft
    from: read
    data: train
    validation: validation
    label_smoothing: 0.1
    learning_rate: 0.02
    adamw_learning_rate: 0.02
    global_batch_tokens: 4096
    validation_rows: 40
"""
EVALUATE = """\
evaluate:
  models: [{models}]
  tasks:
    - {{kind: text-to-text, data: test, train: train, max_tokens: 64, timed: 100}}
    - {{kind: text-to-text, data: test, max_tokens: 64, timed: 100, beams: 1}}
"""


def main() -> None:
    """Write pairs and a recipe, build it, and read what the store says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", default="test", choices=("validation", "test"))
    parser.add_argument("--models", nargs="+", default=["t5", "decoder"], choices=("t5", "decoder"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], help="model.field=value")
    asked = parser.parse_args()
    steps = {"t5": asked.steps, "read": asked.steps // 3, "decoder": asked.steps - asked.steps // 3}
    texts = {"t5": T5 + SHARED, "decoder": DECODER + SHARED + ANSWER + SHARED}
    trained = [name for name in steps if name in asked.models or (name == "read" and "decoder" in asked.models)]
    settings = [f"{name}.{field}" for name in trained for field in (f"steps={steps[name]}", f"threads={asked.threads}")]
    settings += asked.set
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, file in FILES.items():
            _write_pairs(asked.data, asked.part if file == FILES["test"] else part, folder / part)
        recipe = RECIPE + "".join(map(texts.__getitem__, asked.models))
        (folder / "recipe.yaml").write_text(recipe + EVALUATE.format(models=", ".join(asked.models)))
        began = time.perf_counter(), os.times()
        command = [sys.executable, "-m", "lmworks", "build", "recipe.yaml"]
        subprocess.run(
            [*command, *(word for setting in settings for word in ("--set", setting))],
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
        print(json.dumps({"settings": settings, **_found(folder, trained)} | took | _machine()))


def _write_pairs(data: Path, part: str, folder: Path) -> None:
    folder.mkdir()
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
