from __future__ import annotations

import subprocess
import sys

import pytest

from lmworks.pipeline.work.process import forget_peak_memory, peak_memory_bytes

MEBIBYTE = 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a peak anew")
def test_a_peak_is_that_of_what_came_after_it_was_forgotten() -> None:
    block = b"x" * (200 * MEBIBYTE)
    held = peak_memory_bytes()
    del block
    assert forget_peak_memory() < held - 150 * MEBIBYTE
    another = b"x" * (80 * MEBIBYTE)
    assert held > peak_memory_bytes() > len(another)


def test_a_child_does_not_count_what_its_parent_held() -> None:
    block = b"x" * (300 * MEBIBYTE)
    code = "from lmworks.pipeline.work.process import peak_memory_bytes; print(peak_memory_bytes())"
    peak = int(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE).stdout)
    assert peak < len(block)
