"""Facts of this process: its machine, its peak memory, and its end."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

PROCESS = Path("/proc/self")


@cache
def processor_facts() -> dict[str, str]:
    """Return the operating system's facts about the last processor. Empty if the system has no file with them."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def processor_name() -> str:
    """Return a description of the processor, to decide whether two times were measured on the same kind."""
    facts = processor_facts()
    name = facts.get("model name") or platform.processor() or platform.machine()
    return f"{name} (family {facts.get('cpu family', '')}, model {facts['model']})" if "model" in facts else name


def load_in_words(cores: int) -> str:
    """How many tasks share so many cores; empty where it is at most one beside as many, or the system does not say."""
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return f"{busy:.0f} tasks share {cores} cores" if busy >= cores + 1 else ""


def give_memory_back() -> None:
    """Give memory that a step has freed back to the system, if the C library and pyarrow can do that."""
    if arrow := sys.modules.get("pyarrow"):
        arrow.default_memory_pool().release_unused()
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def forget_peak_memory() -> int:
    """Reset the peak memory if the system can (Linux: proc(5), clear_refs). Return the memory in use."""
    with suppress(OSError):
        (PROCESS / "clear_refs").write_text("5")
    return peak_memory_bytes()


def peak_memory_bytes() -> int:
    """Return the most resident memory so far, mapped files included.

    Not `ru_maxrss` on Linux: a child inherits there the peak of the process that started it, and it cannot be reset.
    """
    try:
        lines = (PROCESS / "status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def end_with_parent() -> None:
    """End this child process when its parent ends. Its standard input must be a pipe that the parent holds open."""

    def wait() -> None:
        while os.read(0, 1024):  # not sys.stdin: its lock, held at the end of the program, is a fatal error
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
