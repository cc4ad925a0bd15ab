"""`xz -9` as a language model: a compressor that everybody has."""

from __future__ import annotations

import lzma
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from lmworks.pipeline.work.workers import begin_worker, main_left_out

LARGEST = 64 << 20
"""Bytes of earlier text that preset 9 can refer to."""
PIECE = 1 << 14
"""Bytes given to the compressor at once. It leaves what overfills its buffer for later, again in each copy."""


def bits_behind(before: bytes, texts: Sequence[bytes]) -> list[int]:
    """Return how many more bits `xz -9` needs for each text alone, directly after `before` (limited by its window).

    A compressor reads `before` once, in a process of its own, and each text gets a copy of this process. The library
    that holds the state can neither save nor copy it, and to read 17 MB again for each text takes 8 seconds.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=begin_worker) as pool:
        with main_left_out():
            found = pool.submit(_bits_behind, before[-LARGEST:], texts)
        return found.result()


def _bits_behind(before: bytes, texts: Sequence[bytes]) -> list[int]:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": LARGEST}]
    compressor = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=filters)
    for start in range(0, len(before), PIECE):
        compressor.compress(before[start : start + PIECE])
    lengths, every = list[int](), [b"", *texts]
    for start in range(0, len(every), cores := os.cpu_count() or 1):
        copies = [_start_copy(compressor, text) for text in every[start : start + cores]]
        lengths += [_length(*copy) for copy in copies]
    return [8 * max(0, length - lengths[0]) for length in lengths[1:]]


def _start_copy(compressor: lzma.LZMACompressor, text: bytes) -> tuple[int, int]:
    """Start a copy of this process. Return its id, and a pipe that gives the bytes that it still writes for a text."""
    reads, writes = os.pipe()
    if not (child := os.fork()):
        try:
            os.write(writes, str(len(compressor.compress(text)) + len(compressor.flush())).encode())
        finally:
            os._exit(0)
    os.close(writes)
    return child, reads


def _length(child: int, reads: int) -> int:
    with open(reads, encoding="ascii") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    if not said:
        raise MemoryError("xz: a copy of the compressor ended early; it takes 700 MB of memory, and a bit per text")
    return int(said)
