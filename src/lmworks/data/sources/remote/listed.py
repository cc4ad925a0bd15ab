"""Limits on the listing of a server. It may never end if the server is hostile, or generates its pages."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from lmworks.errors import LmworksError

MOST_NAMES = 1_000_000
"""Maximum number of files and folders of one source: ten times the shards of the largest published data sets."""
PAGE_BYTES = 2**26
"""Maximum bytes of one answer that lists files. A web page of this size names 300,000 files."""
MOST_CHARACTERS = 2**28
"""Maximum characters of all names together, because they are held in memory."""
DEEPEST = 64
"""Maximum depth of folders inside each other: four times what people usually have."""


def bounded(names: Iterable[str], place: str) -> Iterator[str]:
    """Yield the names that a server lists at an address. Raises LmworksError if they exceed a limit."""
    characters = 0
    for count, name in enumerate(names, 1):
        characters += len(name)
        if count > MOST_NAMES:
            raise _refused(place, f"more than {MOST_NAMES:,} files and folders", name)
        if characters > MOST_CHARACTERS:
            raise _refused(place, f"names of more than {MOST_CHARACTERS:,} characters", name)
        yield name


def files_below(system: Any, root: str, place: str) -> list[str]:
    """Return every file below a folder of a file system of fsspec, as the server names it.

    A file system that can list all files at once does so. Any other lists folder by folder.
    """
    from fsspec.asyn import AsyncFileSystem
    from fsspec.spec import AbstractFileSystem

    kind = type(system)
    if kind.find is not AbstractFileSystem.find or getattr(kind, "_find", None) not in (None, AsyncFileSystem._find):
        return sorted(set(bounded(system.find(root), place)))
    files, folders = set[str](), [root]

    def names() -> Iterator[str]:
        seen = {root}
        for folder in folders:
            for item in system.ls(folder, detail=True):
                name = item["name"].rstrip("/")
                yield name
                if item["type"] != "directory":
                    files.add(name)
                elif name not in seen and name.startswith(f"{root}/"[not root :]):
                    if name[len(root) :].count("/") > DEEPEST:
                        raise _refused(place, f"folders more than {DEEPEST} deep", name)
                    seen.add(name)
                    folders.append(name)

    deque(bounded(names(), place), maxlen=0)
    return sorted(files)


def _refused(place: str, problem: str, name: str) -> LmworksError:
    shown = name if len(name) < 200 else f"{name[:200]}…"
    return LmworksError(
        f"{place}: its server lists {problem}, the last of them {shown!r}. This is more than lmworks reads. Name a "
        "folder below it in `url`, or copy the files to this machine and read them with `kind: files`"
    )
