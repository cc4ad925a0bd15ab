"""Memory that training frees and needs again in a moment, kept."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lmworks.pipeline.work.process import give_memory_back

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""glibc's numbers for two settings, from its malloc.h."""
LARGE, NORMAL = 2**30, 2**25
"""Bytes from which a block is the system's; glibc's own rule stops at the second."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within, blocks of less than a gigabyte that are freed stay with the process; at the end they go back.

    glibc gives large blocks back at once and gets them anew, zeroed page by page: a fifth of a step on a CPU. Other
    C libraries are left as they are.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(MMAP_THRESHOLD, LARGE)
    library.mallopt(TRIM_THRESHOLD, LARGE)
    try:
        yield
    finally:
        library.mallopt(MMAP_THRESHOLD, NORMAL)
        library.mallopt(TRIM_THRESHOLD, 2 * NORMAL)
        give_memory_back()
