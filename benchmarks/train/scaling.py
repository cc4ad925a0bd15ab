"""Predict five larger runs from a ladder of five small models, and see how they come out: one JSON line.

    python benchmarks/train/scaling.py FOLDER [--source DIR] [--seed N] [--hidden N] [--layers N] [--steps N]

FOLDER keeps the store, so that a stopped run goes on. The judged run is the one without options: the documentation of
cloud services, seed 11. What `lmworks.search.law` and `scale` assume (exponent, noise, wandering, batches) was
chosen on other texts (`--source DIR`) and seeds. Held-out runs take 1.5 to 8 times the compute of the ladder's largest,
with the seed alone. `covered` counts intervals that hold and are no wider than WIDEST either way.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from lmworks.plan.machine import this_machine
from lmworks.search.law import fit_law
from lmworks.search.runs import Runs
from lmworks.search.scale import LARGEST, RUNGS, SEEDS, ladder

HELD_OUT = (1.5, 2, 3, 5, 8)
"""About the compute, in that of the ladder's largest."""
WIDEST = 0.04
"""Half of an interval, in shares of the prediction, beyond which it says too little to count as holding."""
BOTOCORE = "[{kind: botocore}]"
RECIPE = """\
name: scaling
use_case: measuring how well larger runs are predicted
plan: {measure: false}
data:
  raw: {kind: ingest, sources: SOURCES, licences: {allow: [permissive]}}
  clean: {kind: normalise, from: raw, html: text}
  split: {kind: split, from: clean, by: SPLIT, test: 0.05, validation: 0.05}
tokenizer: {kind: bpe, vocab_size: 512, from: split.train}
models:
  pretrain:
    objective: causal-lm
    from: scratch
    data: split.train
    validation: split.validation
    sequence_length: 128
    global_batch_tokens: 2048
    micro_batch_rows: 16
    validation_rows: 512
    checkpoint_steps: 500
    data_type: bfloat16
    compile: false
"""


def write_recipe(folder: Path, source: str | None) -> Path:
    """The recipe over the text files of a folder, or over the documentation of cloud services."""
    files = f"[{{kind: files, path: {source}, licence: Apache-2.0}}]"
    recipe = RECIPE.replace("SOURCES", files if source else BOTOCORE).replace("SPLIT", "id" if source else "folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(recipe)
    return folder / "recipe.yaml"


def main() -> None:
    """Train the ladder and the larger models, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--source")
    for name, default in (("seed", 11), ("hidden", 128), ("layers", 2), ("steps", 2400)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    recipe = write_recipe(options.folder, options.source)
    fields = {"seed": options.seed, "threads": options.threads, "steps": options.steps}
    fields |= {"hidden_size": options.hidden, "num_layers": options.layers}
    settings = [f"pretrain.{name}={value}" for name, value in fields.items()]
    began = time.time()
    runs = Runs(recipe, settings, None, "pretrain")
    rungs = ladder(runs, [LARGEST * share for share in RUNGS])
    amounts = [runs.flops(rung) for rung in rungs]
    small = [*runs.vary({str(number): rung for number, rung in enumerate(rungs)}, SEEDS).values()]
    across = [amount for amount in amounts for _ in range(SEEDS)]
    law = fit_law(across, [loss for entry in small for loss in entry["losses"]])
    last = small[-1]["loss"]
    held_out: list[dict[str, Any]] = []
    for changed in ladder(runs, [LARGEST * times for times in HELD_OUT]):
        run, amount = runs.train(changed), runs.flops(changed)
        loss, (low, high) = law.predict(amount)
        held_out.append(
            {
                "times": round(amount / amounts[-1], 2),
                "seconds": round(run.seconds, 1),
                "loss": round(run.loss, 4),
                "predicted": round(loss, 4),
                "interval": [round(low, 4), round(high, 4)],
                "half_width": round((high - low) / 2 / loss, 4),
                "holds": low <= run.loss <= high,
                "error": round(loss / run.loss - 1, 4),
                "last_rung_error": round(last / run.loss - 1, 4),
            }
        )
    found = {
        "ladder": [
            [f"{amount:.3g}", *(round(loss, 4) for loss in entry["losses"])]
            for amount, entry in zip(amounts, small, strict=True)
        ],
        "ladder_seconds": round(sum(SEEDS * entry["seconds"] for entry in small), 1),
        "law": law.as_text("operations"),
        "held_out": held_out,
        "hold": sum(each["holds"] for each in held_out),
        "covered": sum(each["holds"] and each["half_width"] <= WIDEST for each in held_out),
        "largest_half_width": max(each["half_width"] for each in held_out),
        "mean_error": round(sum(abs(each["error"]) for each in held_out) / len(held_out), 4),
        "last_rung_mean_error": round(sum(abs(each["last_rung_error"]) for each in held_out) / len(held_out), 4),
        "seed": options.seed,
        "machine": f"{this_machine().processor}, {options.threads} threads",
        "seconds": round(time.time() - began),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
