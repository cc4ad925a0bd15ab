"""How fast this machine trains: counted from what it is, or measured in a subprocess for some seconds."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmworks.errors import LmworksError
from lmworks.plan.machine import Machine

if TYPE_CHECKING:
    from lmworks.train.config import TrainConfig

FLOPS_PER_CORE = {"float32": 90e9, "bfloat16": 200e9}
"""Peak of one server core with AVX-512 (Zen 4, measured on 4096-cubed products)."""

EFFICIENCY = 0.55
"""Share of that peak which a whole training step of a small model reaches."""

SECONDS = 3.0
"""Of steady training: dozens of steps, whose median is steady to a few per cent."""

TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Speed:
    """Training speed and the settings that it holds for."""

    measured: bool
    flops_per_second: float
    threads: int
    data_type: str
    compile: bool
    warm_up_seconds: float
    """Compiling, before the first step."""
    base_memory_bytes: int
    """Of a process that has loaded the libraries."""
    probe_seconds: float = 0.0
    """What measuring took."""


def counted_speed(machine: Machine) -> Speed:
    """An estimate from the kind of processor alone."""
    data_type = "bfloat16" if machine.bfloat16 else "float32"
    return Speed(
        measured=False,
        flops_per_second=EFFICIENCY * FLOPS_PER_CORE[data_type] * machine.cores,
        threads=machine.cores,
        data_type=data_type,
        compile=machine.compiler,
        warm_up_seconds=20.0 if machine.compiler else 0.0,
        base_memory_bytes=700 * 2**20,
    )


def measured_speed(config: TrainConfig, vocab_size: int, counted: Speed) -> Speed:
    """Train on random tokens for some seconds in a process of its own, which gives its memory back.

    What it compiles is kept in the compiler's cache, where training finds it.
    """
    left_out = {"base", "data", "validation", "watch", "tokenizer", "objective"}
    fields = config.model_dump(mode="json", exclude=left_out, exclude_unset=True)
    settings = {"threads": counted.threads, "data_type": counted.data_type, "compile": counted.compile}
    began = time.monotonic()
    found = _run({**fields, **settings, "vocab_size": vocab_size, "seconds": SECONDS})
    return Speed(
        measured=True,
        flops_per_second=found["tokens_per_second"] * found["flops_per_token"],
        threads=int(found["threads"]),
        data_type=counted.data_type,
        compile=counted.compile,
        warm_up_seconds=0.0,
        base_memory_bytes=int(found["peak_memory_bytes"]),
        probe_seconds=time.monotonic() - began,
    )


def _run(settings: dict[str, object]) -> dict[str, float]:
    command = [sys.executable, "-m", "lmworks.train.probe", json.dumps(settings)]
    mend = "plan without it: --set plan.measure=false"
    # The pipe to its standard input stays open as long as this process lives; the probe ends when it closes.
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr  # noqa: S101 - for the type checker
        watchdog = threading.Timer(TIMEOUT_SECONDS, process.kill)
        watchdog.start()
        try:
            output, errors = process.stdout.read(), process.stderr.read()
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
    if code:
        last = (errors.strip().splitlines() or [f"no answer within {TIMEOUT_SECONDS} s"])[-1]
        raise LmworksError(f"the probe of the plan failed: {last}; {mend}")
    return dict(json.loads(output.splitlines()[-1]))
