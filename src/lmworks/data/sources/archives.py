"""Lists of the files in archives, and single files as streams. Nothing is written to paths that archives name."""

from __future__ import annotations

import copy
import os
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import IO, Self, cast

from lmworks.data.sources.unpack import ERRORS, forward, plain_name, read_on, unpack

ZIP, TAR = ".zip", ".tar"
LINK, NO_FILE = "a link in an archive", "a device or a sparse file in an archive"
REPLACED = "a file of an archive that a later file of the same name replaces"
ENTRIES_KEPT = 2**20
"""Maximum number of entries kept in memory. To list a compressed tar archive again, all of it must be read."""
HEADER_BYTES = 2**20
"""Maximum bytes of a name or of other metadata in a tar archive. The library reads all of them into memory."""


@dataclass(frozen=True)
class Entry:
    """A file of an archive, or another entry, such as a link."""

    name: str
    size: int
    fault: str = ""
    """Reason why the entry is not read, or "" if it is read."""


@dataclass(frozen=True)
class Contents:
    """Files of an archive, up to the place where the archive is damaged."""

    entries: Sequence[Entry] = ()
    is_whole: bool = False
    """Whether the archive could be read to its end."""


def contents_of(place: tuple[str, str, str], path: str, open_: Callable[[], IO[bytes]]) -> Contents:
    """Return the files of an archive, cached by `place`: the archive's folder, path and state.

    Raises OSError if the archive cannot be opened.
    """
    if place not in _known:
        listed, is_whole = list[Entry](), True
        with open_() as stream:
            try:
                listed.extend(entries(path, stream))
            except ERRORS:
                is_whole = False
        _known[place] = Contents(listed, is_whole)
        while len(_known) > 1 and sum(len(contents.entries) for contents in _known.values()) > ENTRIES_KEPT:
            _known.pop(next(iter(_known)))
    return _known[place]


_known: dict[tuple[str, str, str], Contents] = {}


def is_archive(path: str) -> bool:
    """Return whether a file is an archive by its ending."""
    return path.lower().endswith(ZIP) or is_tar(path)


def is_tar(path: str) -> bool:
    """Return whether a file is a tar archive, compressed or not. Tar archives are always read from the beginning."""
    return plain_name(path).lower().endswith(TAR)


def entries(path: str, stream: IO[bytes]) -> Iterator[Entry]:
    """Yield the entries of an archive without hidden files. Entries of a zip archive are sorted by name.

    Raises one of `unpack.ERRORS` after the entries that can be read.
    """
    if is_tar(path):
        yield from (entry for entry, _ in walk_tar(path, stream))
        return
    archive = _zip(stream)
    infos = [info for info in archive.infolist() if not info.is_dir() and not _is_hidden(info.filename)]
    ordered = sorted(infos, key=lambda info: info.filename)
    for info, following in zip_longest(ordered, ordered[1:]):
        is_replaced = following is not None and following.filename == info.filename
        fault = LINK * stat.S_ISLNK(info.external_attr >> 16) or REPLACED * is_replaced
        yield Entry(info.filename, info.file_size, fault)
    _refuse_strangers(archive, stream)


def _refuse_strangers(archive: zipfile.ZipFile, stream: IO[bytes]) -> None:
    """Raise RuntimeError for bytes around a zip archive. Of joined archives, the library reads only the last one."""
    before = min((info.header_offset for info in archive.infolist()), default=0)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(-min(size, 22 + 2**16), os.SEEK_END)
    tail = stream.read()
    behind = len(tail) - tail.rfind(b"PK\5\6") - 22 - len(archive.comment)
    if before or behind:
        raise RuntimeError(f"{before:,} bytes before the zip archive and {behind:,} behind it are not part of it")


def open_member(path: str, stream: IO[bytes], member: str) -> IO[bytes]:
    """Return one file of an archive, decompressed."""
    if not is_tar(path):
        return unpack(member, _zip(stream).open(member))
    for entry, content in walk_tar(path, stream):
        if entry.name == member and not entry.fault:
            return unpack(member, content)
    raise RuntimeError("the archive does not hold it")


def walk_tar(path: str, stream: IO[bytes]) -> Iterator[tuple[Entry, IO[bytes]]]:
    """Yield the entries of a tar archive in order, with their bytes. Read these before you get the next entry."""
    source = cast(IO[bytes], _ToTheEnd(unpack(path, stream)))
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
    """Return a zip archive object for this stream. The directory is not read again if the file has not changed."""
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
    """Header of a tar archive. Raises an error if it is damaged, which the library takes for the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        most = sys.maxsize if found.isreg() else HEADER_BYTES
        if not 0 <= found.size <= most:
            raise RuntimeError(f"a header of {found.size} bytes; at most {HEADER_BYTES} are read")
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
    """Stream of an archive for the library, which would read a cut-off archive forever. Raises EOFError instead."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._empty = stream, 0

    def read(self, size: int) -> bytes:
        raw = self._stream.read(size)
        self._empty += not raw
        if self._empty > 2:
            raise EOFError("the archive ends inside a file")
        return raw
