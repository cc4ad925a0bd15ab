"""Whether a training fits into memory: asked before anything is spent, and said in words when it did not.

Imports no torch: plans ask, too.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lmworks.errors import GateRefused, LmworksError
from lmworks.model.config import Shape
from lmworks.model.device import CPU, find_device, free_bytes, is_out_of_memory
from lmworks.pipeline.stage import Journal
from lmworks.train.configs.train import TrainConfig
from lmworks.train.counting import size_in_words, training_memory

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
