"""The memory of a training by part, and its operations, counted before anything is built or spent; and whether it fits.

Imports no torch: plans are made of it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lmworks.errors import GateRefused, LmworksError
from lmworks.model.config import FLOAT32, PACKED_BITS, Forward, Shape
from lmworks.model.device import CPU, find_device, free_bytes, is_out_of_memory
from lmworks.pipeline.stage import Journal
from lmworks.train.configs.adapter import PrefixConfig
from lmworks.train.configs.train import TrainConfig

LIBRARIES_BYTES = {False: 350 * 2**20, True: 480 * 2**20}
"""Of a process that has loaded what training loads, without and with the compiler and what it has made."""

TRANSFORMERS_BYTES = 105 * 2**20
"""Of `transformers` on top."""

GAPS = 1.17
"""Memory that an allocator holds beside what is asked of it: pages that are not full, blocks kept for later."""

OPTIMIZER_COPIES = {"muon": 1, "sgd": 1, "adam": 2, "adamw": 2}
"""Running means that are kept of each gradient."""


def training_memory(
    shape: Shape, config: TrainConfig, vocab_size: int, row_bytes: int, *, apart: bool = False
) -> dict[str, int]:
    """Bytes by part when most is held: making the model, drawing answers, a step, an update, or writing a checkpoint.

    `row_bytes` are what the data take. A device whose memory is `apart` from the machine's holds neither those nor
    libraries, and no copies for checkpoints; what a driver takes is not free there to begin with.

    Exact for decoders but for the libraries and the gaps; up to a quarter too high for encoders and encoder-decoders,
    and with a compiler more.
    """
    width = FLOAT32 if config.data_type == "float32" else 2
    trained = trained_parts(config, shape)
    rest = "adamw" if config.optimizer == "muon" else config.optimizer
    copies = {part: OPTIMIZER_COPIES[config.optimizer if part == "matrices" else rest] for part in trained}
    state = sum(copies[part] * count for part, count in trained.items())
    held = {
        "weights": weight_bytes(config, shape) + FLOAT32 * config.frozen_parameters(shape),
        "optimizer state": FLOAT32 * state,
    }
    copy = 0 if apart else FLOAT32 * (sum(trained.values()) + state)
    stepping = {**held, "gradients": FLOAT32 * sum(trained.values()), "copy for the checkpoint": copy}
    how = Forward(
        width=width,
        recomputed=config.activation_checkpointing,
        dropout=config.dropout > 0,
        compiled=config.compile is True,
        frozen=config.adapter is not None,
    )
    rows = min(config.micro_batch_rows, config.rows_per_step)
    activations = dict(shape.activation_bytes(rows, config.sequence_length + config.tokens_before, how))
    if config.lora and config.lora.kind == "dora" and not how.compiled:  # a compiler computes them again
        kept = 1 if config.activation_checkpointing else shape.num_layers
        activations["outputs before magnitudes"] = width * rows * config.sequence_length * kept * shape.block_outputs
    merged = 0
    if config.lora and config.lora.quantise:  # one matrix of numbers at a time; at the end, all in 16 bits
        activations["copies of weights"] = FLOAT32 * shape.parts["matrices"] // shape.num_layers
        merged = 2 * shape.parameters
    moments = [
        {"weights": held["weights"], "table of token pairs": 0 if apart else config.beginning_bytes(vocab_size)},
        # Freed memory is kept, in pieces that an update does not fit whole into: measured, by a third of its numbers.
        {**stepping, **activations, "update": FLOAT32 * max(trained.values())},
        {**stepping, "update": 3 * FLOAT32 * max(trained.values())},
        {**held, "copy for the checkpoint": 2 * copy},
        {**held, "merged model": 2 * merged},
        {**held, "copy for the checkpoint": copy, "cache of answers": config.drawing_bytes(shape)},
    ]
    parts = max(moments, key=lambda moment: sum(moment.values()))
    gaps = int((GAPS - 1) * sum(parts.values()))
    if apart:
        return {**parts, "gaps": gaps}
    libraries = LIBRARIES_BYTES[config.compile is True] + config.needs_transformers * TRANSFORMERS_BYTES
    return {"libraries": libraries, **parts, "gaps": gaps, "data rows": row_bytes}


def trained_parts(config: TrainConfig, shape: Shape) -> Mapping[str, int]:
    """Parameters that have gradients and optimizer state, by part: all, unless adapters stand beside them."""
    if isinstance(config.adapter, PrefixConfig):
        return {"adapters": config.adapter.tokens * shape.prefix_size(config.adapter.kind)}
    if not config.lora:
        return shape.parts
    magnitudes = shape.num_layers * shape.block_outputs if config.lora.kind == "dora" else 0
    head = {"output": shape.parts["output"]} if getattr(shape, "labels", ()) else {}  # begun afresh
    return {"adapters": shape.adapter_parameters(config.lora.rank) + magnitudes, **head}


def stored_bytes(config: TrainConfig, shape: Shape) -> tuple[int, int]:
    """What a training writes: the model with its published checkpoints, and those that go when it ends."""
    trained = trained_parts(config, shape)
    rest = "adamw" if config.optimizer == "muon" else config.optimizer
    state = sum(
        OPTIMIZER_COPIES[config.optimizer if part == "matrices" else rest] * count for part, count in trained.items()
    )
    one = FLOAT32 * (sum(trained.values()) + state)
    at_once = config.keep_checkpoints + 1 if int(config.steps) > config.checkpoint_steps else 0
    return FLOAT32 * shape.parameters + one * len(config.publish_checkpoints), one * at_once


def weight_bytes(config: TrainConfig, shape: Shape) -> int:
    """What the weights of the model take that is trained."""
    if not (config.lora and config.lora.quantise):
        return FLOAT32 * shape.parameters
    packed = shape.parts["matrices"]
    return FLOAT32 * (shape.parameters - packed) + int(packed * PACKED_BITS[config.lora.quantise] / 8)


def flops_per_token(config: TrainConfig, shape: Shape) -> int:
    """Floating-point operations to learn from a token; frozen weights, beside adapters, have no gradient."""
    whole = shape.training_flops_per_token(config.sequence_length) + config.further_flops_per_token(shape)
    if not config.adapter:
        return whole
    beside = 6 * shape.adapter_parameters(config.lora.rank) if config.lora else 0
    return whole - shape.training_flops_per_token(0) // 3 + beside


def size_in_words(count: float) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"


SAID_LETTERS = 160
"""Of what torch says: how much was asked for, and what there is."""
MEND = "lower micro_batch_rows, which changes a step by rounding alone, or set activation_checkpointing: true"
SMALLER = "not even 1 would fit: choose a smaller hidden_size or sequence_length, or set activation_checkpointing: true"


def available_bytes() -> float:
    """What may still be taken: of the machine, and of the control group, which gives cached files back when asked.

    Endless where the system does not tell.
    """
    found = [math.inf]
    with suppress(OSError, KeyError, ValueError):
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        found.append(int(fields["MemAvailable"].split()[0]) * 1024)
    with suppress(OSError, KeyError, ValueError):
        limit, now, statistics = (
            Path(f"/sys/fs/cgroup/memory.{name}").read_text() for name in ("max", "current", "stat")
        )
        used = dict(line.split(" ", 1) for line in statistics.splitlines())
        found.append(int(limit) - int(now) + int(used["file"]))
    return min(found)


def memory_there(config: TrainConfig) -> tuple[float, bool]:
    """Bytes that may still be taken where a training would run, and whether that memory is apart from the machine's."""
    device = find_device(config.device)
    return (available_bytes(), False) if device.type == CPU else (free_bytes(device), True)


def require_fit_here(shape: Shape, config: TrainConfig, vocab_size: int) -> None:
    """Raise GateRefused if a training does not fit where it is about to run."""
    memory_bytes, apart = memory_there(config)
    require_fit(config.step_name, shape, config, vocab_size, memory_bytes, apart=apart)


def require_fit(
    step: str,
    shape: Shape,
    config: TrainConfig,
    vocab_size: int,
    memory_bytes: float,
    row_bytes: int = 0,
    *,
    apart: bool = False,
) -> dict[str, int]:
    """Bytes of a training by part, or GateRefused with the sum and how many rows would fit, if that is too much.

    `apart` asks for what a device takes that has memory of its own.
    """

    def count(rows: int) -> int:
        fewer = config.model_copy(update={"micro_batch_rows": rows})
        return sum(training_memory(shape, fewer, vocab_size, row_bytes, apart=apart).values())

    parts = training_memory(shape, config, vocab_size, row_bytes, apart=apart)
    if sum(parts.values()) <= memory_bytes:
        return parts
    rows = min(config.micro_batch_rows, config.rows_per_step)
    fits = bisect_right(range(1, rows), memory_bytes, key=count)
    largest = sorted(parts.items(), key=lambda item: -item[1])
    shown = " + ".join(f"{part} {size_in_words(size)}" for part, size in largest if size >= 2**20)
    raise GateRefused(
        f"models.{step}: micro_batch_rows {rows} takes {size_in_words(sum(parts.values()))} of memory by counting, and "
        f"{size_in_words(memory_bytes)} are there: {shown}; {f'{fits} would fit: {MEND}' if fits else SMALLER}"
    )


@contextmanager
def shortage_in_words(rows: int, journal: Journal | None = None) -> Iterator[None]:
    """Say which setting to change when memory runs out after all, of the machine or of a graphics processor."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        mend = f"{rows // 2} may fit: {MEND}" if rows > 1 else SMALLER
        saved = [record["checkpoint"] for record in journal.records() if "checkpoint" in record] if journal else []
        after = f"; with more memory free the same command goes on after {saved[-1]}" if saved else ""
        what = " ".join((str(error) or "MemoryError").split())[:SAID_LETTERS]
        raise LmworksError(f"micro_batch_rows {rows}: not enough memory ({what}); {mend}{after}") from error
