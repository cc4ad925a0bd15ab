"""Search of a store's files: each is read piece by piece, decoded, and searched for values, subjects and runs."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lmworks.data.base.encoded import texts_of, unescaped
from lmworks.data.erased.values import Erased, readings, scalars
from lmworks.data.erasure.passages import Passages
from lmworks.lazy import pa, pq

PIECE = 2**22
"""Number of bytes of a file that are read at a time."""
OVERLAP = 2**13
"""Number of bytes of a piece that are read again with the next piece, so that no value is cut, in any encoding."""
LONGEST_LINE = 2**20
"""Maximum bytes of a line that is read again as a whole if a piece ends inside it."""
NUMBERS = frozenset((".npy", ".npz", ".safetensors", ".gguf", ".bin", ".pt", ".onnx", ".hashed"))
"""Suffixes of files with weights, rows of tokens or indices, which hold no text."""
_SUBJECT = re.compile(r'"subject"\s*:\s*"((?:[^"\\]|\\.){1,300})"')
"""Pattern of the subject of a record in JSON."""


class Unsearched(Exception):
    """A file, or a part of it, could not be read. The message says why."""


@dataclass
class Standing:
    """Findings of a search in one file."""

    erased: Erased
    passages: Passages = field(default_factory=Passages)
    values: set[str] = field(default_factory=set)
    """Digests of the values and subjects found in the file."""
    runs: int = 0
    """Number of runs of words of erased texts found in the file."""

    def __bool__(self) -> bool:
        return bool(self.values or self.runs)

    def look(self, texts: Sequence[str], name: str = "") -> None:
        """Search some texts. `name` is the field that they are from, if any."""
        self.values.update(*self.erased.find(texts))
        if self.passages:
            self.runs += self.passages.count_in([reading for text in texts for reading in readings(text)])
        if self.erased.knows_subjects:
            subjects = [*texts] if name == "subject" else []
            subjects += (subject for text in texts if '"' in text for subject in _SUBJECT.findall(text))
            self.values.update(*(self.erased.of_subject(unescaped(subject)) for subject in subjects))


def is_numbers(path: Path) -> bool:
    """Return whether a file's suffix shows that it holds no text."""
    return path.suffix in NUMBERS


def search_file(path: Path, erased: Erased, passages: Passages | None = None) -> Standing:
    """Return the findings in a file. Raises Unsearched if the file, or a part of it, cannot be read."""
    standing = Standing(erased, passages or Passages())
    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    _look_at_rows(file.read_row_group(group), standing)
        else:
            for piece in _pieces(path):
                standing.look([*texts_of(piece)])
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise Unsearched(getattr(error, "strerror", None) or " ".join(str(error).split())[:200]) from error
    return standing


def _look_at_rows(table: Any, standing: Standing) -> None:
    """Search a table. If values are found and some records are kept on purpose, search each row alone."""
    whole = Standing(standing.erased, standing.passages)
    _look_at_table(table, whole)
    if whole.values and standing.erased.knows_kept and "id" in table.column_names:
        whole.values = set()
        for row, name in enumerate(table.column("id").to_pylist()):
            _look_at_table(table.slice(row, 1), of_row := Standing(standing.erased))
            whole.values |= standing.erased.but_kept(str(name), of_row.values)
    standing.values |= whole.values
    standing.runs += whole.runs


def _look_at_table(table: Any, standing: Standing) -> None:
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    for name, values in columns.items():
        kind = table.schema.field(name).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            standing.look([*scalars(values)], name)


def _pieces(path: Path) -> Iterator[bytes]:
    """Yield a file piece by piece, unpacked if it is a gzip file."""
    with path.open("rb") as head:
        packed = head.read(2) == b"\x1f\x8b"
    rest = b""
    with gzip.open(path, "rb") if packed else path.open("rb") as stream:
        while chunk := stream.read(PIECE):
            piece = rest + chunk
            yield piece
            line = len(piece) - piece.rfind(b"\n") - 1
            rest = piece[-(OVERLAP + (line if line <= LONGEST_LINE else 0)) :]
