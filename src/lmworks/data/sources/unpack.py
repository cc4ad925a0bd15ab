"""Compressed files, and archives of files, as plain streams."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import stat
import tempfile
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO, Any, cast

COMPRESSED = (".gz", ".bz2", ".zst")
ARCHIVE = ".zip"
ERRORS = (EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, UnicodeDecodeError)
"""What reading a damaged, encrypted or unknown packing raises, beside OSError without a number."""
BEGIN_BYTES = 2**18
"""Up to which a stream that is unpacked can be read again: twice what is read ahead of what is wanted."""
MOST_TIMES = 200
"""Times its packed size that a file may fill on disk. Forms that need it, Parquet and Arrow, are compact unpacked."""


def plain_name(path: str) -> str:
    """The name without the ending of its compression: `a.jsonl.gz` holds `a.jsonl`."""
    return path[: -len(suffix)] if (suffix := PurePosixPath(path).suffix).lower() in COMPRESSED else path


def is_packed(path: str) -> bool:
    """Whether a file's ending says that it is compressed or an archive."""
    return PurePosixPath(path).suffix.lower() in (*COMPRESSED, ARCHIVE)


def unpack(path: str, stream: IO[bytes]) -> IO[bytes]:
    """The decompressed bytes of a file. They can be read and sought forward in bounded memory."""
    match PurePosixPath(path).suffix.lower():
        case ".gz":
            return cast(IO[bytes], gzip.GzipFile(fileobj=stream))
        case ".bz2":
            return cast(IO[bytes], bz2.BZ2File(stream))
        case ".zst":
            return io.BufferedReader(_Zstandard(stream), 2**17)
    return stream


def members(stream: IO[bytes], links: bool = False) -> list[str]:
    """The files in a zip archive, or the links, sorted; hidden ones are left out."""
    entries = [entry for entry in _archive(stream).infolist() if not entry.is_dir()]
    names = [entry.filename for entry in entries if stat.S_ISLNK(entry.external_attr >> 16) == links]
    return sorted(name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.split("/")))


def open_member(stream: IO[bytes], member: str) -> IO[bytes]:
    """One file of a zip archive, decompressed."""
    return unpack(member, _archive(stream).open(member))


_last: dict[tuple[int, ...], zipfile.ZipFile] = {}


def _archive(stream: IO[bytes]) -> zipfile.ZipFile:
    """A zip archive, whose directory is read once for all members as long as the file on disk stays as it is."""
    try:
        facts = os.fstat(stream.fileno())
    except (OSError, AttributeError):  # no file of this machine
        return zipfile.ZipFile(stream)
    known = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    if known not in _last:
        _last.clear()
        _last[known] = zipfile.ZipFile(stream)
    _last[known].fp = stream
    return _last[known]


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
    """A stream of what `_more` gives, which can be read and sought forward, and back from near its beginning."""

    def __init__(self) -> None:
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


class _Zstandard(Forward):
    """A zstd file, all frames of it. One that ends inside a frame is an error.

    The library's own reader ends quietly there, so that what is lost would never be noticed.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        import zstandard

        super().__init__()
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
