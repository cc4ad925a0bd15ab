"""The search of files of a store: each is read piece by piece, decoded, and asked for values, subjects and passages."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from lmworks.data.erasure.passages import Passages
from lmworks.data.erasure.values import Erased, readings
from lmworks.data.text import texts_of, unescaped
from lmworks.lazy import pa, pq

PIECE = 2**22
"""Bytes of a file that are read at a time."""
OVERLAP = 2**13
"""Bytes of a piece that are read again with the next, so that no value is cut, in whatever encoding."""
LONGEST_LINE = 2**20
"""Bytes of a line that is read again as a whole where a piece ends in it: of a compressed record in base64."""
NUMBERS = frozenset((".npy", ".npz", ".safetensors", ".gguf", ".bin", ".pt", ".onnx"))
"""Ends of names of files that hold weights, rows of tokens and indices: no text."""
_FACT = re.compile(r'"([\w.-]{1,80})"\s*:\s*"((?:[^"\\]|\\.){1,300})"')


class Unsearched(Exception):
    """A file, or a part of it, could not be read; the message says why."""


@dataclass(frozen=True)
class Sought:
    """What is looked for."""

    erased: Erased
    """Values, and subjects in the fields that tell of them."""
    passages: Passages = field(default_factory=Passages)


@dataclass
class Standing:
    """What of it stands in a file."""

    values: set[str] = field(default_factory=set)
    """Digests of values and subjects."""
    passages: int = 0
    """Runs of words."""

    def __bool__(self) -> bool:
        return bool(self.values or self.passages)

    def look(self, sought: Sought, texts: Sequence[str]) -> None:
        """Look into some texts."""
        self.values.update(*sought.erased.find(texts))
        if sought.passages:
            self.passages += sought.passages.count_in([reading for text in texts for reading in readings(text)])

    def look_at_facts(self, sought: Sought, facts: Iterable[tuple[str, str]]) -> None:
        """Look at texts with the names of their fields."""
        if sought.erased.knows_persons:
            self.values.update(*(sought.erased.of_fact(name, value) for name, value in facts))


def is_numbers(path: Path) -> bool:
    """Whether a file holds no text by its kind."""
    return path.suffix in NUMBERS


def search_file(path: Path, sought: Sought) -> Standing:
    """What stands in a file. Raises Unsearched if it, or a part of it, cannot be read."""
    standing = Standing()
    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    _look_at_rows(file.read_row_group(group), sought, standing)
        else:
            for piece in _pieces(path):
                texts = [*texts_of(piece)]
                standing.look(sought, texts)
                standing.look_at_facts(sought, (fact for text in texts for fact in facts_in(text)))
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise Unsearched(getattr(error, "strerror", None) or " ".join(str(error).split())[:200]) from error
    return standing


def _look_at_rows(table: Any, sought: Sought, standing: Standing) -> None:
    """Look into a table; where records are kept that may hold a value, into each of its rows."""
    found = Standing()
    _look_at_table(table, sought, found)
    if found.values and sought.erased.knows_kept and "id" in table.column_names:
        found.values = set()
        for row, name in enumerate(table.column("id").to_pylist()):
            _look_at_table(table.slice(row, 1), sought, of_row := Standing())
            found.values |= sought.erased.but_kept(str(name), of_row.values)
    standing.values |= found.values
    standing.passages += found.passages


def _look_at_table(table: Any, sought: Sought, standing: Standing) -> None:
    for name in table.column_names:
        for texts in _texts_in(table.column(name)):
            standing.look(sought, texts)
            standing.look_at_facts(sought, ((name, text) for text in texts))
            standing.look_at_facts(sought, (fact for text in texts if '"' in text for fact in facts_in(text)))
    if {"field_names", "field_texts"} <= {*table.column_names}:
        both = (chain.from_iterable(_texts_in(table.column(name))) for name in ("field_names", "field_texts"))
        standing.look_at_facts(sought, zip(*both, strict=True))


def _texts_in(column: Any) -> Iterator[list[str]]:
    """The texts of a column, whatever it nests them in."""
    for values in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        kind = values.type
        if pa.types.is_dictionary(kind):
            yield from _texts_in(values.dictionary)
        elif pa.types.is_struct(kind):
            for place in range(kind.num_fields):
                yield from _texts_in(values.field(place))
        elif pa.types.is_map(kind):
            yield from (*_texts_in(values.keys), *_texts_in(values.items))
        elif pa.types.is_nested(kind):
            yield from _texts_in(values.flatten())
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            yield [value or "" for value in values.to_pylist()]
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            yield [text for value in values.to_pylist() if value for text in texts_of(value)]


def facts_in(text: str) -> Iterator[tuple[str, str]]:
    """Names and texts of JSON, wherever in it they stand, whole or cut."""
    for name, value in _FACT.findall(text):
        yield name, unescaped(value) if "\\" in value else value


def _pieces(path: Path) -> Iterator[bytes]:
    """A file piece by piece, unpacked if it is a gzip file."""
    with path.open("rb") as head:
        packed = head.read(2) == b"\x1f\x8b"
    rest = b""
    with gzip.open(path, "rb") if packed else path.open("rb") as stream:
        while chunk := stream.read(PIECE):
            piece = rest + chunk
            yield piece
            line = len(piece) - piece.rfind(b"\n") - 1
            rest = piece[-(OVERLAP + (line if line <= LONGEST_LINE else 0)) :]
