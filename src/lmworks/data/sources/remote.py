"""Files in object storage or on a server, through fsspec."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, ClassVar, Literal

from pydantic import Field

from lmworks.data.sources.parsed import Address, ParsedSource
from lmworks.errors import LmworksError, UsageError

OF_THIS_MACHINE = {"", "asynclocal", "dvc", "file", "generic", "git", "local", "reference"}
"""Protocols of fsspec. `reference` reads a list of addresses, and `generic` one, which may be any."""
OF_THIS_MACHINE |= {"async_wrapper", "asyncwrapper", "blockcache", "cached", "dir", "filecache", "libarchive"}
OF_THIS_MACHINE |= {"simplecache", "tar", "zip"}  # these read another's files, here where no other follows


class Remote(ParsedSource):
    """Every file below an address. Credentials come from where the storage's own tools look for them."""

    packages: ClassVar[tuple[str, ...]] = ("fsspec",)
    kind: Literal["remote"]
    url: Address = Field(description="Where the files are, in fsspec's form, such as s3://bucket/folder.")
    name: str = Field(default="", description="The documents' `source`; the last word of `url` when empty.")

    @property
    def label(self) -> str:
        return self.name or PurePosixPath(self.url).name or "remote"

    def place(self) -> str:
        return self.url

    def imports(self, folder: Path) -> Iterator[str]:
        yield from super().imports(folder)
        if self._is_of_the_web():
            yield "aiohttp"

    def _is_of_the_web(self) -> bool:
        return self.url.startswith(("http://", "https://"))

    def _system(self) -> tuple[Any, str]:
        """Raises UsageError for addresses of this machine, where links would be followed, and of more than one place.

        A chain of fsspec's, `simplecache::http://…`, keeps copies outside of the store, or unpacks without a limit.
        """
        import fsspec

        from lmworks.data.sources.s3 import S3

        if "::" in self.url:
            raise UsageError(
                f"Source {self.label}: found addresses chained by `::` in {self.url}; expected one address, such as "
                "s3://bucket/folder. What is packed is unpacked as it is read; other files copy here for `kind: files`."
            )
        protocol, _, rest = self.url.partition("://")
        if protocol in OF_THIS_MACHINE or not rest:
            raise UsageError(f"Source {self.label}: {self.url} is read from this machine: use `kind: files`.")
        fsspec.register_implementation("s3", S3, clobber=True)
        if self._is_of_the_web():
            from lmworks.data.sources.http import Http

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
        yield from ((f"{self.url} {number}", "a path out of the source") for number in range(self._listed()[1]))

    def _listed(self) -> tuple[list[str], int]:
        """Files below the address, and how many others the server names: a page may link to any place of its host."""
        from lmworks.data.sources.listed import files_below

        system, root = self._system()
        try:
            paths = files_below(system, root, f"Source {self.label}: {self.url}")
        except OSError as error:
            raise LmworksError(
                f"Source {self.label}: {self.url} cannot be listed: {error}. Expected a folder whose files its server "
                "names; mend `url`, or build again when the server answers"
            ) from None
        below = [path[len(root) :].lstrip("/") for path in paths if path.startswith(f"{root}/"[not root :])]
        below = [path for path in below if ".." not in path.split("/")]
        shown = (path for path in below if not any(part.startswith(".") for part in path.split("/")))
        return sorted(shown), len(paths) - len(below)

    def open(self, path: str) -> IO[bytes]:
        system, root = self._system()
        return io.BufferedReader(system.open(f"{root}/{path}", "rb"))  # fsspec's own files read lines without a limit

    def size(self, path: str) -> int:
        system, root = self._system()
        return int(system.size(f"{root}/{path}") or 0)

    def state(self, path: str) -> str:
        """What the storage says of the file: its ETag, or its size and time."""
        system, root = self._system()
        return str(system.ukey(f"{root}/{path}"))
