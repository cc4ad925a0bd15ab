"""How far the listing of a server is followed: a hostile one, or one that makes its pages up, may never end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from lmworks.errors import LmworksError

MOST_NAMES = 1_000_000
"""Files and folders of one source: ten times the shards of the largest published sets."""
PAGE_BYTES = 2**26
"""Of one answer that lists files, which names 300,000 where it is a web page."""
MOST_CHARACTERS = 2**28
"""In all names together, which are held in memory: those of a million files are a third of it."""
DEEPEST = 64
"""Folders in folders: four times as deep as any that people keep."""
MOST_SECONDS = 3600.0
"""For all of a listing: a million names take some minutes."""


def bounded(names: Iterable[str], place: str) -> Iterator[str]:
    """The names that a server lists at an address. Raises LmworksError where they do not end."""
    count = characters = 0
    end = time.monotonic() + MOST_SECONDS
    for name in names:
        count, characters = count + 1, characters + len(name)
        if count > MOST_NAMES:
            raise _refused(place, f"more than {MOST_NAMES:,} files and folders", name)
        if characters > MOST_CHARACTERS:
            raise _refused(place, f"names of more than {MOST_CHARACTERS:,} characters", name)
        if time.monotonic() > end:
            raise _refused(place, f"{count:,} names in {MOST_SECONDS:,.0f} s and no end of them", name)
        yield name


def files_below(system: Any, root: str, place: str) -> list[str]:
    """Every file below a folder of a file system of fsspec, as the server names it.

    A system that can list all at once does; any other is asked folder by folder.
    """
    from fsspec.asyn import AsyncFileSystem
    from fsspec.spec import AbstractFileSystem

    kind = type(system)
    if kind.find is not AbstractFileSystem.find or getattr(kind, "_find", None) not in (None, AsyncFileSystem._find):
        return sorted(set(bounded(system.find(root), place)))
    files: set[str] = set()
    folders = [root]

    def names() -> Iterator[str]:
        seen = {root}
        for folder in folders:
            for each in system.ls(folder, detail=True):
                name = each["name"].rstrip("/")
                yield name
                if each["type"] != "directory":
                    files.add(name)
                elif name not in seen and name.startswith(f"{root}/"[not root :]):
                    if name[len(root) :].count("/") > DEEPEST:
                        raise _refused(place, f"folders more than {DEEPEST} deep", name)
                    seen.add(name)
                    folders.append(name)

    deque(bounded(names(), place), maxlen=0)
    return sorted(files)


def _refused(place: str, found: str, name: str) -> LmworksError:
    shown = name if len(name) < 200 else f"{name[:200]}…"
    return LmworksError(
        f"{place}: its server lists {found}, the last of them {shown!r}; expected a folder with an end. Name one "
        "below it in `url`, or copy the files here and read them with `kind: files`"
    )
