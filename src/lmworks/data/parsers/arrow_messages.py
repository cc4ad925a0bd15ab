"""Record batches of Arrow files, each unpacked once its message has said how much it holds.

Layout: https://arrow.apache.org/docs/format/Columnar.html (IPC), and Arrow's Message.fbs and File.fbs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any

from lmworks.lazy import pa

MAGIC = b"ARROW1"
"""At the beginning and end of an Arrow file; a stream has none."""
DICTIONARY_BATCH, RECORD_BATCH = 2, 3
"""Kinds of messages that hold values."""
OLD_COMPRESSION = b"ARROW:experimental_compression"
"""Named so in the metadata of files of Arrow 0.17, which are still read."""
SIZE = struct.Struct("<q")
"""Before each compressed buffer: its bytes when unpacked, or -1 where it stands as it is."""


def record_batches(stream: IO[bytes], size: int, most: int) -> tuple[Any, Iterator[Any]]:
    """The schema and the batches of both IPC forms, the stream and the file with its footer, of `size` bytes.

    Raises ArrowInvalid for damage, and before a batch is unpacked with which they claim more than `most` bytes.
    """
    stream.seek(0)
    is_file = stream.read(len(MAGIC)) == MAGIC
    stream.seek(0)
    opened = pa.ipc.open_file(stream) if is_file else pa.ipc.open_stream(stream)
    messages = _Messages(stream, size, most)
    return opened.schema, messages.of_file(opened) if is_file else messages.of_stream(opened)


def too_large(most: int) -> Exception:
    """What is raised of a file that is a bomb."""
    error: Exception = pa.ArrowInvalid(f"it holds more than {most} bytes when unpacked, which no sound file does")
    return error


class _Messages:
    """Counts what messages claim, in the order in which they are read."""

    def __init__(self, stream: IO[bytes], size: int, most: int) -> None:
        self._stream, self._size, self._most, self._claimed = stream, size, most, 0

    def of_stream(self, opened: Any) -> Iterator[Any]:
        """Batches, each behind the dictionaries that it needs."""
        while True:
            start = place = self._stream.tell()
            kind = DICTIONARY_BATCH
            while kind == DICTIONARY_BATCH:
                kind, place = self._count(place)
            self._stream.seek(start)
            try:
                batch = opened.read_next_batch()
            except StopIteration:
                return
            yield _valid(batch)

    def of_file(self, opened: Any) -> Iterator[Any]:
        """Batches where the footer says; all dictionaries are read before the first."""
        length = int.from_bytes(self._read(self._size - len(MAGIC) - 4, 4), "little")
        footer = self._read(self._size - len(MAGIC) - 4 - length, length)
        try:
            root = _at(footer, 0)
            dictionaries, batches = (_structs(footer, root, number, "<qi4xq") for number in (2, 3))
        except struct.error as error:
            raise pa.ArrowInvalid(f"its footer is damaged: {error}") from None
        for offset, metadata, _ in dictionaries:
            self._count(offset, offset + metadata)
        for index in range(opened.num_record_batches):
            offset, metadata, _ = batches[index]
            self._count(offset, offset + metadata)
            yield _valid(opened.get_batch(index))

    def _count(self, start: int, body: int | None = None) -> tuple[int, int]:
        """Add what a message claims; its kind, 0 at the end of the stream, and where the next one begins."""
        prefix = self._read(start, min(8, max(0, self._size - start))).ljust(8, b"\0")
        skip = 8 if prefix[:4] == b"\xff" * 4 else 4  # before Arrow 0.15 without these
        length = int.from_bytes(prefix[skip - 4 : skip], "little", signed=True)
        if length == 0:
            return 0, start
        metadata = self._read(start + skip, length)
        body = start + skip + length if body is None else body
        try:
            kind, body_bytes, rows, buffers = _described(metadata)
        except struct.error as error:
            raise pa.ArrowInvalid(f"a message at byte {start:,} is damaged: {error}") from None
        if not 0 <= body_bytes <= self._size - body:
            raise _beyond(body, body_bytes, self._size)
        for offset, count in buffers:
            if count:
                self._claimed += max(count, *SIZE.unpack(self._read(body + offset, SIZE.size)))
        if max(self._claimed, rows) > self._most:
            raise too_large(self._most)
        return kind, body + body_bytes

    def _read(self, start: int, count: int) -> bytes:
        if start < 0 or not 0 <= count <= self._size - start:
            raise _beyond(start, count, self._size)
        self._stream.seek(start)
        return self._stream.read(count)


def _valid(batch: Any) -> Any:
    batch.validate(full=True)  # a place outside of its values would end this process
    return batch


def _beyond(start: int, count: int, size: int) -> Exception:
    error: Exception = pa.ArrowInvalid(f"it names {count:,} bytes at byte {start:,}, and has {size:,}")
    return error


def _described(metadata: bytes) -> tuple[int, int, int, list[tuple[int, ...]]]:
    """Kind, bytes of the body, values of the longest column, and place and length of each compressed buffer."""
    message = _at(metadata, 0)
    kind = _number(metadata, message, 1, "<B")
    body_bytes = _number(metadata, message, 3, "<q")
    if kind not in (DICTIONARY_BATCH, RECORD_BATCH):
        return kind, body_bytes, 0, []
    batch = _at(metadata, _field(metadata, message, 2))
    if kind == DICTIONARY_BATCH:
        batch = _at(metadata, _field(metadata, batch, 1))
    lengths = [length for length, _ in _structs(metadata, batch, 1, "<qq")]
    rows = max(_number(metadata, batch, 0, "<q"), *lengths, 0)
    is_compressed = _field(metadata, batch, 3) or OLD_COMPRESSION in metadata
    return kind, body_bytes, rows, _structs(metadata, batch, 2, "<qq") if is_compressed else []


def _at(data: bytes, place: int) -> int:
    """Where an offset of a flatbuffer leads: https://flatbuffers.dev/internals."""
    return place + int(struct.unpack_from("<I", data, place)[0])


def _field(data: bytes, table: int, number: int) -> int:
    """The place of a field of a table, or 0 where it is left out."""
    names = table - struct.unpack_from("<i", data, table)[0]
    slot = 4 + 2 * number
    if slot >= struct.unpack_from("<H", data, names)[0]:
        return 0
    offset = int(struct.unpack_from("<H", data, names + slot)[0])
    return table + offset if offset else 0


def _number(data: bytes, table: int, number: int, layout: str) -> int:
    place = _field(data, table, number)
    return int(struct.unpack_from(layout, data, place)[0]) if place else 0


def _structs(data: bytes, table: int, number: int, layout: str) -> list[tuple[int, ...]]:
    place = _field(data, table, number)
    if not place:
        return []
    start = _at(data, place)
    (count,) = struct.unpack_from("<I", data, start)
    return [*struct.iter_unpack(layout, data[start + 4 : start + 4 + count * struct.calcsize(layout)])]
