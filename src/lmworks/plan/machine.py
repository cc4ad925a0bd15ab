"""What this machine is, found without importing torch."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lmworks.pipeline.process import processor_facts, processor_name

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")
"""Processor flags under which bfloat16 matrix products run faster than float32 ones."""


@dataclass(frozen=True)
class Machine:
    """Device kind, cores and memory."""

    device: str
    processor: str
    cores: int
    memory_bytes: int
    bfloat16: bool
    compiler: bool
    """Whether a C++ compiler is there, which torch.compile needs."""

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def this_machine() -> Machine:
    """Read the machine from the operating system."""
    flags = set(processor_facts().get("flags", "").split())
    return Machine(
        device="cpu",
        processor=processor_name(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=_memory(),
        bfloat16=any(flag in flags for flag in BFLOAT16_FLAGS),
        compiler=any(shutil.which(name) for name in ("g++", "clang++")),
    )


def _memory() -> int:
    """What is built in, or what the container may use of it (Linux control groups, version 2)."""
    built_in = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    allowed = limit.read_text().strip() if limit.exists() else "max"
    return built_in if allowed == "max" else min(built_in, int(allowed))
