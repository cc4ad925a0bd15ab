"""What training frees it gets again without the system's help."""

from __future__ import annotations

import multiprocessing
import resource
import sys

import pytest
import torch

from lmworks.train.loop.freed_memory import freed_memory_kept


def new_pages() -> int:
    """Pages that the system gave for some large blocks, of which each is freed before the next."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.zeros(12 * 2**20)  # 48 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def within_and_behind(given: int) -> tuple[int, int]:
    with freed_memory_kept():
        new_pages()
        kept = new_pages()
    new_pages()
    return kept, new_pages()


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_large_blocks_are_not_given_back_before_the_end() -> None:
    # In a process of its own: in one that has run long, a gap that others left is large enough.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        ((kept, behind),) = pool.map(within_and_behind, [0])
    assert kept * 20 < behind
