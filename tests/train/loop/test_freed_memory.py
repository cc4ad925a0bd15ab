"""What training frees it gets again without the system's help."""

from __future__ import annotations

import resource
import sys

import pytest
import torch

from lmworks.train.loop.freed_memory import freed_memory_kept


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_large_blocks_are_not_given_back_before_the_end() -> None:
    def new_pages() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(8):
            torch.zeros(12 * 2**20)  # 48 MiB
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with freed_memory_kept():
        new_pages()
        kept = new_pages()
    new_pages()
    assert kept * 20 < new_pages()
