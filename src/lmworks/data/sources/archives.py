"""Archives of files: what is in them, and one file of them as a stream. Nothing is ever written where one says."""

from __future__ import annotations

import copy
import os
import stat
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import IO, Self, cast

from lmworks.data.sources.unpack import forward, most_unpacked, plain_name, read_on, unpack

ZIP, TAR = ".zip", ".tar"
LINK, NO_FILE = "a link in an archive", "a device or a file with holes in an archive"
REPLACED = "a file of an archive that another of the same name follows"
HEADER_BYTES = 2**20
"""Of a name or of other facts of a file in a tar archive; the library reads them into memory whatever they claim."""


@dataclass(frozen=True)
class Entry:
    """A file of an archive, or what is none."""

    name: str
    size: int
    fault: str = ""
    """Why it is not read; "" for a file."""


def is_archive(path: str) -> bool:
    """Whether a file's ending says that it holds others."""
    return path.lower().endswith(ZIP) or is_tar(path)


def is_tar(path: str) -> bool:
    """Whether it is a tar archive, compressed or not: it is read from its beginning on."""
    return plain_name(path).lower().endswith(TAR)


def entries(path: str, stream: IO[bytes], size: int) -> Iterator[Entry]:
    """What an archive of `size` bytes holds, hidden files left out: of a zip archive in order of names.

    Raises what `unpack.ERRORS` lists, after those entries that can be known.
    """
    if is_tar(path):
        yield from (entry for entry, _ in walk_tar(path, stream, size))
        return
    archive = _zip(stream)
    infos = [info for info in archive.infolist() if not info.is_dir() and not _is_hidden(info.filename)]
    if (total := sum(info.file_size for info in infos)) > (most := most_unpacked(size)):
        raise RuntimeError(f"its files have {total:,} bytes when unpacked, and no sound archive of its size {most:,}")
    ordered = sorted(infos, key=lambda info: info.filename)
    for info, following in zip_longest(ordered, ordered[1:]):
        is_replaced = following is not None and following.filename == info.filename
        fault = LINK * stat.S_ISLNK(info.external_attr >> 16) or REPLACED * is_replaced
        yield Entry(info.filename, info.file_size, fault)
    _refuse_strangers(archive, stream)


def _refuse_strangers(archive: zipfile.ZipFile, stream: IO[bytes]) -> None:
    """Raise RuntimeError for bytes before or behind a zip archive: the library reads the last of several alone."""
    before = min((info.header_offset for info in archive.infolist()), default=0)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(-min(size, 22 + 2**16), os.SEEK_END)
    tail = stream.read()
    behind = len(tail) - tail.rfind(b"PK\5\6") - 22 - len(archive.comment)
    if before or behind:
        raise RuntimeError(f"{before:,} bytes before the zip archive and {behind:,} behind it are no part of it")


def open_member(path: str, stream: IO[bytes], size: int, member: str, times: float | None = None) -> IO[bytes]:
    """One file of an archive, decompressed, up to `times` what it has there."""
    if not is_tar(path):
        archive = _zip(stream)
        return unpack(member, archive.open(member), archive.getinfo(member).file_size, times)
    for entry, content in walk_tar(path, stream, size):
        if entry.name == member and not entry.fault:
            return unpack(member, content, entry.size, times)
    raise RuntimeError("the archive does not hold it")


def walk_tar(path: str, stream: IO[bytes], size: int) -> Iterator[tuple[Entry, IO[bytes]]]:
    """What a tar archive holds in order, each with its bytes, to be read before the next is asked for."""
    source = cast(IO[bytes], _ToTheEnd(unpack(path, stream, size)))
    # What follows the zeros at an archive's end is read: several are joined by writing one behind the other.
    with tarfile.open(fileobj=source, mode="r|", bufsize=2**16, tarinfo=_Header, ignore_zeros=True) as archive:
        while (header := _next(archive)) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # which would hold all
            name = header.name.removeprefix("./").encode(errors="surrogateescape").decode(errors="replace")
            if header.isdir() or _is_hidden(name):
                continue
            fault = LINK * (header.issym() or header.islnk())
            if not fault and (header.issparse() or not header.isreg()):
                fault = NO_FILE
            content = None if fault else archive.extractfile(header)
            yield Entry(name, header.size, fault), forward(read_on(content) if content else iter(()))


def _next(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    try:
        return archive.next()
    except (ArithmeticError, LookupError, ValueError) as error:
        raise RuntimeError(f"a damaged header: {error}") from None


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) and part not in (".", "..") for part in name.split("/"))


_last: tuple[tuple[int, ...], zipfile.ZipFile] | None = None


def _zip(stream: IO[bytes]) -> zipfile.ZipFile:
    """A zip archive of this reader's own, whose directory is read once for all as long as the file stays as it is."""
    global _last
    try:
        facts = os.fstat(stream.fileno())
    except (OSError, AttributeError):  # no file of this machine
        return zipfile.ZipFile(stream)
    known = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    last = _last  # which another thread may change
    if last is None or last[0] != known:
        last = _last = known, zipfile.ZipFile(stream)
    found = copy.copy(last[1])
    found.fp = stream
    return found


class _Header(tarfile.TarInfo):
    """A header of a tar archive; one that is damaged is an error, which the library takes for the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        most = sys.maxsize if found.isreg() else HEADER_BYTES
        if not 0 <= found.size <= most:
            raise RuntimeError(f"a header of {found.size} bytes, and {HEADER_BYTES} are read")
        return found

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except (_END, _EMPTY):
            raise
        except _FAULT as error:
            raise RuntimeError(f"a damaged header: {error}") from None


_FAULT, _END, _EMPTY = tarfile.HeaderError, tarfile.EOFHeaderError, tarfile.EmptyHeaderError  # type: ignore[attr-defined]


class _ToTheEnd:
    """What the library reads an archive from. It would go on for ever behind the end of one that was cut off."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._empty = stream, 0

    def read(self, size: int) -> bytes:
        raw = self._stream.read(size)
        self._empty += not raw
        if self._empty > 2:
            raise EOFError("the archive ends inside a file")
        return raw
