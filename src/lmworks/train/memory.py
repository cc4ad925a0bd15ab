"""Whether a micro-batch fits into memory: asked before the first step, and said in words when it did not."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lmworks.errors import LmworksError

MEND = "lower micro_batch_rows, which changes a step by rounding alone, or set activation_checkpointing: true"
SMALLER = "not even 1 would fit: choose a smaller model or sequence_length, or set activation_checkpointing: true"


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


def refuse_what_cannot_fit(predicted_bytes: Callable[[int], int], rows: int) -> None:
    """Raise if micro-batches of `rows` are predicted to take more memory than there is, and say how many would not."""
    available = available_bytes()
    if predicted_bytes(rows) <= available:
        return
    fits = bisect_right(range(1, rows), available, key=predicted_bytes)
    raise LmworksError(
        f"micro_batch_rows {rows}: a step takes about {predicted_bytes(rows) / 2**30:,.1f} GiB by counting, "
        f"{available / 2**30:,.1f} GiB are available; {f'{fits} would fit: {MEND}' if fits else SMALLER}"
    )


@contextmanager
def shortage_in_words(rows: int) -> Iterator[None]:
    """Say which setting to change when memory runs out after all."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "DefaultCPUAllocator" not in str(error):
            raise
        mend = f"{rows // 2} may fit: {MEND}" if rows > 1 else SMALLER
        raise LmworksError(f"micro_batch_rows {rows}: not enough memory; {mend}") from error
