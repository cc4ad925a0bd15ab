"""Files in object storage or on a server, through fsspec."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import IO, Any, Literal

from pydantic import Field

from lmworks.data.sources.parsed import Address, ParsedSource
from lmworks.errors import UsageError


class Remote(ParsedSource):
    """Every file below an address. Credentials come from where the storage's own tools look for them."""

    kind: Literal["remote"]
    url: Address = Field(description="Where the files are, in fsspec's form, such as s3://bucket/folder.")
    name: str = Field(default="", description="The documents' `source`; the last word of `url` when empty.")

    @property
    def label(self) -> str:
        return self.name or PurePosixPath(self.url).name or "remote"

    def place(self) -> str:
        return self.url

    def _system(self) -> tuple[Any, str]:
        import fsspec

        from lmworks.data.sources.s3 import S3

        fsspec.register_implementation("s3", S3, clobber=True)
        try:
            system, root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise UsageError(f"Source {self.label}: {self.url} cannot be opened: {error}") from None
        return system, root.rstrip("/")

    def walk(self) -> list[str]:
        system, root = self._system()
        paths = [path.removeprefix(root).lstrip("/") for path in system.find(root)]
        return sorted(path for path in paths if not any(part.startswith(".") for part in path.split("/")))

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
