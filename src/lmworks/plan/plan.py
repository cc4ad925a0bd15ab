"""The plan: what every `auto` becomes, and what a build will take, found before it is spent.

Values follow from counting and, where allowed, a short measured probe. A plan is stored under the key (shapes asked
for, size of the data, device kind) and kept until somebody asks for a new one: building again gives the same model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lmworks.data.ingest import IngestConfig
from lmworks.pipeline.files import canonical_json, digest_text, write_atomically
from lmworks.plan.facts import load_facts
from lmworks.plan.forecast import Forecast
from lmworks.plan.machine import Machine, this_machine
from lmworks.plan.probe import Speed, counted_speed, measured_speed
from lmworks.recipe import Recipe, StepConfig
from lmworks.train.config import CausalLMConfig, TrainConfig

PLANNED = ("hidden_size", "num_layers", "steps", "data_type", "threads", "compile")
"""Fields of a model that may be `auto`."""

DATA_SECONDS_PER_MEGABYTE = 1.6
"""Two cores, compressed source megabytes, from ingest to shards: measured on the quickstart (14 MB in 21 s)."""

EVALUATION_SHARE = 0.28
"""Of the budget, for measuring models and baselines and writing the report: two minutes of seven and a half."""

BUILD_BYTES = 350 * 2**20
"""What a build holds beside a training process: libraries and tables of the data steps, measured on the quickstart."""

EVALUATION_BYTES = 674 * 2**20
"""What the hungriest baseline takes: `xz -9`, by its manual."""

TUNING_WEIGHT = 3 / 7
"""Time of a tuned model beside that of a model from scratch: a minute and a half beside three and a half."""

RUNS = ((1.7e13, 1.295), (3.5e13, 1.180))
"""(floating-point operations, bits per byte on held-out services) of runs of our own on the quickstart's data."""


@dataclass(frozen=True)
class Prediction:
    """What a part of the build is expected to take."""

    step: str
    seconds: tuple[float, float]


@dataclass(frozen=True)
class Plan:
    """Resolved values and predictions."""

    key: str
    machine: Machine
    speed: Speed
    models: Mapping[str, Mapping[str, Any]]
    predicted: Sequence[Prediction]
    memory_bytes: int
    parameters: Mapping[str, int]
    bits_per_byte: tuple[float, float] | None

    def resolved(self, name: str, config: TrainConfig) -> TrainConfig:
        """A model's config with each `auto` replaced."""
        values = {field: value for field, value in self.models[name].items() if getattr(config, field) == "auto"}
        return config.model_copy(update=values)

    def as_json(self) -> dict[str, Any]:
        """All of it, for the store and for programs."""
        return {**asdict(self), "device": self.machine.device}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Plan:
        """The inverse of `as_json`."""
        low_high = record["bits_per_byte"]
        return cls(
            key=record["key"],
            machine=Machine(**record["machine"]),
            speed=Speed(**record["speed"]),
            models=record["models"],
            predicted=[Prediction(item["step"], tuple(item["seconds"])) for item in record["predicted"]],
            memory_bytes=record["memory_bytes"],
            parameters=record["parameters"],
            bits_per_byte=tuple(low_high) if low_high else None,
        )

    def in_words(self) -> str:
        """The plan for a terminal."""
        how = "measured" if self.speed.measured else "estimated by counting"
        lines = [
            f"plan {self.key[:8]} for {self.machine.processor}, {self.machine.cores} cores",
            f"  speed      {self.speed.flops_per_second / 1e9:,.0f} GFLOP/s in training, {how}",
        ]
        for name, values in self.models.items():
            shown = ", ".join(f"{field.replace('_', ' ')} {value}" for field, value in values.items())
            size = f"{self.parameters[name] / 1e6:.1f}M parameters" if name in self.parameters else "the base's size"
            lines.append(f"  {name:10} {size}; {shown}")
        low, high = (sum(item.seconds[end] for item in self.predicted) for end in (0, 1))
        parts = ", ".join(f"{item.step} {_minutes(item.seconds)}" for item in self.predicted)
        lines.append(f"  time       {_minutes((low, high))} in all: {parts}")
        lines.append(f"  memory     about {self.memory_bytes / 2**30:.1f} GiB")
        if self.bits_per_byte:
            low, high = self.bits_per_byte
            lines.append(f"  loss       {low:.2f} to {high:.2f} bits per byte on held-out text, from runs of our own")
        return "\n".join(lines)


def make_plan(
    recipe: Recipe,
    folder: Path,
    store: Path,
    *,
    measure: bool,
    replan: bool = False,
    announce: Callable[[Plan], None] | None = None,
) -> Plan:
    """The stored plan of this recipe on this machine, or a new one.

    A plan made by counting gives way to a measured one when `measure` allows it; only measured plans are stored.
    Measuring takes half a minute: before it begins, `announce` is given the plan made by counting.
    """
    if recipe.tokenizer:
        recipe = recipe.model_copy(update={"tokenizer": recipe.tokenizer.resolve(folder)})
    machine = this_machine()
    source_bytes = _source_bytes(recipe, folder)
    asked = {name: _asked(config) for name, config in recipe.models.items()}
    size = f"{source_bytes:.1e}"  # two digits: a few more documents are no reason to plan anew
    budget = recipe.budget.model_dump(mode="json")
    key = digest_text(canonical_json({"asked": asked, "bytes": size, "budget": budget, "device": machine.device}))[:32]
    path = store / "plans" / f"{key}.json"
    if path.exists() and not replan and (measure or recipe.plan.measure):
        return Plan.from_json(json.loads(path.read_text()))
    if measure and announce and recipe.models:
        announce(_new_plan(recipe, key, machine, source_bytes, measure=False))
    plan = _new_plan(recipe, key, machine, source_bytes, measure)
    if measure:
        write_atomically(path, json.dumps(plan.as_json(), indent=1) + "\n")
    return plan


def forecast_of(recipe: Recipe, folder: Path, prices: Path | None = None) -> Forecast | None:
    """The verdict on the recipe's needs and what it takes beyond this machine; None where it states no needs."""
    if recipe.needs is None:
        return None
    return Forecast(recipe.needs, _source_bytes(recipe, folder) / 4, load_facts(prices))


def _asked(config: StepConfig) -> dict[str, Any]:
    values = config.model_dump(mode="json")
    return {name: value for name, value in values.items() if name not in ("data", "validation", "watch")}


def _source_bytes(recipe: Recipe, folder: Path) -> int:
    total = 0
    for config in recipe.data.values():
        if isinstance(config, IngestConfig):
            for source in config.resolve(folder).sources:
                for path in source.paths():
                    with suppress(OSError):  # it will be quarantined
                        total += source.size(path)
    return total


def _new_plan(recipe: Recipe, key: str, machine: Machine, source_bytes: int, measure: bool) -> Plan:
    configs = {name: config for name, config in recipe.models.items() if isinstance(config, TrainConfig)}
    vocab_size = getattr(recipe.tokenizer, "vocab_size", 4096)
    speed = counted_speed(machine)
    budget = recipe.budget.minutes * 60
    data = source_bytes / 1e6 * DATA_SECONDS_PER_MEGABYTE
    evaluation = EVALUATION_SHARE * budget if recipe.evaluate else 0.0
    left = budget - data - evaluation
    models = _shapes(configs, _shares(configs, max(0.2 * budget, left)), speed, vocab_size)
    if measure and configs:
        first = _from_scratch(configs, next(iter(configs)))
        speed = measured_speed(_resolve(configs[first], models[first]), vocab_size, speed)
    seconds = _shares(configs, max(0.2 * budget, left - speed.probe_seconds))
    parameters: dict[str, int] = {}
    predicted = [Prediction("data", (0.7 * data, 1.6 * data))]
    memory, flops = 0.0, 0.0
    for name, config in configs.items():
        scratch = _from_scratch(configs, name)
        shape = _resolve(configs[scratch], models[scratch]).shape(vocab_size)  # type: ignore[attr-defined]
        per_step = (
            shape.training_flops_per_token(config.sequence_length) * config.rows_per_step * config.sequence_length
        )
        if config.steps == "auto":
            models[name]["steps"] = max(
                20, int((seconds[name] - speed.warm_up_seconds) * speed.flops_per_second / per_step)
            )
        took = speed.warm_up_seconds + _steps(config, models[name]) * per_step / speed.flops_per_second
        predicted.append(Prediction(name, (0.85 * took, 1.5 * took)))
        parameters[name] = shape.parameters
        memory = max(memory, shape.training_bytes(config.micro_batch_rows, config.sequence_length))
        if name == scratch:
            flops = max(flops, _steps(config, models[name]) * per_step)
        for field in ("data_type", "threads", "compile"):
            if getattr(config, field) == "auto":
                models[name][field] = getattr(speed, field)
    if recipe.evaluate:
        predicted.append(Prediction("evaluation", (0.6 * evaluation, 1.6 * evaluation)))
        memory = max(memory, EVALUATION_BYTES)
    return Plan(
        key,
        machine,
        speed,
        models,
        predicted,
        int(speed.base_memory_bytes + BUILD_BYTES + memory),
        parameters,
        _bits_per_byte(flops),
    )


def _shares(configs: Mapping[str, TrainConfig], seconds: float) -> dict[str, float]:
    """Seconds of training for each model."""
    weights = {name: 1.0 if isinstance(config, CausalLMConfig) else TUNING_WEIGHT for name, config in configs.items()}
    return {name: seconds * weight / sum(weights.values()) for name, weight in weights.items()}


def _shapes(
    configs: Mapping[str, TrainConfig], seconds: Mapping[str, float], speed: Speed, vocab_size: int
) -> dict[str, dict[str, Any]]:
    models: dict[str, dict[str, Any]] = {name: {} for name in configs}
    for name, config in configs.items():
        if isinstance(config, CausalLMConfig) and config.base is None:
            hidden = _hidden_size(seconds[name] * speed.flops_per_second)
            if config.hidden_size == "auto":
                models[name]["hidden_size"] = hidden
            if config.num_layers == "auto":
                wide = config.hidden_size if isinstance(config.hidden_size, int) else hidden
                models[name]["num_layers"] = max(2, wide * 3 // 256)
    return models


def _hidden_size(flops: float) -> int:
    """Width for a budget of floating-point operations, a multiple of 64.

    Parameters that train best grow as the square root of operations (Hoffmann et al. 2022, approach 2), and as the cube
    of the width when depth grows with it; our own runs put 256 at 4e13, with three layers: six after 163 s on two
    cores had 1.205 validation bits per byte, four after 164 s 1.151, three after 190 s 1.108.
    """
    width: float = 256 * (flops / 4e13) ** (1 / 6)
    return max(64, round(width / 64) * 64)


def _resolve(config: TrainConfig, values: Mapping[str, Any]) -> TrainConfig:
    filled = {"steps": 1, "data_type": "float32", "threads": 1, "compile": False, **values}
    return config.model_copy(update={name: value for name, value in filled.items() if getattr(config, name) == "auto"})


def _from_scratch(configs: Mapping[str, TrainConfig], name: str) -> str:
    """The model at the root of a chain of tuning."""
    base = configs[name].base
    return name if base is None else _from_scratch(configs, base)


def _steps(config: TrainConfig, values: Mapping[str, Any]) -> int:
    return config.steps if isinstance(config.steps, int) else int(values["steps"])


def _bits_per_byte(flops: float) -> tuple[float, float] | None:
    """A coarse range around our own runs, straight in the logarithm of operations; None outside of them."""
    if not RUNS[0][0] / 2 <= flops <= RUNS[-1][0] * 2:
        return None
    points = [(math.log(operations), bits) for operations, bits in RUNS]
    at = math.log(flops)
    (x0, y0), (x1, y1) = next(
        ((left, right) for left, right in pairwise(points) if at <= right[0]),
        (points[-2], points[-1]),
    )
    middle = y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return (round(0.92 * middle, 2), round(1.1 * middle, 2))


def _minutes(seconds: tuple[float, float]) -> str:
    low, high = seconds
    if high < 90:
        return f"{low:.0f} to {high:.0f} s"
    return f"{low / 60:.1f} to {high / 60:.1f} min"
