"""Compressed files as plain streams."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

PACKINGS = {".gz": ".gz", ".bz2": ".bz2", ".xz": ".xz", ".zst": ".zst"}
"""Kind of compression by a file's ending."""
OF_ARCHIVES = {".tgz": ".gz", ".tbz2": ".bz2", ".txz": ".xz", ".tzst": ".zst"}
"""Kind of compression by endings that stand for a compressed tar archive."""
ERRORS = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
)
"""Errors when damaged, encrypted or unknown files are unpacked, in addition to OSError without a number."""
XZ_MEMORY = 2**31
"""Maximum bytes of memory to unpack an xz file. Its strongest preset needs 65 MiB, and long windows need more."""
BEGIN_BYTES = 2**18
"""Number of bytes up to which an unpacked stream can be rewound: twice the buffer that reads ahead."""
MOST_TIMES = 200
"""Maximum ratio of unpacked to packed size on disk. Only Parquet and Arrow need it, which are compact unpacked."""


def plain_name(path: str) -> str:
    """Return the name without the ending of its compression: `a.jsonl.gz` holds `a.jsonl`, `a.tgz` holds `a.tar`."""
    stem, _, ending = path.rpartition(".")
    if f".{ending.lower()}" in PACKINGS:
        return stem
    return f"{stem}.tar" if f".{ending.lower()}" in OF_ARCHIVES else path


def is_packed(path: str) -> bool:
    """Return whether a file's ending says that it is compressed."""
    return _packing(path) is not None


def _packing(path: str) -> str | None:
    return (PACKINGS | OF_ARCHIVES).get(f".{path.rpartition('.')[2].lower()}")


def unpack(path: str, stream: IO[bytes]) -> IO[bytes]:
    """Return the decompressed bytes of a file. They can be read and sought forward in bounded memory."""
    match _packing(path):
        case ".gz":
            plain = read_on(cast(IO[bytes], gzip.GzipFile(fileobj=stream)))
        case ".bz2":
            plain = _streams(stream, bz2.BZ2Decompressor)
        case ".xz":
            plain = _streams(stream, functools.partial(lzma.LZMADecompressor, memlimit=XZ_MEMORY))
        case ".zst":
            plain = _zstandard(stream)
        case _:
            return stream
    return forward(plain)


def on_disk(stream: IO[bytes], limit: int) -> IO[bytes]:
    """Return a copy of a stream that can be read at any place. It is a temporary file, deleted when it is closed.

    Raises RuntimeError if the stream is longer than `limit` bytes.
    """
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    while chunk := stream.read(2**20):
        copy.write(chunk)
        if copy.tell() > limit:
            copy.close()
            raise RuntimeError(f"it has more than {limit} bytes when unpacked, which is too many for a sound file")
    copy.seek(0)
    return copy


def forward(chunks: Iterator[bytes]) -> IO[bytes]:
    """Return a stream of chunks. It can be read and sought forward, and rewound as long as it is near its start."""
    return io.BufferedReader(_Forward(chunks), 2**17)


class _Forward(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._plain = memoryview(b"")
        self._position = 0
        self._begin = bytearray()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._plain:
            self._plain = memoryview(next(filter(None, self._chunks), b""))
        count = min(len(buffer), len(self._plain))
        buffer[:count] = self._plain[:count]
        if len(self._begin) == self._position < BEGIN_BYTES:
            self._begin += self._plain[:count]
        self._plain = self._plain[count:]
        self._position += count
        return count

    def seek(self, offset: int, whence: int = 0) -> int:
        target = offset if whence == 0 else self._position + offset
        if whence == 0 and target < self._position <= len(self._begin):
            self._plain = memoryview(bytes(self._begin[target : self._position]) + bytes(self._plain))
            self._position = target
        if whence == 2 or target < self._position:
            raise io.UnsupportedOperation("the stream is read forward only")
        rest = memoryview(bytearray(2**17))
        while self._position < target and self.readinto(rest[: target - self._position]):
            pass
        return self._position


def read_on(stream: IO[bytes], size: int = 2**17) -> Iterator[bytes]:
    """Yield the bytes of a stream to its end, `size` bytes at a time."""
    while chunk := stream.read(size):
        yield chunk


def _zstandard(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the unpacked bytes of all frames of a zstd file. Raises EOFError if the file ends inside a frame.

    The library's own reader raises no error there, and the loss would not be noticed.
    """
    import zstandard

    # Long-range windows, as `zstd --long=31` writes them, are common in published corpora.
    frames = zstandard.ZstdDecompressor(max_window_size=2**31)
    frame, is_inside = frames.decompressobj(), False
    for packed in read_on(stream, 2**9):  # a small step: half a KiB of zeros packed tightly is 16 MiB
        while packed:
            try:
                yield frame.decompress(packed)
            except zstandard.ZstdError as error:
                raise EOFError(str(error)) from error
            packed, is_inside = frame.unused_data, not frame.eof
            if frame.eof:
                frame = frames.decompressobj()
    if is_inside:
        raise EOFError("the file ends inside a zstd frame")


def _streams(
    stream: IO[bytes], decompressor: Callable[[], lzma.LZMADecompressor | bz2.BZ2Decompressor]
) -> Iterator[bytes]:
    """Yield the unpacked bytes of all streams of an xz or bz2 file.

    The libraries' own readers raise no error for other bytes behind a stream, and do not limit memory.
    """
    part: lzma.LZMADecompressor | bz2.BZ2Decompressor | None = None
    has_begun = False
    for packed in read_on(stream, 2**14):
        while packed or (part and not part.needs_input):
            if part is None:
                packed = packed.lstrip(b"\0") if has_begun else packed  # between streams
                if not packed:
                    break
                part, has_begun = decompressor(), True
            yield part.decompress(packed, 2**20)
            packed = b""
            if part.eof:
                packed, part = part.unused_data, None
    if part:
        raise EOFError("the file ends inside a stream of it")
