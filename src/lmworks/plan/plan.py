"""The plan: what every `auto` becomes, and what a build will take, found before it is spent.

Values follow from counting and, where allowed, a short measured probe. A plan is stored under the key (shapes asked
for, size of the data, device kind) and kept until somebody asks for a new one: building again gives the same model.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from lmworks.errors import GateRefused, LmworksError, UsageError
from lmworks.evaluate.items import UNKNOWN, Records, TaskConfig
from lmworks.evaluate.tasks import asked_of
from lmworks.model.config import FLOAT32, DecoderConfig, Shape
from lmworks.model.device import CPU
from lmworks.model.shapes import EncoderDecoderConfig
from lmworks.pipeline.files import canonical_json, digest_text, write_atomically
from lmworks.pipeline.store import Store
from lmworks.pipeline.work.process import load_in_words
from lmworks.plan.facts import load_facts
from lmworks.plan.forecast import Forecast
from lmworks.plan.machine import Machine, this_machine
from lmworks.plan.probe import (
    TIMEOUT_SECONDS,
    Rate,
    Speed,
    counted_rate,
    counted_speed,
    peak_of,
    reading_seconds,
    rehearsed,
    speed_of,
    writing_seconds,
)
from lmworks.recipe.references import references
from lmworks.recipe.schema import Effect, Recipe, StepConfig, unaffecting
from lmworks.train.configs.train import TrainConfig
from lmworks.train.memory import LIBRARIES_BYTES, flops_per_token, require_fit, size_in_words, stored_bytes

DATA_SECONDS_PER_MEGABYTE = 1.6
"""Seconds per compressed megabyte from ingest to shards on two cores, measured on the quickstart (14 MB in 21 s)."""
STEP_SECONDS = 1.0
"""Seconds that a data step may take even for little data, to start workers and to write."""

EVALUATION = "evaluation"
LOADING_SECONDS = 3.0
"""Seconds to load a model and its libraries, for each task on which the model is evaluated."""
WRITTEN_SHARES = (0.2, 0.45, 1.0)
"""Shares of the allowed tokens that answers have. Tuned models write 0.1 to 0.2, published models 0.4 to 0.6 or all."""
FASTEST, SLOWEST = 0.5, 1.5
"""Factors on the counted seconds: for the shortest questions and answers, and for the longest."""
MOST_PASSES = 20
"""Maximum passes over the data for `auto` steps. With more stated passes, the plan states a doubt. Published tunings
use 1 to 4 passes."""
BYTES_PER_TOKEN = 4.0
"""Assumed bytes of text per token, used to count passes before the text is tokenized."""
LARGEST_SHARE = 0.5
"""Share of the budget above which the plan reports the likely time of the evaluation."""

LEFT_BYTES = 2**20 * 192
"""Bytes that earlier steps leave in a build's process, in addition to libraries: 20 to 153 MiB in ten small builds
(`benchmarks/plan/unmeasured.py`), 206 MiB before the quickstart's first training."""
SCORING_BYTES = 2**30
"""Bytes for scoring in addition to weights: kernels for each shape, texts and answers. Measured on the quickstart."""

ROW_SHARE = 0.75
"""Bytes of packed rows per byte of sources. A token has about four bytes of text and takes three bytes in a row."""

LEAST_STEPS = 20
"""Minimum number of steps, for any budget."""

TUNING_WEIGHT = 3 / 7
"""Training time of a tuned model relative to a model from scratch: 1.5 minutes for every 3.5 minutes."""

RUNS = ((1.7e13, 1.295), (3.5e13, 1.180))
"""Our own runs on the quickstart's data: pairs of floating-point operations and bits per byte on held-out services."""

ACCURACY = {"counted": (0.5, 2.0), "rehearsed": (0.87, 1.15), "own runs": (0.87, 1.15)}
"""Range of the expected training time as a multiple of the predicted time, by source of the prediction."""

TWO_SPEEDS = 1.5
"""Ratio of two rates of equal work from which the plan doubts one of them. Objectives alone differ by a fifth."""

MEASURED = "libraries, compiler, gaps"
"""Name of the memory that a rehearsal measures, but that counting does not explain."""
MARGIN = 1.07
"""Factor on a rehearsed memory peak, because equal trainings differ by this much, and a rehearsal is short."""


@dataclass(frozen=True)
class Prediction:
    """Expected duration of a part of the build."""

    step: str
    seconds: tuple[float, float]
    parts: Mapping[str, float] = field(default_factory=dict)
    """Expected seconds of a training by part."""


@dataclass(frozen=True)
class Plan:
    """Resolved values and predictions."""

    key: str
    machine: Machine
    speed: Speed
    models: Mapping[str, Mapping[str, Any]]
    predicted: Sequence[Prediction]
    memory: Mapping[str, Mapping[str, int]]
    """Memory in bytes by part of each model's training, at its peak."""
    memory_bytes: int
    parameters: Mapping[str, int]
    rates: Mapping[str, Rate]
    classes: Mapping[str, str]
    """Class of each model: a digest of shape and settings. Steps of models in the same class take equal time."""
    bits_per_byte: tuple[float, float] | None
    operations: Mapping[str, float] = field(default_factory=dict)
    """Floating-point operations of each training."""
    stored: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Bytes on disk that each training writes, and the further bytes that it needs until it ends."""
    evaluating: Mapping[str, int] = field(default_factory=dict)
    """Bytes of memory by part while models and baselines are measured."""
    doubts: Sequence[str] = ()
    """Reasons why measured rates may be wrong: two speeds for one model, or a rate far below the counted one."""
    passes: Mapping[str, float] = field(default_factory=dict)
    """Approximate number of passes of each training over its data, from the bytes of its sources."""
    rows_read: Mapping[str, int] = field(default_factory=dict)
    """Number of rows that each training reads in all its steps."""
    uncounted: Sequence[str] = ()
    """Models that are not trained in steps: published bases, and models that learn in one pass."""

    def resolved(self, name: str, config: TrainConfig) -> TrainConfig:
        """Return a model's config with each `auto` replaced."""
        return _with_judges(_filled(config, self.models[name]), self.parameters)

    def require_room(self, names: Sequence[str], folder: Path) -> None:
        """Raise GateRefused if a folder's disk has too little room for the models that are not trained yet."""
        stored = {name: self.stored[name] for name in names if name in self.stored}
        needed = sum(model for model, _ in stored.values()) + max((beside for _, beside in stored.values()), default=0)
        if needed > (free := shutil.disk_usage(folder).free):
            raise GateRefused(
                f"{folder}: training {', '.join(stored)} writes {size_in_words(needed)} of models and checkpoints, but "
                f"{size_in_words(free)} are free. Make room (`lmworks gc` deletes what no build needs), lower "
                "keep_checkpoints, or name a folder on another disk with --store"
            )

    def prediction(self, name: str) -> dict[str, Any]:
        """Return the expected values of a model's training."""
        if not (rate := self.rates.get(name)):
            return {}
        seconds = next(item.seconds for item in self.predicted if item.step == name)
        sums = {"seconds": list(seconds), "memory_bytes": sum(self.memory[name].values())}
        rows = {"rows_read": self.rows_read[name]} if name in self.rows_read else {}
        return {**sums, **rows, "tokens_per_second": rate.tokens_per_second, "source": rate.source}

    def as_json(self) -> dict[str, Any]:
        """Return the whole plan as JSON values, for the store and for programs."""
        return {**asdict(self), "device": self.machine.device}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Plan:
        fields = {name: value for name, value in record.items() if name != "device"}
        return TypeAdapter(cls).validate_python(fields)

    def as_text(self) -> str:
        how = "measured" if self.speed.measured else "estimated by counting"
        lines = [f"plan {self.key[:8]} for {self.machine.as_text()}"]
        if self.rates:
            lines.append(f"  speed      {self.speed.flops_per_second / 1e9:,.0f} GFLOP/s in training, {how}")
        for name, values in self.models.items():
            shown = "".join(f"; {field.replace('_', ' ')} {value}" for field, value in values.items())
            size = f"{self.parameters[name] / 1e6:.1f}M parameters" if name in self.parameters else "the base's size"
            rate = self.rates.get(name)
            budget = f"; {self.operations[name]:.1e} operations" if name in self.operations else ""
            fast = f"; {rate.tokens_per_second:,.0f} tokens/s, {rate.source}" if rate else ""
            often = f"; reads its data {times(self.passes[name])}" if name in self.passes else ""
            lines.append(f"  {name:10} {size}{shown}{budget}{fast}{often}")
        low, high = (sum(item.seconds[end] for item in self.predicted) for end in (0, 1))
        parts = ", ".join(f"{item.step} {_minutes(item.seconds)}" for item in self.predicted)
        but = f"; what {', '.join(self.uncounted)} takes is not counted" if self.uncounted else ""
        lines.append(f"  time       {_minutes((low, high))} in all: {parts}{but}")
        told = {**self.memory, **({"evaluation": self.evaluating} if self.evaluating else {})}
        lines += [f"  in doubt   {doubt}" for doubt in self.doubts]
        for name, memory in told.items():
            shown = ", ".join(f"{part} {size_in_words(count)}" for part, count in memory.items() if count >= 2**20)
            lines.append(f"  memory     {name}: {size_in_words(sum(memory.values()))}: {shown}")
        lines += [f"             at most {size_in_words(self.memory_bytes)} in all"] if told else []
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
    """The stored plan of this recipe on this machine, or a new one. Where nothing is trained by steps none is measured.

    A plan made by counting gives way to a measured one when `measure` allows it; only measured plans are stored. What
    evaluation takes is counted anew each time: to ask more of models is no reason to train them again.
    Measuring takes half a minute: before it begins, `announce` is given the plan made by counting.
    """
    if recipe.tokenizer:
        recipe = recipe.model_copy(update={"tokenizer": recipe.tokenizer.resolve(folder)})
    recipe = recipe.model_copy(update={"models": {name: each.resolve(folder) for name, each in recipe.models.items()}})
    trained = {each.device for each in recipe.models.values() if isinstance(each, TrainConfig)}
    measure = measure and bool(trained)
    machine = this_machine(trained.pop() if len(trained) == 1 else recipe.budget.device)
    source_bytes = {name: config.source_bytes(folder) for name, config in recipe.data.items()}
    asked = {name: _asked(config) for name, config in recipe.models.items()}
    size = f"{sum(source_bytes.values()):.1e}"  # two digits: a few more documents are no reason to plan anew
    facts = {"asked": asked, "bytes": size, "budget": recipe.budget.model_dump(mode="json"), "device": machine.device}
    key = digest_text(canonical_json({**facts, "vocabulary": _vocab_size(recipe)}))[:32]
    path = store / "plans" / f"{key}.json"
    record_bytes = {name: config.mean_record_bytes(folder) for name, config in recipe.data.items()}
    planner = _Planner(recipe, machine, source_bytes, record_bytes, store)
    if path.exists() and not replan and (measure or recipe.plan.measure):
        return planner.with_evaluation(Plan.from_json(json.loads(path.read_text())))
    if measure and announce:
        announce(_Planner(recipe, machine, source_bytes, record_bytes, store).plan(key, measure=False))
    plan = planner.plan(key, measure)
    if measure:
        write_atomically(path, json.dumps(plan.as_json(), indent=1) + "\n")
    return plan


def states_sizes(recipe: Recipe) -> bool:
    """Return whether the recipe states the size and the steps of every model, so that a rehearsal decides nothing.

    The first steps of such a training are the measurement.
    """
    trained = [config for config in recipe.models.values() if isinstance(config, TrainConfig)]
    sizes = [
        getattr(config, name, None) for config in trained if not config.base for name in ("hidden_size", "num_layers")
    ]
    steps = [config.steps for config in trained if not config.same_operations_as]
    return "auto" not in [*sizes, *steps]


def forecast_of(recipe: Recipe, folder: Path, prices: Path | None = None) -> Forecast | None:
    """The verdict on the recipe's needs and what it takes beyond this machine; None where it states no needs."""
    if recipe.needs is None:
        return None
    return Forecast(recipe.needs, _source_bytes(recipe, folder) / 4, load_facts(prices))


def _asked(config: StepConfig) -> dict[str, Any]:
    values = config.model_dump(mode="json")
    return {name: value for name, value in values.items() if name not in ("data", "validation", "watch")}


def _source_bytes(recipe: Recipe, folder: Path) -> int:
    return sum(config.source_bytes(folder) for config in recipe.data.values())


def _vocab_size(recipe: Recipe) -> int:
    return int(getattr(recipe.tokenizer, "vocab_size", 4096))


class _Planner:
    """Maker of one plan: shapes first, then memory, rates and steps."""

    def __init__(
        self,
        recipe: Recipe,
        machine: Machine,
        source_bytes: Mapping[str, int],
        record_bytes: Mapping[str, int],
        store: Path,
    ) -> None:
        self.recipe, self.machine, self.store = recipe, machine, store
        self.bytes_read, self.source_bytes = source_bytes, sum(source_bytes.values())
        self.record_bytes = record_bytes
        tasks = recipe.evaluate.tasks if recipe.evaluate else []
        self.tasks = [each for each in tasks if isinstance(each, TaskConfig)]
        self.configs = {name: config for name, config in recipe.models.items() if isinstance(config, TrainConfig)}
        self.vocab_size = _vocab_size(recipe)
        self.speed = counted_speed(machine)
        self.unmeasured = list[str]()  # since a rehearsal took too long

    def plan(self, key: str, measure: bool) -> Plan:
        began = time.monotonic()
        budget = self.recipe.budget.minutes * 60
        data = self.source_bytes / 1e6 * DATA_SECONDS_PER_MEGABYTE
        more = self.source_bytes / 1e6 * sum(each.seconds_per_megabyte for each in self.recipe.data.values())
        largest = self._shapes(self._shares(budget))  # sizes, as if the whole budget were for training
        left = budget - data - more / 2 - self._evaluation(largest)[1]
        models = self._shapes(self._shares(max(0.2 * budget, left)))
        shapes = {name: shape for name in self.configs if (shape := self._shape(name, models))}
        for name, shape in shapes.items():
            _require_divisible(name, shape, self.configs[name].tensor_parallel)
        apart = self.machine.device != CPU  # with a memory of its own
        there = self.vocab_size, self.machine.memory_bytes, int(ROW_SHARE * self.source_bytes)
        parameters = {name: shape.parameters for name, shape in shapes.items()}
        self.configs = {name: _with_judges(config, parameters) for name, config in self.configs.items()}
        memory = {
            name: require_fit(name, each, self._resolved(name, models), *there, apart=apart)
            for name, each in shapes.items()
        }
        rates = self._rates(shapes, models, measure)
        for name, rate in rates.items():
            if rate.peak_memory_bytes:
                memory[name] = _measured_memory(memory[name], rate.peak_memory_bytes)
        doubts = list(self._doubts(rates, shapes, models))
        measuring = time.monotonic() - began if measure else 0.0  # by counting alone, equal recipes have equal plans
        shares = self._shares(max(0.2 * budget, left - measuring))
        predicted = [Prediction("data", (0.7 * data, 1.6 * data + more + STEP_SECONDS * len(self.recipe.data)))]
        operations, rows_read, passes = dict[str, float](), dict[str, int](), dict[str, float]()
        for number, (name, rate) in enumerate(rates.items()):
            config = self.configs[name]
            step_tokens = config.rows_per_step * config.sequence_length
            per_step = step_tokens * flops_per_token(config, shapes[name])
            text_tokens = self._text_bytes(config.data) / BYTES_PER_TOKEN
            if config.same_operations_as:
                models[name]["steps"] = max(1, round(operations[config.same_operations_as] / per_step))
            elif config.steps == "auto":
                readable = MOST_PASSES * text_tokens / step_tokens if text_tokens else math.inf
                affordable = _affordable(rate, config, shares[name], first=not number)
                models[name]["steps"] = int(min(affordable, max(LEAST_STEPS, readable)))
            steps = int(models[name].get("steps", config.steps)) - (config.branch_step or 0)
            seconds = rate.parts(config, steps, first=not number)
            low, high = (share * sum(seconds.values()) for share in ACCURACY[rate.source])
            predicted.append(Prediction(name, (low, high), seconds))
            operations[name] = float(steps * per_step)
            rows_read[name] = steps * config.rows_per_step
            if text_tokens:
                passes[name] = steps * step_tokens / text_tokens
            if passes.get(name, 0.0) > MOST_PASSES:
                doubts.append(
                    f"{name}: its {steps} steps read its data {times(passes[name])}. A model memorises what it reads "
                    "so often: lower `steps`, raise `patience` with validation data, or add data"
                )
        predicted += self._writing(models)
        evaluating = {} if apart else self._evaluating(shapes, memory, models)
        left = 0 if apart else LEFT_BYTES
        most = [sum(evaluating.values()), *(sum(parts.values()) + left for parts in memory.values())]
        classes = {name: self._class(name, shape, models) for name, shape in shapes.items()}
        found = self.machine, self.speed, models, predicted, memory, max(most), parameters, rates, classes
        flops = max((operations[name] for name in rates if self.configs[name].base is None), default=0.0)
        stored = {name: stored_bytes(self._resolved(name, models), shape) for name, shape in shapes.items()}
        counted = *found, _bits_per_byte(flops), operations, stored, evaluating, doubts, passes, rows_read
        uncounted = [name for name in self.recipe.models if name not in self.configs]
        return self.with_evaluation(Plan(key, *counted, uncounted))

    def with_evaluation(self, plan: Plan) -> Plan:
        """The plan with what the recipe's tasks take of its models, and a doubt where that is much of the budget."""
        low, likely, high = self._evaluation(plan.models)
        predicted = [each for each in plan.predicted if each.step != EVALUATION]
        predicted += [Prediction(EVALUATION, (low, high))] if high else []
        doubts = [each for each in plan.doubts if not each.startswith((f"{EVALUATION}: ", "all: "))]
        if (least := sum(each.seconds[0] for each in predicted)) > 60 * self.recipe.budget.minutes:
            doubts.append(
                f"all: at least {least:,.0f} s, more than the {self.recipe.budget.minutes:g} min of `budget.minutes`: "
                "state fewer `steps` or smaller models, or raise it"
            )
        if likely > LARGEST_SHARE * 60 * (minutes := self.recipe.budget.minutes):
            doubts.append(
                f"{EVALUATION}: {_minutes((low, high))}, likely {likely / 60:.1f} min, of the {minutes:g} min that "
                "`budget.minutes` gives the whole build: lower `limit` or `max_tokens` of the tasks, hold out less "
                "(`test` of a split), or raise it"
            )
        return replace(plan, predicted=predicted, doubts=doubts)

    def _evaluation(self, models: Mapping[str, Mapping[str, Any]]) -> tuple[float, float, float]:
        """Return the lowest, likely and highest seconds to evaluate models on their tasks. Baselines are left out."""
        low = likely = high = 0.0
        for task, shape in self._asked(models):
            there, records = int(self._text_bytes(task.data)), self._records(task.data, shape)
            tokens = task.tokens(there, records)
            written = tokens.written * (tokens.beams if isinstance(shape, EncoderDecoderConfig) else 1)
            how = shape, task.data_type, self.machine
            least = min(tokens.read, task.tokens(there).read)  # of records in which what is asked is short
            read = least, tokens.read, tokens.most_read
            shortest, reading, longest = (LOADING_SECONDS + reading_seconds(each, *how) for each in read)
            few, some, all_written = (share * writing_seconds(written, *how) for share in WRITTEN_SHARES)
            low += FASTEST * (shortest + few)
            likely += reading + some
            high += SLOWEST * (longest + all_written)
        return low, likely, high

    def _asked(self, models: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[TaskConfig, Shape]]:
        """Yield each task with each model that is evaluated on it and computes on this machine."""
        for task in self.tasks:
            for name in asked_of(task, self.recipe.models, self.recipe.evaluate.models if self.recipe.evaluate else []):
                with suppress(LmworksError):  # of files that are damaged or of no known kind, which the build tells
                    if shape := self._shape(name, models):
                        yield task, shape

    def _text_bytes(self, reference: str) -> float:
        """Return the bytes of source text in the output of a step or part, as far as the steps' fields show them."""
        name, _, part = reference.partition(".")
        if not (config := self.recipe.data.get(name)):
            return 0.0
        fields = dict(references(config))
        chosen = [fields[part]] if fields.get(part) else fields.values()
        several = ([each] if isinstance(each, str) else each or [] for each in chosen)
        read = max((sum(map(self._text_bytes, some)) for some in several), default=0.0)
        return config.share_of(part) * max(self.bytes_read[name], read)

    def _records(self, reference: str, shape: Shape) -> Records:
        """Return the record size of the sources of a step or part. If there are several sources, take the largest."""

        def longest(reference: str) -> int:
            name = reference.partition(".")[0]
            config = self.recipe.data.get(name)
            fields = [value for _, value in references(config)] if config else []
            several = [one for each in fields for one in ([each] if isinstance(each, str) else each or [])]
            return max([self.record_bytes.get(name, 0), *map(longest, several)])

        return Records(longest(reference), getattr(shape, "context_length", UNKNOWN.context_length))

    def _evaluating(
        self,
        shapes: Mapping[str, Shape],
        memory: Mapping[str, Mapping[str, int]],
        models: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, int]:
        """Return the bytes of memory by part while models and baselines are evaluated, one after another."""
        if not self.recipe.evaluate:
            return {}
        held = [*shapes.values(), *(shape for _, shape in self._asked(models))]
        weights = max((FLOAT32 * shape.parameters for shape in held), default=0)
        baselines = max((each.baseline_bytes(self.source_bytes) for each in self.tasks), default=0)
        most = (
            {"a baseline": baselines}
            if baselines > SCORING_BYTES + weights
            else {"weights": weights, "scoring": SCORING_BYTES}
        )
        libraries = max([LIBRARIES_BYTES[True], *(parts.get(MEASURED, 0) for parts in memory.values())])
        return {"libraries": libraries, "earlier steps": LEFT_BYTES, **most}

    def _writing(self, models: Mapping[str, Mapping[str, Any]]) -> Iterator[Prediction]:
        """Yield predictions for data that models write, if the maximum number of prompts is known."""
        for name, config in self.recipe.data.items():
            writing = config.writing()
            if writing and (shape := self._shape(writing.model, models)):
                seconds = writing_seconds(writing.tokens, shape, writing.data_type, self.machine)
                low, high = ACCURACY["counted"]
                yield Prediction(name, (low * seconds, high * seconds))

    def _shares(self, seconds: float) -> dict[str, float]:
        """Return the training seconds of each model. A variant takes about as long as the first."""
        firsts = {name: self.configs[config.same_operations_as or name] for name, config in self.configs.items()}
        weights = {name: 1.0 if first.base is None else TUNING_WEIGHT for name, first in firsts.items()}
        return {name: seconds * weight / sum(weights.values()) for name, weight in weights.items()}

    def _shapes(self, seconds: Mapping[str, float]) -> dict[str, dict[str, Any]]:
        """Sizes and settings that follow from counting; `steps` come last."""
        models: dict[str, dict[str, Any]] = {name: {} for name in self.configs}
        for name, config in self.configs.items():
            width = None if config.base else getattr(config, "hidden_size", None)  # else it has its base's
            if width == "auto":
                width = models[name]["hidden_size"] = _hidden_size(seconds[name] * speed_of(config, self.speed))
            if isinstance(width, int) and getattr(config, "num_layers", None) == "auto":
                models[name]["num_layers"] = max(2, width * 3 // 256)
            for setting in ("data_type", "threads", "compile"):
                if getattr(config, setting) == "auto":
                    models[name][setting] = getattr(self.speed, setting)
        return models

    def _resolved(self, name: str, models: Mapping[str, Mapping[str, Any]]) -> TrainConfig:
        return _filled(self.configs[name], {"steps": 1, **models[name]})

    def _chain(self, name: str) -> list[str]:
        """Return the model and its bases, the first base first."""
        base = self.configs[name].base if name in self.configs else None
        return [*(self._chain(base) if base else []), name]

    def _shape(self, name: str, models: Mapping[str, Mapping[str, Any]]) -> Shape | None:
        """Return the shape of the trained model. None if its first base has no counted shape."""
        shape: Shape | None = None
        for number, each in enumerate(self._chain(name)):
            if each not in self.configs:
                count = getattr(self.recipe.models.get(each), "shape", None)
                shape = count(self.vocab_size) if count else None
            elif number == 0:
                shape = self._resolved(each, models).shape(self.vocab_size)
            else:
                shape = shape and self.configs[each].tuned_shape(shape)
        return shape

    def _class(self, name: str, shape: Shape, models: Mapping[str, Mapping[str, Any]]) -> str:
        config = self._resolved(name, models)
        settings = config.model_dump(mode="json", exclude=unaffecting(type(config), Effect.SPEED | Effect.MEMORY))
        beside = [bool(self.configs[name].validation), bool(self.configs[name].watch), self.machine.processor]
        return digest_text(canonical_json([settings, shape.parts, beside]))[:16]

    def _rates(self, shapes: Mapping[str, Shape], models: dict[str, dict[str, Any]], measure: bool) -> dict[str, Rate]:
        """Return rates from earlier trainings in the store, or else from a rehearsal if allowed, or else counted."""
        rates: dict[str, Rate] = {}
        threads: int | None = None
        for name, shape in shapes.items():
            config = self.configs[name]
            per_token = flops_per_token(config, shape)
            chain = self._chain(name)
            runs = self._own_runs(self._class(name, shape, models)) if self.recipe.plan.measure else []
            if runs:
                rates[name] = Rate.from_measured("own runs", runs)
            elif measure and all(each in self.configs for each in chain) and not config.judges:
                if threads and config.threads == "auto":
                    models[name]["threads"] = threads
                most = self.speed.threads if config.threads == "auto" and not threads else None
                try:
                    chained = [self._resolved(each, models) for each in chain]
                    rates[name], used = rehearsed(chained, self.vocab_size, most)
                    if most:
                        threads = models[name]["threads"] = used
                except TimeoutError:
                    self.unmeasured.append(name)
                    measure = False
            if name not in rates:
                rates[name] = counted_rate(self._resolved(name, models), per_token, self.speed, _blocks(shape))
            if rates[name].source != "counted" and not self.speed.measured:
                flops = rates[name].tokens_per_second * per_token
                self.speed = replace(self.speed, measured=True, flops_per_second=flops)
        return rates

    def _doubts(
        self, rates: Mapping[str, Rate], shapes: Mapping[str, Shape], models: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[str]:
        """Of measured rates: two speeds of what takes equal operations, and less than counting is ever wrong by."""
        alike: dict[tuple[Any, ...], dict[str, float]] = {}
        counted, busy = counted_speed(self.machine), load_in_words(self.machine.cores)
        for name in self.unmeasured:
            yield f"{name}: measuring took longer than {TIMEOUT_SECONDS} s, so the plan counts. --replan measures anew"
        for name, rate in rates.items():
            config, per_token = self._resolved(name, models), flops_per_token(self.configs[name], shapes[name])
            settings = config.data_type, config.threads, config.compile, config.micro_batch_rows, config.sequence_length
            if rate.source == "counted":
                continue
            alike.setdefault((per_token, *settings), {})[name] = rate.tokens_per_second
            expected = counted_rate(config, per_token, counted, _blocks(shapes[name])).tokens_per_second
            if busy and rate.tokens_per_second < ACCURACY["counted"][0] * expected:
                yield (
                    f"{name}: {rate.tokens_per_second:,.0f} tokens/s where counting expects {expected:,.0f}, and "
                    f"{busy}: --replan measures anew"
                )
        for found in alike.values():
            (slow, low), (fast, high) = (pick(found.items(), key=itemgetter(1)) for pick in (min, max))
            if high > TWO_SPEEDS * low:
                yield (
                    f"{slow} and {fast} take equal operations, and {low:,.0f} and {high:,.0f} tokens/s: other work ran "
                    "beside one of the two. --replan measures anew"
                )

    def _own_runs(self, wanted: str) -> list[dict[str, Any]]:
        """Return the measurements of finished trainings of a class, from the last build of each recipe."""
        store, found = Store(self.store), []
        for _, record in store.builds.readable():
            plan = record.plan or {}
            for name, which in plan.get("classes", {}).items():
                step = record.steps.get(name) if which == wanted else None
                artifact = step and store.find(step.stage, step.key)
                if not artifact:
                    continue
                run, config = artifact.manifest.run, artifact.manifest.config
                same = all(config.get(setting) == value for setting, value in plan["models"][name].items())
                if same and run.measured["steps_of_this_run"] == artifact.manifest.counts["steps"]:
                    begin = {"begin_seconds": run.seconds - run.measured["running_seconds"]}
                    found.append({**begin, **run.measured, "peak_memory_bytes": peak_of(run)})
        return found


def _require_divisible(name: str, shape: Shape, parts: int) -> None:
    """Raise UsageError for a decoder whose blocks cannot be divided evenly into this number of parts."""
    try:
        if isinstance(shape, DecoderConfig):
            shape.in_parts(parts)
    except UsageError as error:
        raise UsageError(f"models.{name}.{error}") from None


def _filled(config: TrainConfig, values: Mapping[str, Any]) -> TrainConfig:
    """Return the config with each `auto` replaced by its value, if it has one."""
    return config.model_copy(update={name: value for name, value in values.items() if getattr(config, name) == "auto"})


def _with_judges(config: TrainConfig, parameters: Mapping[str, int]) -> TrainConfig:
    """Return the config with the sizes of the models that judge its answers, where they are known."""
    sizes = sum(parameters.get(judge, 0) for judge in set(config.judges))
    return config.model_copy(update={"judge_parameters": sizes}) if sizes else config


def _affordable(rate: Rate, config: TrainConfig, seconds: float, *, first: bool) -> int:
    """Return the largest number of steps that end within these seconds, but at least the minimum."""
    counts = range(LEAST_STEPS, 10**9)
    fits = bisect_right(counts, seconds, key=lambda count: sum(rate.parts(config, count, first=first).values()))
    return counts[max(0, fits - 1)]


def _measured_memory(counted: Mapping[str, int], peak: int) -> dict[str, int]:
    """Return the measured peak divided into the counted parts. Libraries and allocator get the unexplained rest."""
    parts = {part: count for part, count in counted.items() if part not in ("libraries", "gaps")}
    explained = sum(parts.values()) - parts.get("data rows", 0)
    return {MEASURED: max(0, int(MARGIN * peak) - explained), **parts}


def _hidden_size(flops: float) -> int:
    """Return the width for a budget of floating-point operations, a multiple of 64.

    The best number of parameters grows as the square root of operations (Hoffmann et al. 2022, approach 2). It grows as
    the cube of the width if depth grows too. In our own runs, 256 with three layers is best at 4e13 operations. On two
    cores, validation bits per byte were 1.205 (six layers, 163 s), 1.151 (four, 164 s) and 1.108 (three, 190 s).
    """
    width: float = 256 * (flops / 4e13) ** (1 / 6)
    return max(64, round(width / 64) * 64)


def _bits_per_byte(flops: float) -> tuple[float, float] | None:
    """Return a coarse range from our own runs, linear in the logarithm of operations. None outside their range."""
    if not RUNS[0][0] / 2 <= flops <= RUNS[-1][0] * 2:
        return None
    points = [(math.log(operations), bits) for operations, bits in RUNS]
    at = math.log(flops)
    (x0, y0), (x1, y1) = next(
        ((left, right) for left, right in pairwise(points) if at <= right[0]), (points[-2], points[-1])
    )
    middle = y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return (round(0.92 * middle, 2), round(1.1 * middle, 2))


def _blocks(shape: Shape) -> int:
    """Return the number of blocks that a token of a micro-batch can pass. 0 if the family does not state it."""
    return (1 + isinstance(shape, EncoderDecoderConfig)) * getattr(shape, "num_layers", 0)


def times(passes: float) -> str:
    """Return how often data is read, in words."""
    return f"about {passes:,.0f} times" if passes >= 2 else "about once" if passes >= 0.75 else f"to {passes:.0%}"


def _minutes(seconds: tuple[float, float]) -> str:
    low, high = seconds
    if high < 90:
        return f"{low:.0f} to {high:.0f} s"
    return f"{low / 60:.1f} to {high / 60:.1f} min"
