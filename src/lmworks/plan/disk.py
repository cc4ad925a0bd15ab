"""How fast the disk of a store is, measured when asked, and when it is full."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lmworks.pipeline.files import write_atomically

MEASURED_BYTES = 2**28
"""Bytes that are written and read back. They take seconds on a slow disk, and exceed the caches of most disks."""
BLOCK_BYTES = 2**22


@dataclass(frozen=True)
class Disk:
    """Rates of a sequential write, fsync included, and of reading back what the system does not keep in memory."""

    megabytes: float
    write_megabytes_per_second: float
    read_megabytes_per_second: float
    date: str

    def as_text(self) -> str:
        return (
            f"{self.write_megabytes_per_second:,.0f} MB/s written, {self.read_megabytes_per_second:,.0f} MB/s read "
            f"({self.megabytes:.0f} MB, {self.date})"
        )


def measure_disk(store: Path, size: int = MEASURED_BYTES) -> Disk | None:
    """Measure the disk of a store and remember it there; None where a fourfold of what is written is not free."""
    folder = store / "plans"
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < 4 * size:
        return None
    block, count = os.urandom(BLOCK_BYTES), max(1, size // BLOCK_BYTES)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        began = time.perf_counter()
        for _ in range(count):
            file.write(block)
        os.fsync(file.fileno())
        written = time.perf_counter() - began
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        began = time.perf_counter()
        while file.read(BLOCK_BYTES):
            pass
        read = time.perf_counter() - began
    megabytes = count * BLOCK_BYTES / 1e6
    disk = Disk(megabytes, megabytes / written, megabytes / read, datetime.date.today().isoformat())
    write_atomically(folder / "disk.json", json.dumps(asdict(disk)) + "\n")
    return disk


def known_disk(store: Path) -> Disk | None:
    """Return the stored measurement of a store's disk. None if there is none."""
    path = store / "plans" / "disk.json"
    return Disk(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def full_in_month(free_bytes: float, first_bytes: float, monthly_bytes: float) -> int | None:
    """Return the month in which a disk is full, from its first bytes and the growth per month. None after ten years."""
    if first_bytes > free_bytes:
        return 1
    months = (free_bytes - first_bytes) / monthly_bytes if monthly_bytes else 1e9
    return int(months) + 1 if months < 120 else None
