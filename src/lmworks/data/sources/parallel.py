"""Files whose lines correspond, such as a text and its translation."""

from __future__ import annotations

import fnmatch
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import IO, Literal

from pydantic import Field, field_validator

from lmworks.data.parsers.parser import Piece
from lmworks.data.sources import unpack
from lmworks.data.sources.files import FolderOfFiles
from lmworks.data.sources.parsed import PACKED_PIECE
from lmworks.data.sources.source import EXCLUDED
from lmworks.errors import UsageError

BETWEEN = " + "
"""Separator of the names of files that are read together, in the path of their records."""


class Parallel(FolderOfFiles):
    """Parallel text files of a folder. Lines with the same number make one record."""

    kind: Literal["parallel"]
    files: dict[str, str] = Field(
        min_length=2,
        description="File of each field of a record, such as `{en: train.en, de: train.de}`. With a star in each, as "
        "in `{en: '*.en', de: '*.de'}`, all sets of files with the same text for the star are read.",
    )

    @field_validator("files")
    @classmethod
    def _stars_agree(cls, files: dict[str, str]) -> dict[str, str]:
        stars = {name.count("*") for name in files.values()}
        if len(stars) > 1 or stars > {0, 1}:
            raise ValueError(f"found {', '.join(files.values())}; expected a star in each name, or in none")
        if len({*files.values()}) < len(files):
            raise ValueError(f"found {', '.join(files.values())}; expected a different file for each field")
        return files

    def walk(self) -> list[str]:
        """Return a name for each set of files."""
        return sorted(self._sets())

    def _sets(self) -> Mapping[str, Sequence[str]]:
        """Return each set of files that are read together, in the order of `files`, by the set's name.

        Raises UsageError if there is no complete set.
        """
        there = [path for path in super().walk() if not self._is_excluded(path)]
        first, *others = self.files.values()
        before, star, after = first.partition("*")
        found = {}
        for path in there:
            if path == first or (star and fnmatch.fnmatchcase(path, first)):
                same = path[len(before) : len(path) - len(after)] if star else ""
                together = [path, *(name.replace("*", same) for name in others)]
                if {*together} <= {*there}:
                    found[BETWEEN.join(map(unpack.plain_name, together))] = together
        if not found:
            raise UsageError(
                f"Source {self.label}: `files` has {', '.join(self.files.values())}, and {self.place()} holds "
                f"{', '.join(there[:8]) or 'nothing'}{', …' * (len(there) > 8)}. Fix the names"
            )
        return found

    def open(self, path: str) -> IO[bytes]:
        """Return a set of files as one file of JSON Lines. Raises UsageError if their numbers of lines differ."""
        names = self._sets()[path]
        lengths = [0] * len(names)
        with ExitStack() as stack:
            streams = [unpack.unpack(name, stack.enter_context(super(Parallel, self).open(name))) for name in names]
            held = stack.enter_context(tempfile.TemporaryFile())
            for lines in zip_longest(*(_lines(stream, self.record_bytes) for stream in streams)):
                lengths = [length + (line is not None) for length, line in zip(lengths, lines, strict=True)]
                if None not in lines:
                    held.write(json.dumps(dict(zip(self.files, map(self._text, lines), strict=True))).encode() + b"\n")
            if len({*lengths}) > 1:
                told = ", ".join(f"{name} has {length:,}" for name, length in zip(names, lengths, strict=True))
                raise UsageError(
                    f"Source {self.label}: {told} lines, but lines with the same number must correspond. Find the "
                    "first lines that do not, and write an empty line for each line that a file lacks"
                )
            held.seek(0)
            stack.pop_all()
        return held

    def _text(self, line: bytes) -> str:
        """Decode a line. Bytes that cannot be decoded become lone surrogates, and the record is quarantined."""
        return line.rstrip(b"\r\n").decode(self.encoding or "utf-8", "surrogateescape").lstrip("\ufeff")

    def size(self, path: str) -> int:
        return sum(super(Parallel, self).size(name) for name in self._sets()[path])

    def state(self, path: str) -> str:
        return "\0".join(super(Parallel, self).state(name) for name in self._sets()[path])

    def pieces(self, path: str, size: int) -> Sequence[Piece]:
        """Return few and large pieces, because to find a piece the files are read from their beginning."""
        return super().pieces(path, max(size, PACKED_PIECE, self.size(path) // 8))

    def _judged(self) -> Iterator[tuple[str, str]]:
        used = {name for names in self._sets().values() for name in names}
        for path in super().walk():
            suffix = PurePosixPath(path).suffix.lower() or "no suffix"
            yield path, "" if path in used else EXCLUDED if self._is_excluded(path) else suffix

    def _word(self, name: str) -> str:
        return "jsonl"


def _lines(stream: IO[bytes], most: int) -> Iterator[bytes]:
    """Yield each line. A line longer than `most` is cut, so its record is quarantined and its end is never held."""
    while line := stream.readline(most + 1):
        yield line
        while len(line) > most and not line.endswith(b"\n"):
            line = stream.readline(most + 1)
