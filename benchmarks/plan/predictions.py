"""Predicted time and memory of a training beside what it took: one JSON line.

    python benchmarks/plan/predictions.py [--calibrate] [--only NAME …] [--steps N] [--once] [--keep DIR]

Seven recipes that no constant of the plan was set on, and two of a published base, whose memory is counted with gaps
that were set on such; or with `--calibrate` those that the constants were set on. Each plan is measured and stored
first; then, once its data are packed, the model is trained by `lmworks build` in a process of its own; then the plan is
measured again in an empty store. The peak is the resident memory of the training process (VmHWM, mapped files
included); processes that the compiler starts beside it end before training and are not in it. Memory holds if the
actual peak is at most the prediction and at least 85 % of it; time holds if it is within 15 %, and counts where the two
measurements agree within 5 %. Wall times mean little while anything else runs. An objective that this version does not
know is named under `skipped`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DATA = """\
data:
  raw: {kind: ingest, sources: [{kind: botocore, limit: 60}], licences: {allow: [permissive]}}
  clean: {kind: normalise, from: raw, html: text}
  split: {kind: split, from: clean, by: folder, test: 5, validation: 5}
  corpus: {kind: curate, from: split.train, avoid: [split.test, split.validation]}
  questions: {kind: operations-to-prompts, train: corpus, validation: split.validation, test: split.test}
"""
DECODER = {"objective": "causal-lm", "from": "scratch", "data": "corpus", "validation": "split.validation"}
SFT = {"objective": "sft", "from": "base", "data": "questions.train", "validation": "questions.validation"}
BASE = {**DECODER, "steps": 20}
PUBLISHED = {**SFT, "from": "smollm2-135m", "sequence_length": 256, "global_batch_tokens": 1024, "validation_rows": 8,
             "steps": 8, "checkpoint_steps": 4}  # fmt: skip
"""It is not rehearsed: its memory is counted, and its time a guess."""

CASES: dict[str, tuple[int, dict[str, dict[str, Any]]]] = {
    "decoder": (
        3072,
        {"model": {**DECODER, "watch": "split.test", "hidden_size": 384, "num_layers": 3, "steps": 200}},
    ),
    "sft": (3072, {"base": {**BASE, "hidden_size": 320, "num_layers": 2}, "model": {**SFT, "steps": 200}}),
    "long context": (
        3072,
        {"model": {**DECODER, "hidden_size": 256, "num_layers": 2, "sequence_length": 1536, "micro_batch_rows": 1}
         | {"global_batch_tokens": 4608, "steps": 60}},
    ),
    "encoder": (
        3072,
        {"model": {**DECODER, "objective": "masked-lm", "hidden_size": 320, "num_layers": 2, "steps": 200}},
    ),
    "encoder-decoder": (
        3072,
        {"model": {**DECODER, "objective": "span-corruption", "hidden_size": 192, "num_layers": 4, "steps": 100}},
    ),
    "lora": (
        3072,
        {"base": {**BASE, "hidden_size": 256, "num_layers": 3},
         "model": {**SFT, "adapter": {"kind": "lora", "rank": 12}, "steps": 200}},
    ),
    "lora in 4 bits": (
        3072,
        {"base": {**BASE, "hidden_size": 512, "num_layers": 3},
         "model": {**SFT, "adapter": {"kind": "lora", "rank": 12, "quantise": "q4_1"}, "steps": 60}},
    ),
    "published with adapters": (0, {"model": {**PUBLISHED, "adapter": {"kind": "lora", "rank": 16}}}),
    "published whole": (0, {"model": PUBLISHED}),
}  # fmt: skip
"""Vocabulary and models of each judged recipe; `model` is what is predicted."""

CALIBRATION: dict[str, tuple[int, dict[str, dict[str, Any]]]] = {
    "plain": (
        1024,
        {"model": {**DECODER, "hidden_size": 128, "num_layers": 2, "sequence_length": 256, "steps": 150}
         | {"optimizer": "adamw", "learning_rate": 0.002, "compile": False, "data_type": "float32"}},
    ),
    "compiled": (2048, {"model": {**DECODER, "hidden_size": 192, "num_layers": 2, "steps": 40}}),
    "tuned": (1024, {"base": {**BASE, "hidden_size": 192, "num_layers": 2}, "model": {**SFT, "steps": 100}}),
    "wide vocabulary": (8192, {"model": {**DECODER, "hidden_size": 384, "num_layers": 2, "steps": 60}}),
    "many rows": (
        1024,
        {"model": {**DECODER, "hidden_size": 256, "num_layers": 4, "sequence_length": 1024, "micro_batch_rows": 8}
         | {"global_batch_tokens": 8192, "steps": 20, "compile": False}},
    ),
    "long rows": (
        2048,
        {"model": {**DECODER, "hidden_size": 128, "num_layers": 2, "sequence_length": 3072, "micro_batch_rows": 1}
         | {"global_batch_tokens": 3072, "steps": 40}},
    ),
    "hidden tokens": (
        2048,
        {"model": {**DECODER, "objective": "masked-lm", "hidden_size": 192, "num_layers": 2, "steps": 100}},
    ),
    "spans": (
        2048,
        {"model": {**DECODER, "objective": "span-corruption", "hidden_size": 128, "num_layers": 2, "steps": 80}},
    ),
    "adapted": (
        1024,
        {"base": {**BASE, "hidden_size": 192, "num_layers": 2},
         "model": {**SFT, "adapter": {"kind": "lora", "rank": 8}, "steps": 100}},
    ),
}  # fmt: skip


def lmworks(*words: str) -> str:
    """The command's output; its faults are shown."""
    return subprocess.run(
        [sys.executable, "-m", "lmworks", *words], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def judge(
    name: str, vocab_size: int, models: dict[str, dict[str, Any]], folder: Path, *, is_once: bool
) -> dict[str, Any]:
    """Plan, train and, unless `is_once`, plan again."""
    recipe = folder / f"{name.replace(' ', '-')}.yaml"
    named = f"name: {recipe.stem}\nuse_case: held against its prediction\nbudget: {{minutes: 5}}\n"
    tokenizer = f"tokenizer: {{kind: bpe, vocab_size: {vocab_size}, from: corpus}}\n" if vocab_size else ""
    recipe.write_text(f"{named}{DATA}{tokenizer}models: {json.dumps(models)}\n")
    store = ["--store", str(folder / "store")]
    plan = json.loads(lmworks("plan", str(recipe), "--measure", "--json", *store))
    counted = json.loads(lmworks("plan", str(recipe), "--json", "--store", str(folder / "counted")))
    for until in ("model/data", "model/validation", *(["base"] if "base" in models else [])):
        lmworks("build", str(recipe), "--until", until, "--json", *store)
    built = json.loads(lmworks("build", str(recipe), "--until", "model", "--json", *store))["model"]
    run = json.loads((folder / "store/artifacts" / built["stage"] / built["key"] / "manifest.json").read_text())["run"]
    repeat = ("plan", str(recipe), "--measure", "--json", "--store", str(folder / f"again-{recipe.stem}"))
    again = plan if is_once else json.loads(lmworks(*repeat))
    parts = next(item["parts"] for item in plan["predicted"] if item["step"] == "model")
    late = plan["rates"]["model"]["loading_seconds"] if len(models) > 1 else 0.0  # it loads in a process of its own
    seconds, memory = sum(parts.values()) + late, sum(plan["memory"]["model"].values())
    speeds = [record["rates"]["model"]["tokens_per_second"] for record in (plan, again)]
    return {
        "predicted_seconds": round(seconds, 1),
        "actual_seconds": round(run["seconds"], 1),
        "time_ratio": round(run["seconds"] / seconds, 3),
        "parts": {part: round(value, 1) for part, value in parts.items()},
        "measured": {part: round(value, 2) for part, value in run["measured"].items()},
        "measurements_agree": abs(speeds[0] / speeds[1] - 1) <= 0.05,
        "tokens_per_second": [round(speed) for speed in (*speeds, run["measured"]["tokens_per_second"])],
        "predicted_mib": memory >> 20,
        "counted_mib": sum(counted["memory"]["model"].values()) >> 20,
        "actual_mib": run["peak_memory_bytes"] >> 20,
        "memory_ratio": round(run["peak_memory_bytes"] / memory, 3),
        "memory_holds": 0.85 <= run["peak_memory_bytes"] / memory <= 1,
        "time_holds": 0.85 <= run["seconds"] / seconds <= 1.15,
    }


def main() -> None:
    """All cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--steps", type=int, help="of each training, instead of its own")
    parser.add_argument("--once", action="store_true", help="do not measure a plan a second time")
    parser.add_argument("--keep", type=Path, help="folder of the store, to look at afterwards")
    options = parser.parse_args()
    from lmworks.train.objectives import OBJECTIVES

    found: dict[str, Any] = {}
    skipped: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        for case, (vocab_size, models) in (CALIBRATION if options.calibrate else CASES).items():
            if options.only and case not in options.only:
                continue
            if unknown := {fields["objective"] for fields in models.values()} - set(OBJECTIVES):
                skipped.append(f"{case}: no objective {', '.join(sorted(unknown))}")
            elif any(
                field not in OBJECTIVES[fields["objective"]].model_fields
                for fields in models.values()
                for field in fields
                if field != "from"
            ):
                skipped.append(f"{case}: a field of it is not known")
            else:
                steps = {"steps": options.steps} if options.steps else {}
                models |= {"model": models["model"] | steps}
                found[case] = judge(case, vocab_size, models, folder, is_once=options.once)
                print(f"{case}: {json.dumps(found[case])}", file=sys.stderr)
    for line in skipped:
        print(f"SKIPPED {line}", file=sys.stderr)
    held = {
        what: sum(case[what] for case in found.values())
        for what in ("memory_holds", "time_holds", "measurements_agree")
    }
    print(json.dumps({"cases": found, "held": held, "of": len(found), "skipped": skipped}))


if __name__ == "__main__":
    main()
