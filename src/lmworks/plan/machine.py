"""What this machine is, found without importing torch."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    flags = set(fields.get("flags", "").split())
    family = fields.get("cpu family", "")
    name = fields.get("model name") or platform.processor() or platform.machine()
    return Machine(
        device="cpu",
        processor=f"{name} (family {family}, model {fields['model']})" if "model" in fields else name,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=_memory(),
        bfloat16=any(flag in flags for flag in BFLOAT16_FLAGS),
        compiler=any(shutil.which(name) for name in ("g++", "clang++")),
    )


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
