"""How fast this machine trains: counted from what it is, rehearsed in a subprocess, or known from earlier trainings."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from lmworks.engines.request import MAX_ROWS
from lmworks.errors import LmworksError
from lmworks.model.config import Shape
from lmworks.pipeline.manifest import Run
from lmworks.plan.machine import Machine
from lmworks.recipe.references import references
from lmworks.recipe.schema import Effect, unaffecting
from lmworks.train.configs.train import LEAST_PARTS, TrainConfig, as_record

FLOPS_PER_CORE = {"float32": 90e9, "bfloat16": 200e9}
"""Peak of one server core with AVX-512 (Zen 4, measured on 4096-cubed products)."""

EFFICIENCY = 0.55
"""Share of this peak that a whole training step of a small model reaches."""

ACCELERATOR_EFFICIENCY = 0.3
"""Share of an accelerator's product rate: the lowest in published runs of large models. Not measured for small ones."""

BLOCK_SECONDS, ENDS = 0.008, 0.75
"""Seconds of all operations except products per block and micro-batch, because small operations take as long as their
launch. Then the number of blocks that the rest of a model counts as. Set on decoders of one to four blocks."""

COMPILED_SHARE = 0.3
"""Share of `BLOCK_SECONDS` that remains if a compiler joins operations. Assumed, not measured."""

NARROW_SHARE = 0.5
"""Share of bfloat16's speed in products without a compiler, which would join them with float32 operations."""

COMPILE_SECONDS = 20.0
"""Seconds to compile before the first step, if the compiler's cache is empty."""

VALIDATION_SHARE = 0.5
"""Time per token in validation relative to the time per token in training."""

WRITING_SHARE = {"float32": 0.8, "bfloat16": 0.4}
"""Speed of writing relative to reading, on a processor. A model of 134.5 million parameters wrote 141 tokens per second
in float32 and 145 in bfloat16 on a Zen 4 core (32 and 24 answers at once, of about 140 tokens with their prompts)."""

BESIDE_FLOPS = 2e7
"""Cost of a token except products, in operations of products. In a small model it is at most twice their cost. A model
of 4.3 million parameters read 8,600 and wrote 3,800 tokens per second (two Zen 4 cores), a third of products' speed."""

LAUNCHING_SECONDS = 3e-4
"""Seconds to launch the kernels of a block on an accelerator, which limit generation: thirty of 10 µs. Not measured."""

SECONDS, MOST_STEPS = 3.0, 200
"""Maximum seconds and steps of steady training in a rehearsal. The median of dozens of steps is stable to a few %."""

TIMEOUT_SECONDS = 90
"""Longest time of each of a model's two rehearsals. On a quiet machine one takes 5 to 30 s. On a busy one what it finds
is not worth a longer wait."""

STATED = {"learning_rate", "steps"}
"""Fields that a rehearsal keeps, because some configs require them."""


def peak_of(run: Run) -> int:
    """Return a step's peak memory from its manifest: of the device if it has its own memory, else of the process."""
    return int(run.measured.get("device_memory_bytes", run.peak_memory_bytes))


@dataclass(frozen=True)
class Speed:
    """Training speed and the settings that it holds for."""

    measured: bool
    flops_per_second: float
    threads: int
    data_type: str
    compile: bool
    on_accelerator: bool = False


@dataclass(frozen=True)
class Rate:
    """Seconds of each part of a model's training, the memory of its process, and the source of these values."""

    source: Literal["counted", "rehearsed", "own runs"]
    tokens_per_second: float
    loading_seconds: float
    """Seconds to load libraries, in the first training of a process."""
    begin_seconds: float
    """Seconds to make the model and to save it."""
    first_step_seconds: float
    first_validation_seconds: float
    """Seconds of the first validation. Code for validation is compiled separately from code for training."""
    validation_seconds: float
    checkpoint_seconds: float
    sample_seconds: float
    peak_memory_bytes: int = 0
    """Peak memory in bytes. 0 if it was not measured."""

    def parts(self, config: TrainConfig, steps: int, *, first: bool) -> dict[str, float]:
        """Seconds of a training of `steps` steps, by part; whether it is the `first` that loads the libraries."""
        step = config.rows_per_step * config.sequence_length / self.tokens_per_second
        validations = 1 + -(-steps // config.validation_steps) if config.validation else 0  # the first before a step
        later = max(0, validations - 1)
        watched = steps.bit_length() + (steps.bit_count() > 1) if config.watch else 0
        return {
            "begin": self.begin_seconds + self.loading_seconds * first,
            "first step": self.first_step_seconds,
            "steps": (steps - 1) * step,
            "validation": min(1, validations) * self.first_validation_seconds + later * self.validation_seconds,
            "checkpoints": (steps - 1) // config.checkpoint_steps * self.checkpoint_seconds,
            "samples": watched * self.sample_seconds,
        }

    @classmethod
    def from_measured(cls, source: Literal["rehearsed", "own runs"], runs: Sequence[Mapping[str, Any]]) -> Rate:
        """The medians of what trainings have measured of themselves; the largest memory."""
        names = {field.name for field in fields(cls)} - {"source", "peak_memory_bytes"}
        middle = {name: statistics.median(run.get(name, 0.0) for run in runs) for name in names}
        return cls(source, **middle, peak_memory_bytes=max(int(run["peak_memory_bytes"]) for run in runs))


def counted_speed(machine: Machine) -> Speed:
    """An estimate from the kind of processor alone, or from an accelerator's product, for which nothing is compiled."""
    data_type = "bfloat16" if machine.bfloat16 else "float32"
    compiles = machine.compiler and not machine.product_rates
    apart = bool(machine.product_rates)
    return Speed(False, _training_rate(machine, data_type), machine.cores, data_type, compiles, apart)


def _training_rate(machine: Machine, data_type: str) -> float:
    if machine.product_rates:
        return ACCELERATOR_EFFICIENCY * machine.product_rates[data_type]
    return EFFICIENCY * FLOPS_PER_CORE[data_type] * machine.cores


def speed_of(config: TrainConfig, speed: Speed) -> float:
    """Operations a second of one model's training, with the threads and the data type that it states."""
    if speed.on_accelerator:
        return speed.flops_per_second
    share = 1.0 if config.threads == "auto" else min(1.0, config.threads / speed.threads)
    data_type = speed.data_type if config.data_type == "auto" else config.data_type
    return share * speed.flops_per_second * FLOPS_PER_CORE[data_type] / FLOPS_PER_CORE[speed.data_type]


def counted_rate(config: TrainConfig, flops_per_token: int, speed: Speed, num_layers: int = 0) -> Rate:
    """Count a rate from operations, and from the least time that those of each block and micro-batch take."""
    tokens, rows = config.rows_per_step * config.sequence_length, config.rows_per_step
    products = tokens * flops_per_token / speed_of(config, speed)
    compiles, width = config.compile is True, speed.data_type if config.data_type == "auto" else config.data_type
    if width == "bfloat16" and not compiles and not speed.on_accelerator:
        products /= NARROW_SHARE
    block = 3 * LAUNCHING_SECONDS if speed.on_accelerator else BLOCK_SECONDS * (COMPILED_SHARE if compiles else 1.0)
    least = (num_layers + ENDS) * block if num_layers else 0.0
    step = products + -(-rows // config.rows_at_once) * least
    batches = max(LEAST_PARTS, -(-config.measured_rows // config.rows_at_once))
    validation = VALIDATION_SHARE * (products * config.measured_rows / rows + batches * least)
    compiling = COMPILE_SECONDS if compiles else 0.0
    first_validation = validation + compiling / 2
    return Rate("counted", tokens / step, 5.0, 1.0, step + compiling, first_validation, validation, 0.1, 0.5)


def reading_seconds(tokens: int, shape: Shape, data_type: str, machine: Machine) -> float:
    """Return the seconds to read texts in large batches, from operations alone."""
    flops = shape.training_flops_per_token(0) / 3
    known = data_type if machine.bfloat16 else "float32"  # emulated, it is no faster
    return tokens * (flops + min(2 * flops, BESIDE_FLOPS)) / _training_rate(machine, known)


def writing_seconds(tokens: int, shape: Shape, data_type: str, machine: Machine) -> float:
    """Return the seconds to generate answers in large batches, from operations alone, without reading prompts."""
    seconds = reading_seconds(tokens, shape, data_type, machine)
    if machine.product_rates:
        return seconds + tokens / MAX_ROWS * shape.num_layers * LAUNCHING_SECONDS
    return seconds / (WRITING_SHARE[data_type] if machine.bfloat16 else WRITING_SHARE["float32"])


def rehearsed(chain: Sequence[TrainConfig], vocab_size: int, most_threads: int | None) -> tuple[Rate, int]:
    """Train on made-up data in a process of its own, which gives its memory back: shortly, then for some seconds.

    What is compiled the first time is kept in the compiler's cache, where the second rehearsal and training find it.
    `chain` are the model's config and before it those of the models that it begins with. Gives the rate and the
    threads, `most_threads` or one, whichever is faster; None takes those of the config.

    Raises TimeoutError where a rehearsal takes longer than `TIMEOUT_SECONDS`.
    """
    asked = [as_rehearsed(config) for config in chain]
    first = _run({"chain": asked, "vocab_size": vocab_size, "steps": 4, "most_threads": most_threads})
    asked[-1]["fields"]["threads"] = int(first["threads"])
    step = chain[-1].rows_per_step * chain[-1].sequence_length / first["tokens_per_second"]
    steps = max(8, min(MOST_STEPS, int(SECONDS / step)))
    found = _run({"chain": asked, "vocab_size": vocab_size, "steps": steps})
    return Rate.from_measured("rehearsed", [found]), int(found["threads"])


def as_rehearsed(config: TrainConfig) -> dict[str, Any]:
    """A config as JSON, without what changes neither time nor memory of a step: where it ends, what it tells."""
    kept = STATED | {name for name, _ in references(config)}
    return as_record(config, without=unaffecting(type(config), Effect.SPEED | Effect.MEMORY) - kept)


def _run(settings: dict[str, object]) -> dict[str, float]:
    asked = json.dumps({**settings, "started": time.monotonic()})
    command = [sys.executable, "-m", "lmworks.train.loop.probe", asked]
    mend = "plan without it: --set plan.measure=false"
    # The pipe to its standard input stays open as long as this process lives; the probe ends when it closes.
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr  # noqa: S101 - for the type checker
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        watchdog = threading.Timer(TIMEOUT_SECONDS, end)
        watchdog.start()
        try:
            output, errors = process.stdout.read(), process.stderr.read()
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
    if late.is_set():
        raise TimeoutError
    if code:
        last = (errors.strip().splitlines() or [f"exit code {code}"])[-1]
        raise LmworksError(f"the probe of the plan failed: {last}; {mend}")
    return dict(json.loads(output.splitlines()[-1]))
