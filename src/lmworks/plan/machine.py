"""Facts about this machine, found without importing torch. A separate process asks torch about accelerators."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lmworks.model.device import AUTO, CPU, accelerator_facts
from lmworks.pipeline.work.process import processor_facts, processor_name

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")
"""Processor flags under which bfloat16 matrix products run faster than float32 ones."""


@dataclass(frozen=True)
class Machine:
    """Device kind, cores and memory."""

    device: str
    processor: str
    """Name of the accelerator, or of the processor if there is no accelerator."""
    cores: int
    memory_bytes: int
    """Memory of the accelerator or processor, in bytes."""
    bfloat16: bool
    compiler: bool
    """Whether a C++ compiler is there, which torch.compile needs."""
    product_rates: Mapping[str, float] = field(default_factory=dict)
    """Operations per second of a large matrix product on an accelerator, by data type, just measured."""

    def as_text(self) -> str:
        """Return the names of accelerator or processor, and the number of cores."""
        kind = "" if self.device == CPU else f" ({self.device})"
        return f"{self.processor}{kind}, {self.cores} cores"


def this_machine(asked: str = AUTO) -> Machine:
    """Read the machine from the operating system, and what torch finds of the device that is asked for.

    Raises LmworksError if that is not there.
    """
    flags = set(processor_facts().get("flags", "").split())
    machine = Machine(
        device=CPU,
        processor=processor_name(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=_memory(),
        bfloat16=any(flag in flags for flag in BFLOAT16_FLAGS),
        compiler=any(shutil.which(name) for name in ("g++", "clang++")),
    )
    if not (found := accelerator_facts(asked)):
        return machine
    rates = found["product_rates"]
    return replace(
        machine,
        device=found["kind"],
        processor=found["name"],
        memory_bytes=found["memory_bytes"],
        bfloat16=rates["bfloat16"] > rates["float32"],
        product_rates=rates,
    )


def _memory() -> int:
    """Return the machine's memory, or the container's limit if it is lower (Linux control groups, version 2)."""
    built_in = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    allowed = limit.read_text().strip() if limit.exists() else "max"
    return built_in if allowed == "max" else min(built_in, int(allowed))
