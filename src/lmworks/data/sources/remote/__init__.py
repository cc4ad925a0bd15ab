"""Files in object storage or on a server, through fsspec. Each is copied once into the step's folder and read there."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from lmworks.data.sources.parsed import ParsedSource
from lmworks.data.sources.remote.listed import files_below
from lmworks.data.sources.source import Address
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.files import atomically, full_disk_in_words
from lmworks.recipe.schema import Effect

OF_THIS_MACHINE = {"", "asynclocal", "dvc", "file", "generic", "git", "local", "reference"}
"""Protocols of fsspec that can read files of this machine. `reference` and `generic` can read any address."""
OF_THIS_MACHINE |= {"async_wrapper", "asyncwrapper", "blockcache", "cached", "dir", "filecache", "libarchive"}
OF_THIS_MACHINE |= {"simplecache", "tar", "zip"}  # these read another's files, here where no other follows
BLOCK_BYTES = 2**22
"""Number of bytes read at a time from a file of which no copy is kept."""
UNSTATED_BYTES = 2**33
"""Maximum size in bytes of a file whose server does not state its size."""


class Remote(ParsedSource):
    """Every file below an address. Credentials are read from where the storage's own tools keep them."""

    packages: ClassVar[tuple[str, ...]] = ("fsspec",)
    kind: Literal["remote"]
    url: Address = Field(description="Address of the files in fsspec's form, such as s3://bucket/folder.")
    name: str = Field(default="", description="Value of the documents' `source`. By default the last part of `url`.")
    copies: Annotated[Path | None, Effect.NOTHING] = Field(
        default=None, exclude=True, description="Folder of the copies, set by the step."
    )

    @property
    def label(self) -> str:
        return self.name or PurePosixPath(self.url).name or "remote"

    def place(self) -> str:
        return self.url

    def with_copies(self, folder: Path) -> Self:
        return self.model_copy(update={"copies": folder})

    def imports(self, folder: Path) -> Iterator[str]:
        yield from super().imports(folder)
        if self._is_of_the_web():
            yield "aiohttp"

    def _is_of_the_web(self) -> bool:
        return self.url.startswith(("http://", "https://"))

    def _system(self) -> tuple[Any, str]:
        """Return the file system and the address in it.

        Raises UsageError for addresses of this machine, where links would be followed. Raises it for chains such as
        `simplecache::http://…` too: with them fsspec keeps copies outside of the store, or unpacks without a limit.
        """
        import fsspec

        from lmworks.data.sources.remote.s3 import S3

        if "::" in self.url:
            raise UsageError(
                f"Source {self.label}: found addresses chained by `::` in {self.url}; expected one address, such as "
                "s3://bucket/folder. lmworks unpacks files itself. Copy others to this machine for `kind: files`."
            )
        protocol, _, rest = self.url.partition("://")
        if protocol in OF_THIS_MACHINE or not rest:
            raise UsageError(f"Source {self.label}: {self.url} is read from this machine: use `kind: files`.")
        fsspec.register_implementation("s3", S3, clobber=True)
        if self._is_of_the_web():
            from lmworks.data.sources.remote.http import Http

            for protocol in Http.protocol:
                fsspec.register_implementation(protocol, Http, clobber=True)
        try:
            system, root = fsspec.core.url_to_fs(self.url)
        except (ImportError, TypeError, ValueError) as error:
            raise UsageError(f"Source {self.label}: {self.url} cannot be opened: {error}") from None
        return system, root.rstrip("/")

    def walk(self) -> list[str]:
        return self._listed()[0]

    def left_out(self) -> Iterator[tuple[str, str]]:
        yield from super().left_out()
        yield from ((f"{self.url} {number}", "a path outside of the source") for number in range(self._listed()[1]))

    def _listed(self) -> tuple[list[str], int]:
        """Return the files below the address, and the number of other files that the server lists or links to."""
        system, root = self._system()
        try:
            paths = files_below(system, root, f"Source {self.label}: {self.url}")
        except OSError as error:
            raise LmworksError(
                f"Source {self.label}: {self.url} cannot be listed: {error}. Expected a folder whose files its server "
                "lists; fix `url`, or build again when the server answers"
            ) from None
        below = [path[len(root) :].lstrip("/") for path in paths if path.startswith(f"{root}/"[not root :])]
        below = [path for path in below if ".." not in path.split("/")]
        shown = (path for path in below if not any(part.startswith(".") for part in path.split("/")))
        return sorted(shown), len(paths) - len(below)

    def open(self, path: str) -> IO[bytes]:
        """Open the copy of a file, and make the copy first if needed. If copies are not kept, open the file itself."""
        copy = self._copy(path)
        if copy is None and self._is_of_the_web():  # fsspec reads what a server sends of a file without a limit
            with tempfile.TemporaryDirectory() as folder:
                return self._fetched(path, Path(folder) / "copy").open("rb")
        if copy is None:
            system, root = self._system()
            return io.BufferedReader(system.open(f"{root}/{path}", "rb"), BLOCK_BYTES)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            with copy.with_suffix(".lock").open("wb") as lock, full_disk_in_words(copy, f"Source {self.label}"):
                fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be fetching it
                if not copy.exists():
                    with atomically(copy) as unfinished:
                        self._fetched(path, unfinished)
        return copy.open("rb")

    def _copy(self, path: str) -> Path | None:
        """Return where the copy of a file is or will be, or None if copies are not kept."""
        name = hashlib.blake2b(f"{self.label}\0{path}".encode(), digest_size=16).hexdigest()
        return self.copies / name if self.copies else None

    def _fetched(self, path: str, copy: Path) -> Path:
        """Copy a file of the server. Raises OSError if the file's size differs from what the server states."""
        from fsspec.callbacks import Callback

        system, root = self._system()
        stated: int | None = None
        with suppress(OSError):  # getting it tells what is wrong
            stated = system.size(f"{root}/{path}")
        most = UNSTATED_BYTES if stated is None else stated

        class Bound(Callback):  # type: ignore[misc]
            def relative_update(self, inc: int = 1) -> None:
                super().relative_update(inc)
                if self.value > most:
                    raise OSError(errno.EIO, f"the server sends more than the {most:,} bytes that it states", path)

        system.get_file(f"{root}/{path}", os.fspath(copy), callback=Bound())
        if stated is not None and (size := copy.stat().st_size) != stated:
            raise OSError(errno.EIO, f"the server sends {size:,} of the {stated:,} bytes that it states", path)
        return copy

    def size(self, path: str) -> int:
        copy = self._copy(path)
        if copy and copy.exists():
            return copy.stat().st_size
        system, root = self._system()
        return int(system.size(f"{root}/{path}") or 0)

    def state(self, path: str) -> str:
        """Return the storage's own state of the file, such as its ETag, or its size and time."""
        system, root = self._system()
        return str(system.ukey(f"{root}/{path}"))
