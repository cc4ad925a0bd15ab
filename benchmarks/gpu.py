"""Whether an accelerator computes what the processor does, and how fast and in how much memory: one JSON line.

    python benchmarks/gpu.py [--device auto] [--minutes 9] [--only NAME ...] [--reduced] [--out FILE]

Where torch finds no accelerator the line says `not run`, and why. In turn:

- `objectives`: each one, and what adapters, data types and published bases make of it, trained three steps on both.
- `tasks`: each one, asked of models of each family that can answer it, on both.
- `calls`: each call of the engine, on five kinds of models, on both.
- `processes`: four steps on two accelerators beside one processor, where there are two.
- `pretraining`: a decoder from scratch, steps of made-up rows: tokens a second, their share of the largest product of
  the same data type (MFU), and peak memory beside what the plan counts for it beforehand.
- `generation`: tokens a second of what was trained, for one request and for many together.

The first four are those of the tests, on models of moments. `difference` is the largest of a run's numbers, relative
where they are above one; above TOLERANCE, or where answers differ, the name stands in `failed`, as does what ended in
an error, and the exit code is 1. What is not reached within `--minutes` stands in `left`. `--only` takes names of the
first three parts, `--reduced` a model of moments for the others. It needs what `make setup` installs.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from engine_bench import CALLS, DRAWS, MODELS, make_folders, open_for  # noqa: E402
from lmworks.engines.decoder import Sampling  # noqa: E402
from lmworks.engines.open import open_decoder  # noqa: E402
from lmworks.errors import LmworksError  # noqa: E402
from lmworks.model.device import CPU, device_count, device_name, find_device, free_bytes, product_rate  # noqa: E402
from lmworks.plan.machine import this_machine  # noqa: E402
from lmworks.plan.probe import counted_rate, counted_speed  # noqa: E402
from lmworks.train.configs.language_model import CausalLMConfig  # noqa: E402
from lmworks.train.loop.probe import rehearse  # noqa: E402
from lmworks.train.memory import Layout, flops_per_token, training_memory  # noqa: E402
from lmworks.train.objectives import OBJECTIVES  # noqa: E402
from objective_bench import DROPS, VARIANTS, Bench, settings_of  # noqa: E402
from task_bench import cases, make_models, run_task  # noqa: E402

TOLERANCE = {"float32": 0.01, "bfloat16": 0.05}
"""Of differences: products in another order, and Muon's in bfloat16, round differently; dropout draws others."""
OTHER_ANSWERS = "other answers"
"""Instead of a difference, where ids or texts are others: a near tie may go either way, or something is wrong."""


@dataclass(frozen=True)
class Size:
    """Of what is timed."""

    hidden_size: int
    num_layers: int
    vocab_size: int
    sequence_length: int
    rows: int
    steps: int
    requests: tuple[int, ...]
    written: int
    """Tokens of an answer, and of a prompt."""
    compiled: bool
    """Whether to compile, too, which not every device can be compiled for."""


WHOLE = Size(768, 12, 32_768, 1024, 8, 24, (1, 16, 64), 128, True)
REDUCED = Size(64, 2, 300, 48, 2, 4, (1, 4), 8, False)


@dataclass
class Findings:
    """What is printed, and how much time is left for it."""

    ends: float
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def take(self, part: str, name: str, measure: Callable[[], dict[str, Any]], tolerance: float = math.inf) -> None:
        """Measure one thing, if there is time; an error is a finding, too."""
        if time.monotonic() > self.ends:
            self.left.append(f"{part}: {name}")
            return
        began = time.monotonic()
        try:
            found = measure()
        except Exception as error:
            found = {"error": as_text(error)}
        difference = found.get("difference", 0.0)
        if "error" in found or difference == OTHER_ANSWERS or difference > tolerance:
            self.failed.append(f"{part}: {name}")
        self.parts.setdefault(part, {})[name] = found | {"seconds": round(time.monotonic() - began, 1)}
        gc.collect()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--only", nargs="*", metavar="NAME")
    parser.add_argument("--reduced", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    try:
        device = find_device(given.device)
    except LmworksError as error:
        record = {"status": "not run", "reason": str(error)}
    else:
        if device.type == CPU and given.device != CPU:
            record = {"status": "not run", "reason": "torch finds no accelerator here"}
        else:
            record = measured(device, given.minutes, given.only, REDUCED if given.reduced else WHOLE)
    line = json.dumps(record)
    if given.out:
        given.out.write_text(line + "\n")
    print(line)
    sys.exit(bool(record.get("failed")))


def measured(device: torch.device, minutes: float, only: list[str] | None, size: Size) -> dict[str, Any]:
    """All parts."""
    found = Findings(time.monotonic() + 60 * minutes)
    about = {"device": str(device), "name": device_name(device), "devices": device_count(device.type)}
    about |= {"torch": torch.__version__} | ({} if device.type == CPU else {"free_bytes": free_bytes(device)})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.set_num_threads(min(8, os.cpu_count() or 1))
        parts: dict[str, Callable[[], None]] = {
            "objectives": partial(objectives, found, str(device), folder / "objectives", only),
            "tasks": partial(tasks, found, str(device), folder / "tasks", only),
            "calls": partial(calls, found, str(device), folder / "calls", only),
            "pretraining": partial(pretraining, found, device, folder, size),
            "generation": partial(generation, found, str(device), folder, size),
        }
        for part_name, measure in parts.items():
            try:
                measure()
            except Exception as error:  # what one part cannot make ready costs the others nothing
                found.parts.setdefault(part_name, {})["error"] = as_text(error)
                found.failed.append(part_name)
    ran = {"status": "run", **about, "failed": found.failed, "left": found.left}
    return ran | found.parts


def objectives(found: Findings, device: str, folder: Path, only: list[str] | None) -> None:
    """Losses, rates, norms and metrics of each step and validation; of two processes, too."""
    folder.mkdir()
    bench = Bench(folder)

    def compared(label: str, name: str, values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        bench.run(f"{label}-here", name, values, CPU)
        bench.run(f"{label}-there", name, values | more, device)
        here, there = bench.lines(f"{label}-here"), bench.lines(f"{label}-there")
        return {"difference": apart(here, there), "loss": there[-1]["loss"], "loss_of_the_processor": here[-1]["loss"]}

    for name in chosen([*OBJECTIVES, *VARIANTS], only):
        objective, values = settings_of(name)
        narrow = name in DROPS or values.get("data_type") == "bfloat16"
        tolerance = TOLERANCE["bfloat16" if narrow else "float32"]
        found.take("objectives", name, partial(compared, name, objective, values, {}), tolerance)
    device = torch.device(device).type  # each process takes another one
    if device == CPU or device_count(device) < 2:
        found.parts["processes"] = {"status": "not run", "reason": "fewer than two accelerators"}
        return
    values = {"optimizer": "adamw", "learning_rate": 0.002, "num_heads": 2, "num_key_value_heads": 2}
    for label, more in (("two", {}), ("split matrices", {"tensor_parallel": 2})):
        spread = {"processes": 2, **more}
        found.take("processes", label, partial(compared, label, "causal-lm", values, spread), 0.01)


def tasks(found: Findings, device: str, folder: Path, only: list[str] | None) -> None:
    """Figures of each task."""
    models = make_models(folder / "models")

    def compared(name: str) -> dict[str, Any]:
        values = []
        for where in (CPU, device):
            place = folder / name / where.replace(":", "-")
            place.mkdir(parents=True)
            values.append({figure.name: figure.value for figure in run_task(name, models, place, where).figures})
        return {"difference": apart(*values), "figures": values[1]}

    for name in chosen(list(cases()), only):
        tolerance = TOLERANCE["bfloat16" if "bfloat16" in name else "float32"]
        found.take("tasks", name, partial(compared, name), tolerance)


def calls(found: Findings, device: str, folder: Path, only: list[str] | None) -> None:
    """Answers of each call of the engine; `transformers` draws from each device's own random numbers."""
    folders = make_folders(folder / "models")

    def compared(call: str, model: str) -> dict[str, Any]:
        ask = (CALLS | DRAWS)[call]
        here, there = (ask(open_for(call, model, folders, where)) for where in (CPU, device))
        return {"difference": apart(here, there)}

    for call in chosen([*CALLS, *DRAWS], only):
        for model in MODELS:
            if model != "published" or call not in ("batch", "stream", "drawn"):
                found.take("calls", f"{call}, {model}", partial(compared, call, model), TOLERANCE["float32"])


def pretraining(found: Findings, device: torch.device, folder: Path, size: Size) -> None:
    """Steps of a decoder from scratch, each way in a process of its own, beside what is counted beforehand."""
    machine = this_machine(str(device))

    def rehearsed(config: CausalLMConfig, place: Path) -> dict[str, Any]:
        place.mkdir()
        shape = config.shape(size.vocab_size)
        flops = flops_per_token(config, shape)
        memory = training_memory(shape, config, size.vocab_size, 0, Layout.of(config, apart=device.type != CPU))
        counted = counted_rate(config, flops, counted_speed(machine))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            run = alone.submit(rehearse, [config], size.vocab_size, size.steps, place).result()
        rate, peak = run["tokens_per_second"], run["peak_memory_bytes"]
        best = product_rate(device, getattr(torch, config.data_type))
        return {
            "parameters": shape.parameters,
            "tokens_per_second": round(rate),
            "mfu": round(rate * flops / best, 3),
            "product_teraflops": round(best / 1e12, 2),
            "first_step_seconds": round(run["first_step_seconds"], 1),
            "tokens_per_second_counted": round(counted.tokens_per_second),
            "peak_bytes": int(peak),
            "peak_bytes_counted": sum(memory.values()),
        }

    ways = [("float32", False), ("bfloat16", False), *([("bfloat16", True)] if size.compiled else [])]
    for data_type, compiled in ways:
        config = CausalLMConfig.model_validate(
            {
                **{"from": "scratch", "data": "x", "validation": "x", "device": str(device), "compile": compiled},
                **{"hidden_size": size.hidden_size, "num_layers": size.num_layers, "data_type": data_type},
                **{"sequence_length": size.sequence_length, "micro_batch_rows": size.rows, "steps": size.steps},
                **{"global_batch_tokens": size.rows * size.sequence_length, "validation_rows": size.rows},
                **{"threads": torch.get_num_threads()},
            }
        )
        name = f"{data_type}{', compiled' if compiled else ''}"
        found.take("pretraining", name, partial(rehearsed, config, folder / name))


def generation(found: Findings, device: str, folder: Path, size: Size) -> None:
    """Answers of what was trained, drawn at temperature 1 so that few end early."""
    model = folder / "float32" / "model"

    def answered(data_type: str, requests: int) -> dict[str, Any]:
        engine = open_decoder(model, data_type, device)
        prompts = [[5 + number, *range(5, 4 + size.written)] for number in range(requests)]
        sampling = [Sampling(size.written, temperature=1.0, seed=number) for number in range(requests)]
        for _ in range(2):  # the first loads kernels
            began = time.perf_counter()
            count = sum(len(answer.ids) for answer in engine.generate(prompts, sampling))
            seconds = time.perf_counter() - began
        return {"tokens_per_second": round(count / seconds, 1), "tokens": count}

    for data_type in TOLERANCE:
        for requests in size.requests:
            found.take("generation", f"{data_type}, {requests} together", partial(answered, data_type, requests))


def as_text(error: Exception) -> str:
    """Its kind, and what it says, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"


def chosen(names: list[str], only: list[str] | None) -> Iterator[str]:
    """Those that are asked for, or all."""
    yield from names if only is None else (name for name in names if name in only)


def apart(one: Any, other: Any) -> float | str:
    """The largest difference of numbers that stand in the same places, relative above one."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return largest(apart(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return largest(apart(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) / max(1.0, abs(one)) if one != other else 0.0
    return 0.0 if one == other else OTHER_ANSWERS


def largest(differences: Iterator[float | str]) -> float | str:
    """Of all; other answers are larger than any."""
    found = list(differences)
    return (
        OTHER_ANSWERS
        if OTHER_ANSWERS in found
        else max((each for each in found if not isinstance(each, str)), default=0.0)
    )


if __name__ == "__main__":
    main()
