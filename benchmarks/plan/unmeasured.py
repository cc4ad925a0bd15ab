"""Planned time and memory of ten small builds without measuring (`plan.measure: false`) beside what each build took.

    python benchmarks/plan/unmeasured.py [--calibrate] [--toy] [--only NAME …] [--keep DIR]

The ten builds differ in objective and size. No constant of the plan was set on them. With `--calibrate` it runs the
builds that the constants were set on: other sizes of decoders, encoders, adapters and encoder-decoders, without a
compiler. `--toy` takes a tenth of the steps. A line is printed for each build, and a JSON line for all of them.

`time` is the training's seconds over the middle of its planned range. It holds within a factor of 3. `memory`
is the peak over what the plan tells "in all", which holds if it is at most 1. Wall times depend on what else runs.
So each build also has `busy`, the processor seconds of the whole command over its wall seconds: far below 1, other
work had the cores.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FACTOR = 3.0
WORDS = 400
DATA = """\
data:
  texts:
    kind: ingest
    sources: [{kind: files, path: texts, licence: CC0-1.0, label_field: kind}]
    licences: {allow: [permissive]}
  split: {kind: split, from: texts, test: 0.1, validation: 0.1}
  chatted:
    kind: ingest
    sources: [{kind: files, path: chats, licence: CC0-1.0, fields: all}]
    licences: {allow: [permissive]}
  chats: {kind: conversations, from: chatted}
"""
PLAIN = {"compile": False, "threads": 1, "data_type": "float32"}
DECODER = {
    "objective": "causal-lm",
    "from": "scratch",
    "data": "split.train",
    "validation": "split.validation",
    **PLAIN,
}
ENCODER = {**DECODER, "objective": "masked-lm"}
SPANS = {**DECODER, "objective": "span-corruption"}
SFT = {"objective": "sft", "from": "base", "data": "chats", **PLAIN}
SORTER = {"objective": "sequence-classification", "from": "base", "data": "split.train", **PLAIN}
SORTER |= {"validation": "split.validation"}
SHORT = {"sequence_length": 128, "global_batch_tokens": 512}
MIDDLE = {"sequence_length": 256, "global_batch_tokens": 1024}
BASE = {"steps": 20, **SHORT}
NARROW = {"data_type": "bfloat16"}

CASES: dict[str, dict[str, dict[str, Any]]] = {
    "decoder 96x2": {"model": {**DECODER, "hidden_size": 96, "num_layers": 2, "steps": 120, **SHORT}},
    "decoder 192x3": {"model": {**DECODER, "hidden_size": 192, "num_layers": 3, "steps": 60}},
    "decoder 320x2, 16 bits": {"model": {**DECODER, **NARROW, "hidden_size": 320, "num_layers": 2, "steps": 50}},
    "decoder 64x4, short rows": {
        "model": {**DECODER, "hidden_size": 64, "num_layers": 4, "sequence_length": 64, "steps": 150}
        | {"global_batch_tokens": 256}
    },
    "tuned 160x2": {
        "base": {**DECODER, **BASE, **MIDDLE, "hidden_size": 160, "num_layers": 2},
        "model": {**SFT, "steps": 80, **MIDDLE},
    },
    "adapter 192x2": {
        "base": {**DECODER, **BASE, **MIDDLE, "hidden_size": 192, "num_layers": 2},
        "model": {**SFT, "adapter": {"rank": 8}, "steps": 80, **MIDDLE},
    },
    "encoder 128x3": {"model": {**ENCODER, "hidden_size": 128, "num_layers": 3, "steps": 60, **SHORT}},
    "encoder 256x2": {"model": {**ENCODER, "hidden_size": 256, "num_layers": 2, "steps": 40, **SHORT}},
    "sorter 96x2": {
        "base": {**ENCODER, **BASE, "hidden_size": 96, "num_layers": 2},
        "model": {**SORTER, "steps": 60, **SHORT},
    },
    "encoder-decoder 96x2": {"model": {**SPANS, "hidden_size": 96, "num_layers": 2, "steps": 40, **SHORT}},
}
"""Models of each judged recipe; `model` is the one that is judged."""

CALIBRATION: dict[str, dict[str, dict[str, Any]]] = {
    "decoder 64x1": {"model": {**DECODER, "hidden_size": 64, "num_layers": 1, "steps": 100, **SHORT}},
    "decoder 128x2": {"model": {**DECODER, "hidden_size": 128, "num_layers": 2, "steps": 60}},
    "decoder 256x3": {"model": {**DECODER, "hidden_size": 256, "num_layers": 3, "steps": 30}},
    "adapter 128x2": {
        "base": {**DECODER, **BASE, **MIDDLE, "hidden_size": 128, "num_layers": 2},
        "model": {**SFT, "adapter": {"rank": 8}, "steps": 60, **MIDDLE},
    },
    "encoder 128x2": {"model": {**ENCODER, "hidden_size": 128, "num_layers": 2, "steps": 40, **SHORT}},
    "encoder-decoder 128x2": {"model": {**SPANS, "hidden_size": 128, "num_layers": 2, "steps": 40, **SHORT}},
}


def write_data(folder: Path) -> None:
    """Write made-up texts with a label each, and chats."""
    draw = random.Random(0)
    syllables = [first + second for first in "bcdfglmnprst" for second in ("a", "en", "ir", "o", "us")]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 3))) for _ in range(WORDS)]

    def text(count: int) -> str:
        return " ".join(draw.choices(words, weights=[1 / rank for rank in range(1, WORDS + 1)], k=count)) + "."

    texts = [{"text": text(draw.randint(30, 120)), "kind": f"kind {number % 4}"} for number in range(1500)]
    chats = [{"messages": [{"role": role, "content": text(15)} for role in ("user", "assistant")]} for _ in range(600)]
    for name, rows in (("texts", texts), ("chats", chats)):
        (folder / name).mkdir()
        (folder / name / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def lmworks(*words: str) -> Any:
    """Return the command's JSON; its faults are shown."""
    command = [sys.executable, "-m", "lmworks", *words, "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def judge(name: str, models: dict[str, dict[str, Any]], folder: Path, *, toy: bool) -> dict[str, Any]:
    """Plan without measuring, build, and compare."""
    place = folder / name.replace(" ", "-").replace(",", "")
    place.mkdir()
    write_data(place)
    if toy:
        models = {key: {**fields, "steps": max(3, fields["steps"] // 10)} for key, fields in models.items()}
    recipe = place / "recipe.yaml"
    recipe.write_text(
        f"name: {place.name}\nuse_case: planned without measuring\nbudget: {{minutes: 20, device: cpu}}\n"
        "plan: {measure: false}\n"
        f"{DATA}tokenizer: {{kind: bpe, vocab_size: 1000, from: split.train}}\nmodels: {json.dumps(models)}\n"
    )
    store = ["--store", str(place / "store")]
    plan = lmworks("plan", str(recipe), *store)
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    built = lmworks("build", str(recipe), "--until", "model", *store)["model"]
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = (after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime) / wall
    run = json.loads((place / "store/artifacts" / built["stage"] / built["key"] / "manifest.json").read_text())["run"]
    low, high = next(item["seconds"] for item in plan["predicted"] if item["step"] == "model")
    memory, rate = plan["memory_bytes"], plan["rates"]["model"]["tokens_per_second"]
    least, most = (sum(item["seconds"][end] for item in plan["predicted"]) for end in (0, 1))
    ratio = run["seconds"] / ((low + high) / 2)
    return {
        "planned_seconds": [round(low, 1), round(high, 1)],
        "actual_seconds": round(run["seconds"], 1),
        "time": round(ratio, 2),
        "build_planned_seconds": [round(least, 1), round(most, 1)],
        "build_actual_seconds": round(wall, 1),
        "busy": round(busy, 2),
        "tokens_per_second": [round(rate), round(run["measured"]["tokens_per_second"])],
        "memory": round(run["peak_memory_bytes"] / memory, 2),
        "planned_mib": memory >> 20,
        "actual_mib": run["peak_memory_bytes"] >> 20,
        "time_holds": 1 / FACTOR <= ratio <= FACTOR,
        "memory_holds": run["peak_memory_bytes"] <= memory,
    }


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--toy", action="store_true", help="a tenth of the steps")
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder of the stores, to look at afterwards")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        for case, models in (CALIBRATION if options.calibrate else CASES).items():
            if not options.only or case in options.only:
                one = found[case] = judge(case, models, folder, toy=options.toy)
                low, high = one["planned_seconds"]
                print(
                    f"{case:26} planned {low:6.1f} to {high:6.1f} s, took {one['actual_seconds']:6.1f} s, ratio "
                    f"{one['time']:5.2f}; memory {one['actual_mib']:5} of {one['planned_mib']:5} MiB; "
                    f"busy {one['busy']}",
                    file=sys.stderr,
                    flush=True,
                )
    held = {what: sum(case[what] for case in found.values()) for what in ("time_holds", "memory_holds")}
    print(json.dumps({"cases": found, "held": held, "of": len(found)}))


if __name__ == "__main__":
    main()
