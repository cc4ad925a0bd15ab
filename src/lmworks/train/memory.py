"""Estimates of the memory of a training, by part, and of its operations, before anything is built; and whether it fits.

The planner, the build and its refusal all call `training_memory`, which counts one process of a `Layout`.

This module imports no torch, because plans use it.
"""

from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lmworks.errors import GateRefused, LmworksError
from lmworks.model.config import FLOAT32, PACKED_BITS, DecoderConfig, Forward, Shape
from lmworks.model.device import CPU, find_device, free_bytes, is_out_of_memory
from lmworks.model.folder import FILE_BYTES
from lmworks.pipeline.stage import Journal
from lmworks.train.configs.train import TrainConfig

LIBRARIES_BYTES = {False: 400 * 2**20, True: 480 * 2**20}
"""Bytes of a process that has loaded the libraries for training. True: with the compiler and its output."""

TRANSFORMERS_BYTES = 120 * 2**20
"""Further bytes for `transformers`."""

GAPS = 1.17
"""Factor from the requested memory to what the allocator holds, with partly filled pages and freed blocks."""

OPTIMIZER_COPIES = {"muon": 1, "adamw": 2}
"""Number of running means that each optimizer keeps per gradient."""


@dataclass(frozen=True)
class Layout:
    """Distribution of a training over devices."""

    data_parallel: int = 1
    """Number of processes that each hold a shard of every block (FSDP2) and learn from different rows."""
    tensor_parallel: int = 1
    """Number of processes that each hold a part of every matrix inside blocks."""
    recompute: bool = False
    """Whether blocks are computed again in the backward pass."""
    apart: bool = False
    """Whether devices have their own memory, separate from the machine's."""

    @classmethod
    def of(cls, config: TrainConfig, *, apart: bool = False) -> Layout:
        """Return the layout that follows from the settings of a training."""
        tensor = config.tensor_parallel
        return cls(max(1, config.processes // tensor), tensor, config.activation_checkpointing, apart)

    @property
    def devices(self) -> int:
        return self.data_parallel * self.tensor_parallel

    def __str__(self) -> str:
        data = f"FSDP (ZeRO-3) ×{self.data_parallel}" if self.data_parallel > 1 else "one replica"
        tensor = f", tensor parallel ×{self.tensor_parallel}" if self.tensor_parallel > 1 else ""
        return data + tensor + (", recompute" if self.recompute else "")


def training_memory(
    shape: Shape, config: TrainConfig, vocab_size: int, row_bytes: int, layout: Layout | None = None
) -> dict[str, int]:
    """Return, by part, the peak bytes of one process while it makes the model, does a step or writes a checkpoint.

    By default, `layout` is that of the config. `row_bytes` is the memory of the data. A device with its own memory
    holds no data, no libraries and no copies for checkpoints.

    Blocks are divided among processes. Each process holds whole embeddings, output and last norm (`processes.py`).
    For decoders, only libraries and gaps are estimates. For encoders and encoder-decoders, the result is up to a
    quarter too high, and higher still with a compiler.
    """
    layout = layout or Layout.of(config)
    apart, data, tensor = layout.apart, layout.data_parallel, layout.tensor_parallel
    trained = trained_parts(config, shape)
    here = {part: count // (layout.devices if part == "matrices" else 1) for part, count in trained.items()}
    state = _state_numbers(config, here)
    others = FLOAT32 * config.frozen_parameters(shape)
    weights = FLOAT32 * sum(here.values()) + (weight_bytes(config, shape) if config.adapter else 0)
    held = {"weights": weights + others, "optimizer state": FLOAT32 * state}
    copy = 0 if apart else FLOAT32 * (sum(trained.values()) + _state_numbers(config, trained))
    rows = min(config.micro_batch_rows, config.rows_per_step)
    block = _block(shape)
    gradients = dict(here)
    if data > 1 and -(-config.rows_per_step // rows) > data:  # blocks keep whole ones until the last micro-batch
        gradients["matrices"] = trained["matrices"] // tensor
    stepping = {**held, "gradients": FLOAT32 * sum(gradients.values()), "copy for the checkpoint": copy}
    if data > 1:  # a block whole, the next one, and the gradient of one
        stepping["gathered blocks"] = 3 * FLOAT32 * block // tensor
    # Freed memory is kept, in pieces that an update does not fit whole into: measured, by a third of its numbers.
    largest = {**here, "matrices": min(here.get("matrices", 0), block) if apart else here.get("matrices", 0)}
    update = FLOAT32 * max(largest.values())
    owned = here.get("matrices", 0) if config.optimizer == "muon" and layout.devices > 1 else 0
    moments = [
        {"weights": held["weights"], "table of token pairs": 0 if apart else config.beginning_bytes(vocab_size)},
        {**stepping, **_activations(shape, config, rows, layout), "update": update},
        {**stepping, "update": (1 if apart else 3) * update + 3 * FLOAT32 * owned},
        {**held, "copy for the checkpoint": 2 * copy},
        {**held, "merged model": 0 if apart else _merged_bytes(config, shape)},
        {**held, "copy for the checkpoint": copy, "cache of answers": config.drawing_bytes(shape)},
    ]
    parts = max(moments, key=lambda moment: sum(moment.values()))
    gaps = int((GAPS - 1) * sum(parts.values()))
    if apart:
        return {**parts, "gaps": gaps}
    libraries = LIBRARIES_BYTES[config.compile is True] + config.needs_transformers * TRANSFORMERS_BYTES
    return {"libraries": libraries, **parts, "gaps": gaps, "data rows": row_bytes}


def _activations(shape: Shape, config: TrainConfig, rows: int, layout: Layout) -> dict[str, int]:
    """Return, by part, the bytes of activations that one process keeps for the backward pass."""
    how = Forward(
        width=FLOAT32 if config.data_type == "float32" else 2,
        recomputed=layout.recompute,
        dropout=config.dropout > 0,
        compiled=config.compile is True,
        frozen=config.adapter is not None,
        narrow_weights=frozen_width(config, shape) < FLOAT32,
    )
    part = shape.in_parts(layout.tensor_parallel) if isinstance(shape, DecoderConfig) else shape
    found = dict(part.activation_bytes(rows, config.sequence_length, how))
    if config.adapter and config.adapter.quantise:  # one matrix of numbers at a time; a processor keeps what it frees
        found["copies of weights"] = FLOAT32 * shape.parts["matrices"] // shape.num_layers
        if layout.apart and isinstance(shape, DecoderConfig):
            widest = max(shape.intermediate_size, shape.num_heads * shape.head_size)
            found["copies of weights"] = 2 * FLOAT32 * shape.hidden_size * widest  # its numbers, codes and narrow form
    return found


def host_memory(shape: Shape, config: TrainConfig) -> dict[str, int]:
    """Return, by part, the peak bytes of the machine's memory for all processes, if devices have their own memory.

    Each process reads the whole model before it is divided. The first process copies checkpoints, twice for writing.
    """
    trained, local = trained_parts(config, shape), int(os.environ.get("LOCAL_WORLD_SIZE", config.processes))
    libraries = local * (LIBRARIES_BYTES[False] + config.needs_transformers * TRANSFORMERS_BYTES)
    copy = FLOAT32 * (sum(trained.values()) + _state_numbers(config, trained))
    whole = FLOAT32 * shape.parameters * (config.processes > 1)
    moments = [
        {"weights": local * weight_bytes(config, shape)},
        {"weights": whole, "copy for the checkpoint": 2 * copy},
        {"merged model": _merged_bytes(config, shape)},
    ]
    most = max(moments, key=lambda moment: sum(moment.values()))
    return {"libraries": libraries, **most}


def _block(shape: Shape) -> int:
    """Return the number of parameters in one block's matrices, or in all matrices if `num_layers` is unknown."""
    return shape.parts.get("matrices", 0) // max(1, getattr(shape, "num_layers", 1))


def _state_numbers(config: TrainConfig, trained: Mapping[str, int]) -> int:
    """Count the numbers of the optimizer's state."""
    return sum(
        OPTIMIZER_COPIES[config.optimizer if part == "matrices" else "adamw"] * count for part, count in trained.items()
    )


def frozen_width(config: TrainConfig, shape: Shape) -> int:
    """Return the bytes per number of a base. A frozen base has the type in which lmworks multiplies it."""
    narrow = config.adapter is not None and config.data_type == "bfloat16" and getattr(shape, "native", False)
    return 2 if narrow else FLOAT32


def _merged_bytes(config: TrainConfig, shape: Shape) -> int:
    """Return the host's bytes while adapters are merged: one file of a native model, or the whole of another model."""
    if config.adapter is None:
        return 0
    whole = (2 if config.adapter.quantise else FLOAT32) * shape.parameters
    return min(whole, FILE_BYTES) + 2 * FLOAT32 * _block(shape) if getattr(shape, "native", False) else whole


def trained_parts(config: TrainConfig, shape: Shape) -> Mapping[str, int]:
    """Return, by part, the number of trained parameters: those of the adapters if there are any, else all."""
    if not config.adapter:
        return shape.parts
    head = {"output": shape.parts["output"]} if getattr(shape, "labels", ()) else {}  # begun afresh
    return {"adapters": shape.adapter_parameters(config.adapter.rank), **head}


def stored_bytes(config: TrainConfig, shape: Shape) -> tuple[int, int]:
    """Return the bytes that a training writes: the model with its published checkpoints, and temporary checkpoints."""
    trained = trained_parts(config, shape)
    one = FLOAT32 * (sum(trained.values()) + _state_numbers(config, trained))
    at_once = config.keep_checkpoints + 1 if int(config.steps) > config.checkpoint_steps else 0
    return FLOAT32 * shape.parameters + one * len(config.publish_checkpoints), one * at_once


def weight_bytes(config: TrainConfig, shape: Shape) -> int:
    """Return the bytes of the model's weights, without those of an adapter."""
    if config.adapter is None:
        return FLOAT32 * shape.parameters
    parts, width, bits = shape.parts, frozen_width(config, shape), 8 * frozen_width(config, shape)
    if config.adapter.quantise:
        bits = PACKED_BITS[config.adapter.quantise]  # type: ignore[assignment]
    vectors = FLOAT32 * parts.get("norms and biases", 0)
    tables = width * (shape.parameters - parts["matrices"] - parts.get("norms and biases", 0))
    return int(parts["matrices"] * bits / 8) + vectors + tables


def flops_per_token(config: TrainConfig, shape: Shape) -> int:
    """Return the floating-point operations to learn from one token. With an adapter, the base has no gradient."""
    whole = shape.training_flops_per_token(config.sequence_length) + config.further_flops_per_token(shape)
    if not config.adapter:
        return whole
    return whole - shape.training_flops_per_token(0) // 3 + 6 * shape.adapter_parameters(config.adapter.rank)


def size_in_words(count: float) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"


SAID_LETTERS = 160
"""Number of characters of torch's message to quote. They state the requested and the free bytes."""
MEND = "lower micro_batch_rows, which changes results only by rounding, or set activation_checkpointing: true"
SMALLER = "not even 1 would fit: choose a smaller hidden_size or sequence_length, or set activation_checkpointing: true"


def available_bytes() -> float:
    """Return the free bytes of the machine or its control group. Cached files count as free memory.

    The result is infinite if the system does not report its memory.
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
    """Return the free bytes of the training's device, and whether it has its own memory."""
    device = find_device(config.device)
    return (available_bytes(), False) if device.type == CPU else (free_bytes(device), True)


def require_fit_here(shape: Shape, config: TrainConfig, vocab_size: int) -> None:
    """Raise GateRefused if a training does not fit into the memory of its device, or of the machine."""
    memory_bytes, apart = memory_there(config)
    require_fit(config.step_name, shape, config, vocab_size, memory_bytes, apart=apart)
    if apart and (needed := sum(host_memory(shape, config).values())) > (free := available_bytes()):
        raise GateRefused(
            f"models.{config.step_name}: reading the model and writing checkpoints take about {size_in_words(needed)} "
            f"of the machine's own memory, and {size_in_words(free)} are free.\n"
            "  Try: an `adapter`, fewer `processes`, or a machine with more memory"
        )


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
    """Return the bytes of a training by part. Raises GateRefused if there are too many, and says how many rows fit.

    `apart` means that the training runs on a device with its own memory.
    """

    def count(rows: int) -> int:
        fewer = config.model_copy(update={"micro_batch_rows": rows})
        return sum(training_memory(shape, fewer, vocab_size, row_bytes, layout).values())

    layout = Layout.of(config, apart=apart)
    if not apart:  # which all processes share
        memory_bytes /= int(os.environ.get("LOCAL_WORLD_SIZE", config.processes))
    parts = training_memory(shape, config, vocab_size, row_bytes, layout)
    if sum(parts.values()) <= memory_bytes:
        return parts
    rows = min(config.micro_batch_rows, config.rows_per_step)
    fits = bisect_right(range(1, rows), memory_bytes, key=count)
    largest = sorted(parts.items(), key=lambda item: -item[1])
    shown = " + ".join(f"{part} {size_in_words(size)}" for part, size in largest if size >= 2**20)
    raise GateRefused(
        f"models.{step}: micro_batch_rows {rows} takes about {size_in_words(sum(parts.values()))} of memory, and "
        f"{size_in_words(memory_bytes)} are free: {shown}; {f'{fits} would fit: {MEND}' if fits else SMALLER}"
    )


@contextmanager
def shortage_in_words(rows: int, journal: Journal | None = None) -> Iterator[None]:
    """Raise LmworksError, with the setting to change, if the machine or the device runs out of memory inside."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        mend = f"{rows // 2} may fit: {MEND}" if rows > 1 else SMALLER
        saved = [record["checkpoint"] for record in journal.records() if "checkpoint" in record] if journal else []
        after = f"; with more free memory, the same command goes on after {saved[-1]}" if saved else ""
        what = " ".join((str(error) or "MemoryError").split())[:SAID_LETTERS]
        raise LmworksError(f"micro_batch_rows {rows}: not enough memory ({what}); {mend}{after}") from error
