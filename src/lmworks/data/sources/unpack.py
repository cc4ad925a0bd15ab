"""Compressed files as plain streams."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import PurePosixPath
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
"""What reading a damaged, encrypted or unknown packing raises, beside OSError without a number."""
XZ_MEMORY = 2**31
"""Bytes that an xz file may ask for; its strongest preset asks for 65 MiB, long windows for more."""
BEGIN_BYTES = 2**18
"""Up to which a stream that is unpacked can be read again: twice what is read ahead of what is wanted."""
LEAST_UNPACKED, MOST_UNPACKED_TIMES = 2**30, 1000
"""Bytes that a packed file may always have when unpacked, and times its size beyond; gzip's best is 1,032, on zeros."""
MOST_TIMES = 200
"""Times its packed size that a file may fill on disk. Forms that need it, Parquet and Arrow, are compact unpacked."""


def plain_name(path: str) -> str:
    """The name without the ending of its compression: `a.jsonl.gz` holds `a.jsonl`, `a.tgz` holds `a.tar`."""
    suffix = PurePosixPath(path).suffix
    stem = path.removesuffix(suffix)
    if suffix.lower() in PACKINGS:
        return stem
    return f"{stem}.tar" if suffix.lower() in OF_ARCHIVES else path


def is_packed(path: str) -> bool:
    """Whether a file's ending says that it is compressed."""
    return _packing(path) is not None


def _packing(path: str) -> str | None:
    return (PACKINGS | OF_ARCHIVES).get(PurePosixPath(path).suffix.lower())


def unpack(path: str, stream: IO[bytes], size: int) -> IO[bytes]:
    """The decompressed bytes of a file of `size` bytes. They can be read and sought forward in bounded memory.

    Reading beyond what a sound file of its size holds raises RuntimeError.
    """
    most = max(LEAST_UNPACKED, MOST_UNPACKED_TIMES * size)
    match _packing(path):
        case ".gz":
            plain: Forward = _Opened(cast(IO[bytes], gzip.GzipFile(fileobj=stream)), most)
        case ".bz2":
            plain = _Opened(cast(IO[bytes], bz2.BZ2File(stream)), most)
        case ".xz":
            plain = _Xz(stream, most)
        case ".zst":
            plain = _Zstandard(stream, most)
        case _:
            return stream
    return io.BufferedReader(plain, 2**17)


def on_disk(stream: IO[bytes], limit: int) -> IO[bytes]:
    """A copy that can be read back and forth: a temporary file that is gone when it is closed.

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


class Forward(io.RawIOBase):
    """A stream of what `_more` gives, which can be read and sought forward, and back from near its beginning.

    Reading more than `most` bytes raises RuntimeError.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._plain = memoryview(b"")
        self._position = 0
        self._begin = bytearray()

    def _more(self) -> bytes:
        """The next bytes, as many as come at once; b"" at the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._plain:
            self._plain = memoryview(self._more())
        count = min(len(buffer), len(self._plain))
        buffer[:count] = self._plain[:count]
        if len(self._begin) == self._position < BEGIN_BYTES:
            self._begin += self._plain[:count]
        self._plain = self._plain[count:]
        self._position += count
        if self._most is not None and self._position > self._most:
            raise RuntimeError(f"it is longer than {self._most:,} bytes when unpacked, which no sound file is")
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


class _Opened(Forward):
    """What the library reads a file by."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        super().__init__(most)
        self._stream = stream

    def _more(self) -> bytes:
        return self._stream.read(2**17)


class _Zstandard(Forward):
    """A zstd file, all frames of it. One that ends inside a frame is an error.

    The library's own reader ends quietly there, so that what is lost would never be noticed.
    """

    def __init__(self, stream: IO[bytes], most: int) -> None:
        import zstandard

        super().__init__(most)
        # Long-range windows, as `zstd --long=31` writes them, are common in published corpora.
        self._frames = zstandard.ZstdDecompressor(max_window_size=2**31)
        self._fault = zstandard.ZstdError
        self._stream = stream
        self._frame = self._frames.decompressobj()
        self._packed = b""
        self._inside = False  # whether a frame has begun and not ended

    def _more(self) -> bytes:
        plain = b""
        while not plain:
            # A small step: half a KiB of zeros packed tightly is 16 MiB.
            self._packed = self._packed or self._stream.read(2**9)
            if not self._packed:
                if self._inside:
                    raise EOFError("the file ends inside a zstd frame")
                return b""
            try:
                plain = self._frame.decompress(self._packed)
            except self._fault as error:
                raise EOFError(str(error)) from error
            self._packed, self._inside = self._frame.unused_data, not self._frame.eof
            if self._frame.eof:
                self._frame = self._frames.decompressobj()
        return plain


class _Xz(Forward):
    """An xz file, all streams of it. The library's own reader takes whatever memory a file asks for."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        super().__init__(most)
        self._stream = stream
        self._part: lzma.LZMADecompressor | None = None
        self._packed = b""
        self._has_begun = False

    def _more(self) -> bytes:
        plain = b""
        while not plain:
            if self._part is None or self._part.needs_input:
                self._packed = self._packed or self._stream.read(2**14)
                if not self._packed and self._part:
                    raise EOFError("the file ends inside an xz stream")
                if not self._packed:
                    return b""
            if self._part is None:
                self._packed = self._packed.lstrip(b"\0") if self._has_begun else self._packed  # between streams
                if not self._packed:
                    continue
                self._part, self._has_begun = lzma.LZMADecompressor(memlimit=XZ_MEMORY), True
            plain, self._packed = self._part.decompress(self._packed, 2**20), b""
            if self._part.eof:
                self._packed, self._part = self._part.unused_data, None
        return plain
