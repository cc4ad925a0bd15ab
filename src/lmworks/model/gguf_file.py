"""Whether a GGUF file is what its head says, before a reader believes it (llama.cpp's `gguf.h` describes the form).

The reader of the `gguf` package goes on where a file has ended, and so counts to whatever number a file states.
"""

from __future__ import annotations

import math
import mmap
import struct
from pathlib import Path

from lmworks.errors import told

VERSIONS = (2, 3)
STRING, ARRAY = 8, 9
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value of each type that is neither."""
LONGEST_NAME, MOST_DIMENSIONS = 2**16, 4


def check_gguf(file: Path) -> None:
    """Raise LmworksError for a file that ends before what it states, or states what no file has."""
    with (
        told(file, "a whole GGUF file of version 2 or 3; copy it anew"),
        file.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        _Head(data).check()


class _Head:
    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._place = data, 0

    def check(self) -> None:
        if self._take(4) != b"GGUF" or self._number("I") not in VERSIONS:
            raise ValueError("not a GGUF file of these versions")
        tensors, fields = self._number("Q"), self._number("Q")
        alignment = 32
        for _ in range(fields):
            name, kind = self._name(), self._number("I")
            if name == b"general.alignment" and kind == 4:
                (alignment,) = struct.unpack("<I", self._data[self._place : self._place + 4])
            self._skip_value(kind)
        ends = [self._end_of_tensor() for _ in range(tensors)]
        begin = -(-self._place // max(1, alignment)) * max(1, alignment)
        if ends and begin + max(ends) > len(self._data):
            raise ValueError(f"its tensors end {begin + max(ends) - len(self._data):,} bytes behind it")

    def _take(self, size: int) -> bytes:
        self._skip(size)
        return self._data[self._place - size : self._place]

    def _skip(self, size: int) -> None:
        if size > len(self._data) - self._place:
            raise ValueError(f"it ends at byte {len(self._data):,}, inside of what begins at {self._place:,}")
        self._place += size

    def _number(self, form: str) -> int:
        (number,) = struct.unpack(f"<{form}", self._take(struct.calcsize(f"<{form}")))
        return int(number)

    def _name(self) -> bytes:
        length = self._number("Q")
        if length > LONGEST_NAME:
            raise ValueError(f"a name of {length:,} bytes at byte {self._place:,}")
        return self._take(length)

    def _skip_value(self, kind: int) -> None:
        if kind == STRING:
            self._skip(self._number("Q"))
        elif kind == ARRAY:
            kind, count = self._number("I"), self._number("Q")
            if kind == STRING:
                for _ in range(count):
                    self._skip(self._number("Q"))
            else:
                self._skip(self._size(kind) * count)
        else:
            self._skip(self._size(kind))

    def _size(self, kind: int) -> int:
        if kind not in SIZES:
            raise ValueError(f"a value of type {kind} at byte {self._place:,}")
        return SIZES[kind]

    def _end_of_tensor(self) -> int:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        name, dimensions = self._name(), self._number("I")
        if dimensions > MOST_DIMENSIONS:
            raise ValueError(f"a tensor {name[:99]!r} of {dimensions} dimensions")
        shape = [self._number("Q") for _ in range(dimensions)]
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(self._number("I"))]
        return self._number("Q") + math.prod(shape) // block * size
