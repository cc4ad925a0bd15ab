"""Files that are either whole or absent, and digests of what is in them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import resource
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from lmworks.errors import LmworksError, UsageError


def canonical_json(value: Any) -> str:
    """Return a value as JSON with sorted keys, without spaces and NaN. Equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class DuplicateKey(ValueError):
    """Error for a JSON object with two values under one name."""


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, as `object_pairs_hook`. Raises DuplicateKey: readers differ in which value they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise DuplicateKey(repr(next(name for name in names if names.count(name) > 1)[:100]))
    return found


def digest_text(text: str) -> str:
    """Return the sha256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprints(paths: Iterable[Path], step: str, field: str) -> list[str]:
    """Return the sha256 of each file that a field of a step names. Raises UsageError if a file cannot be read."""
    try:
        return [digest_file(path) for path in paths]
    except OSError as error:
        raise UsageError(f"{step}: {error.filename} cannot be read ({error.strerror}); correct `{field}`") from None


_digests: dict[tuple[int, int, int, int], str] = {}
_YOUNG = 2.0
"""Seconds within which two changes of a file can get the same timestamp: the coarsest resolution of a file system."""


def digest_once(path: Path) -> str:
    """Return the sha256 of a file. Do not read the file again if this build read it before and it has not changed."""
    facts = path.stat()
    known = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    if known in _digests:
        return _digests[known]
    digest = digest_file(path)
    if facts.st_mtime < time.time() - _YOUNG:
        _digests[known] = digest
    return digest


def forget_digests() -> None:
    """Make `digest_once` read every file again. Builds begin with this, because silent damage changes no time."""
    _digests.clear()


def digest_files(files: Mapping[str, str]) -> str:
    """Return the digest of a folder, made from its sorted (path, sha256) pairs."""
    return digest_text(canonical_json(sorted(files.items())))


def open_below(root: Path | str, path: str) -> IO[bytes]:
    """A regular file of a folder that others may have filled, to be read; a link in it leads to no place outside.

    A snapshot in the cache of `huggingface_hub` consists of links to the blobs of its repository, and those are inside.
    Raises OSError for what leads out, also if it began to while the file was being opened, and for pipes and devices.
    """
    parts = path.split("/")
    if {"", ".", "..", ".git"}.isdisjoint(parts):
        with suppress(OSError):  # a link is on the way, or an error that comes again below
            return _open_regular(os.fspath(root), parts)
    return _open_regular(*check_below(root, path))


def _open_regular(folder: str, parts: Sequence[str]) -> IO[bytes]:
    """Open a regular file below a folder, by the names on the way to it. Raises OSError if one of them is a link."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in parts[:-1]:
            above, place = place, os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
            os.close(above)
        opened = os.open(
            parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place
        )  # a pipe would never open
    finally:
        os.close(place)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "not a regular file", parts[-1])
    return os.fdopen(opened, "rb")


def read_regular(path: Path) -> bytes:
    """Return the contents of a file. Raises OSError for a pipe or a device, which would block."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return file.read()


def check_below(root: Path | str, path: str) -> tuple[str, tuple[str, ...]]:
    """Return the folder in which a path of `root` ends, and the parts below it. Raises OSError if it leads outside."""
    file = os.path.realpath(Path(root, path))
    inside = next((place for place in _places(root) if os.path.commonpath((place, file)) == place), None)
    parts = Path(file).relative_to(inside).parts if inside else ()
    if inside is None or not parts or (".git" in parts and "annex" not in parts):  # Git's own may hold passwords
        raise OSError(errno.EXDEV, "a link that leads out of its folder", path)
    return inside, parts


def one_name(name: str) -> str:
    """Return the name if it is a plain file or folder name. Raises ValueError if it could lead to another folder."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError("found a value that is not the name of one folder")
    return name


def below(path: str) -> str:
    """Return the path if it stays below the folder in which it begins. Raises ValueError if it leads out."""
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise ValueError("found a path that leads out of its folder")
    return path


def refuse_links_out(folder: Path, names: Iterable[str]) -> None:
    """Raise LmworksError for a file of a folder that is a link out of it."""
    for name in names:
        try:
            check_below(folder, name)
        except OSError as error:
            raise LmworksError(f"{folder / name}: {error.strerror}; replace the link by a copy of the file") from None


def _places(root: Path | str) -> list[str]:
    """Return the folders in which files of a folder may be."""
    folder = Path(os.path.realpath(root))
    above = next((each.parent for each in (folder, *folder.parents) if each.parent.name == "snapshots"), None)
    blobs = above and above.with_name("blobs")
    return [str(folder), *([str(blobs)] if blobs and blobs.is_dir() and not blobs.is_symlink() else [])]


def state_folder() -> Path:
    """Return the folder for a user's files outside all projects. Raises RuntimeError if the user has no home."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "lmworks"


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Where to write a file or a folder that takes this path when all of it is on disk; a failure leaves nothing.

    A reader or a crash meets what was there before or what is new. A folder takes the place of no other. OSError of a
    write, which names no file, names this path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A worker of a killed run may still be writing the same file, on another machine.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}@{os.uname().nodename}")
    try:
        yield unfinished
        sync(unfinished)
        unfinished.replace(path)
    except BaseException as error:
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
    sync_folder(path.parent)


def write_atomically(path: Path, content: str | bytes | Iterable[bytes | memoryview]) -> None:
    """Write a file, at once or part by part, so that under its name it is either whole and on disk, or absent."""
    parts = [content.encode()] if isinstance(content, str) else [content] if isinstance(content, bytes) else content
    with atomically(path) as unfinished, unfinished.open("wb") as stream:
        stream.writelines(parts)


@contextmanager
def full_disk_in_words(path: Path, step: str, needed: int | None = None, after: str = "") -> Iterator[None]:
    """Raise LmworksError where a disk is full: what a step was writing, how much is free, and what to do.

    `needed` are the bytes that are written; `after` is where the same command goes on.
    """
    try:
        yield
    except Exception as error:
        if not is_full(error):
            raise
        number = _number(error)
        place = getattr(error, "filename", None) or path
        size = "" if needed is None else f"{needed / 1e6:,.1f} MB are needed, "
        remedy = "Make room (`lmworks gc` deletes what no build needs)"
        if number == errno.EFBIG:  # room makes no difference
            most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
            remedy = "This file system cannot hold longer files: name another one with --store"
            if most != resource.RLIM_INFINITY:
                remedy = f"Files of this process may have {most:,} bytes (`ulimit -f`): raise that limit"
        free = f"{shutil.disk_usage(path).free / 1e6:,.1f} MB free"
        raise LmworksError(
            f"{step}: {place}: {os.strerror(number)}: {size}{free}. {remedy}, and give the same command again: "
            + (f"it continues after {after}" if after else "finished work is kept")
        ) from error


def is_full(error: Exception) -> bool:
    """Return whether a file could not grow."""
    return _number(error) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _number(error: Exception) -> int:
    """Return the system's error number, or 0 if it has none. Libraries in Rust write the number in the message."""
    in_rust = re.search(r"\(os error (\d+)\)", str(error))
    return (error.errno or 0) if isinstance(error, OSError) else int(in_rust[1]) if in_rust else 0


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, or the content of a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Make a file durable, or every file below a folder."""
    for each in [*sorted(path.rglob("*")), path]:
        sync_folder(each)
