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
"""By a file's ending, how it is compressed."""
OF_ARCHIVES = {".tgz": ".gz", ".tbz2": ".bz2", ".txz": ".xz", ".tzst": ".zst"}
"""The same of endings that say that there is a tar archive inside."""
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
"""Errors of reading a damaged, encrypted or unknown packing, beside OSError without a number."""
XZ_MEMORY = 2**31
"""Bytes that an xz file may ask for; its strongest preset asks for 65 MiB, long windows for more."""
BEGIN_BYTES = 2**18
"""Up to which a stream that is unpacked can be read again: twice what is read ahead of what is wanted."""
MOST_TIMES = 200
"""Times its packed size that a file may fill on disk. Forms that need it, Parquet and Arrow, are compact unpacked."""


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
    """Return a copy that can be read back and forth: a temporary file that is gone when it is closed.

    Raises RuntimeError for what is longer than `limit` bytes.
    """
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    while chunk := stream.read(2**20):
        copy.write(chunk)
        if copy.tell() > limit:
            copy.close()
            raise RuntimeError(f"it is longer than {limit} bytes when unpacked, which no sound file is")
    copy.seek(0)
    return copy


def forward(chunks: Iterator[bytes]) -> IO[bytes]:
    """Return a stream of chunks, which can be read and sought forward, and back from near its beginning."""
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
    """Yield the bytes of a stream to its end, so many at a time."""
    while chunk := stream.read(size):
        yield chunk


def _zstandard(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield a zstd file, all frames of it. One that ends inside a frame is an error.

    The library's own reader ends quietly there, so that what is lost would never be noticed.
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
    """Yield an xz or bz2 file, all streams of it.

    The libraries' own readers end quietly at what is no stream behind one, and take whatever memory a file asks for.
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
