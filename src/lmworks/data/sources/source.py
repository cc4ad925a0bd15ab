"""What a source of documents is."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from lmworks.recipe import StepConfig


@dataclass(frozen=True)
class Piece:
    """A stretch of one source file that is read in one go."""

    path: str
    """Below the source's root, with forward slashes."""
    bytes: int
    start: int = 0
    stop: int | None = None
    """In the reader's own units: bytes of a JSON Lines file, row groups of a Parquet file; None is the end."""
    first_record: int = 0


@dataclass(frozen=True)
class Record:
    """One raw text as the source holds it."""

    path: str
    key: str
    """The source's own name of the record, or its number in the file, counted from 1."""
    text: str
    format: str
    """"html" or "text"."""
    licence: str | None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unreadable:
    """A record or a whole file that cannot be read, with all that is needed to mend and replay it."""

    path: str
    key: str
    """Number of the record in the file, or "" for the whole file."""
    offset: int
    """Byte offset in the file of what is wrong, or of the record if that is all that is known."""
    reason: str
    raw: bytes


class SourceConfig(StepConfig, ABC):
    """Base of every source: its config, and how it is read."""

    kind: str
    folder: Path = Field(
        default=Path(), exclude=True, description="The recipe's folder, set on loading: a path is taken from there."
    )

    @property
    @abstractmethod
    def label(self) -> str:
        """The name in each document's `source`; part of every id."""

    @property
    @abstractmethod
    def source_licence(self) -> str | None:
        """The SPDX expression for the whole source, None if it states none."""

    @property
    def has_licence_by_record(self) -> bool:
        """Whether records may state their own licence."""
        return False

    @abstractmethod
    def root(self) -> Path:
        """The folder that every path of this source is below. Raises UsageError if it does not exist."""

    @abstractmethod
    def paths(self) -> list[str]:
        """Every file that is read, below the root, sorted. Raises LmworksError if there is none."""

    def pieces(self, path: str, size: int) -> Sequence[Piece]:
        """A file cut into pieces of about `size` bytes; whole if its form cannot be cut."""
        return [Piece(path, (self.root() / path).stat().st_size)]

    def left_out(self) -> Counter[str]:
        """How many files below the root are not read, by their ending."""
        return Counter()

    @abstractmethod
    def read(self, piece: Piece) -> Iterator[Record | Unreadable]:
        """The records of one piece, in order."""

    def fingerprint(self) -> str:
        """Digest of the name, size and time of change of each file: cheap, and changes whenever a file was touched."""
        root = self.root()
        digest = hashlib.blake2b(digest_size=16)
        for path in self.paths():
            try:
                status = (root / path).stat()
                state = f"{status.st_size}\0{status.st_mtime_ns}"
            except OSError as error:
                state = f"unreadable: {error.errno}"
            digest.update(f"{path}\0{state}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()
