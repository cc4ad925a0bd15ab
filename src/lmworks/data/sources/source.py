"""Interface of sources of documents. A source gives bytes, and parsers read them."""

from __future__ import annotations

import hashlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Annotated, ClassVar, Self

from pydantic import AfterValidator, Field

from lmworks.data.parsers.parser import Found, Piece, Record, Skipped, Unreadable
from lmworks.data.shards.records import Document
from lmworks.pipeline.files import open_below
from lmworks.recipe.schema import Effect, StepConfig

__all__ = ["EXCLUDED", "FolderSource", "Found", "Piece", "Record", "Skipped", "SourceConfig", "Unreadable"]

EXCLUDED = "left out by `exclude`"
"""Reason for a file that is not read because it matches `exclude` in the recipe."""


def _without_password(address: str) -> str:
    """Return an address. Raises ValueError if it holds a password."""
    if re.match(r"[^/]*://[^/]*:(?!\d+/)[^@]+@|.*[?&]password=", address, re.DOTALL):
        raise ValueError(
            "it holds a password, which must not be in a recipe; put it into the storage's own configuration, or put "
            "a database's address into an environment variable and write `$ITS_NAME`"
        )
    return address


Address = Annotated[str, AfterValidator(_without_password)]


class SourceConfig(StepConfig, ABC):
    """Fields of every source: its config, and how it is read."""

    refuses_unmet: ClassVar[bool] = True
    """Whether it is an error if the recipe names a field that no record has."""
    kind: str
    folder: Annotated[Path, Effect.NOTHING] = Field(
        default=Path(), exclude=True, description="The recipe's folder, set on loading. Paths are relative to it."
    )

    @property
    @abstractmethod
    def label(self) -> str:
        """The name in each document's `source`; part of every id."""

    @property
    @abstractmethod
    def source_licence(self) -> str | None:
        """The SPDX expression for the whole source, None if it states none."""

    def located(self, folder: Path) -> Self:
        """Return this source with the recipe's folder, and with facts that it reads from files beside its data."""
        return self.model_copy(update={"folder": folder})

    def with_copies(self, folder: Path) -> Self:
        """Return this source, set to keep copies of files of other machines in a folder."""
        return self

    @property
    def has_licence_by_record(self) -> bool:
        """Whether records may state their own licence."""
        return False

    def named(self) -> Mapping[str, str]:
        """Return the paths of record fields that settings name. A record without such a field is counted by its key."""
        return {}

    @abstractmethod
    def paths(self) -> list[str]:
        """Return every file that is read, sorted. Raises LmworksError if there is none, UsageError without a place."""

    @abstractmethod
    def open(self, path: str) -> IO[bytes]:
        """Return the bytes of one file, as stored. Raises OSError."""

    @abstractmethod
    def size(self, path: str) -> int:
        """Return the size of one file in bytes, as stored. Raises OSError."""

    @abstractmethod
    def state(self, path: str) -> str:
        """Return a value that changes whenever the file is touched, such as its size and time. Raises OSError."""

    def cut_key(self, path: str) -> str:
        """Return a value that decides whether a shard begins with this file. It is the same anywhere in the list."""
        return path

    def pieces(self, path: str, size: int) -> Sequence[Piece]:
        """Return a file cut into pieces of about `size` bytes; whole if its form cannot be cut."""
        return [Piece(path, self.size(path))]

    def left_out(self) -> Iterator[tuple[str, str]]:
        """Return the place of each file that is not read, with the reason: its ending, or another one."""
        return iter(())

    def places(self) -> Iterator[str]:
        """Return the place of each file that is read. A file has the same place in every source that names it."""
        return iter(())

    def is_numbered(self, path: str) -> bool:
        """Return whether the only name of a file's records is their number, which shifts if a record is removed."""
        return False

    @abstractmethod
    def read(self, piece: Piece) -> Iterator[Found | Document]:
        """Yield the records of one piece, in order. A `Document` keeps its id."""

    def fingerprint(self) -> str:
        """Return a digest of the name and state of each file. It is cheap, and changes whenever a file is touched."""
        digest = hashlib.blake2b(digest_size=16)
        for path in self.paths():
            try:
                state = self.state(path)
            except OSError as error:
                state = f"unreadable: {error.errno}"
            digest.update(f"{path}\0{state}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()


class FolderSource(SourceConfig):
    """A source whose files lie below a folder of this machine."""

    @abstractmethod
    def root(self) -> Path:
        """Return the folder that every path is below. Raises UsageError if it does not exist."""

    def base(self) -> str:
        """Return the folder without checking that it exists, because this is called for thousands of files."""
        return str(self.root())

    def open(self, path: str) -> IO[bytes]:
        """Open a regular file below the folder. Raises OSError for anything else, such as a link out of the folder."""
        return open_below(self.base(), path)

    def size(self, path: str) -> int:
        return self._status(path).st_size

    def state(self, path: str) -> str:
        status = self._status(path)
        return f"{status.st_size}\0{status.st_mtime_ns}"

    def _status(self, path: str) -> os.stat_result:
        return os.stat(f"{self.base()}/{path}")  # noqa: PTH116  # in half the time
