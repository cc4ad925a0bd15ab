"""A folder of the user's own: txt, md and html (a document a file), jsonl and parquet (a document a record)."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field

from lmworks.data.sources.source import Piece, Record, SourceConfig, Unreadable
from lmworks.errors import LmworksError, UsageError

FORMATS = {".txt": "text", ".md": "text", ".html": "html", ".htm": "html", ".jsonl": "jsonl", ".parquet": "parquet"}


class Files(SourceConfig):
    """Files of a folder and the folders below it; hidden ones are left out."""

    kind: Literal["files"]
    path: str = Field(description="The folder, absolute or from the recipe's folder.")
    name: str = Field(default="", description="The documents' `source`; the folder's name when empty.")
    licence: str | None = Field(
        default=None, description="SPDX expression for all files. No default: nobody but the user can state it."
    )
    licence_field: str | None = Field(
        default=None, description="Field of a jsonl or parquet record with its own licence; unset, `licence` holds."
    )
    text_field: str = Field(default="text", description="Field of a jsonl or parquet record that holds the text.")

    @property
    def label(self) -> str:
        return self.name or PurePosixPath(self.path).name or "files"

    @property
    def source_licence(self) -> str | None:
        return self.licence

    @property
    def has_licence_by_record(self) -> bool:
        return self.licence_field is not None

    def root(self) -> Path:
        folder = (self.folder / self.path).resolve()
        if not folder.is_dir():
            raise UsageError(f"Source {self.label}: there is no folder {folder}. Mend `path`, or make the folder.")
        return folder

    def paths(self) -> list[str]:
        paths = [path for path in self._walk() if _suffix(path) in FORMATS]
        if not paths:
            endings = ", ".join(FORMATS)
            raise LmworksError(f"Source {self.label}: {self.root()} holds no file that can be read ({endings}).")
        return paths

    def left_out(self) -> Counter[str]:
        return Counter(_suffix(path) or "no suffix" for path in self._walk() if _suffix(path) not in FORMATS)

    def _walk(self) -> list[str]:
        root = self.root()
        found = []
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [Path(folder, name).relative_to(root).as_posix() for name in names if not name.startswith(".")]
        return sorted(found)

    def pieces(self, path: str, size: int) -> Sequence[Piece]:
        cut = {"jsonl": _cut_lines, "parquet": _cut_row_groups}.get(FORMATS[_suffix(path)])
        return cut(path, self.root() / path, size) if cut else super().pieces(path, size)

    def read(self, piece: Piece) -> Iterator[Record | Unreadable]:
        match FORMATS[_suffix(piece.path)]:
            case "jsonl":
                return self._read_lines(piece)
            case "parquet":
                return self._read_rows(piece)
            case form:
                return self._read_whole(piece, form)

    def _read_whole(self, piece: Piece, form: str) -> Iterator[Record | Unreadable]:
        raw = (self.root() / piece.path).read_bytes()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            yield Unreadable(piece.path, "", error.start, "not UTF-8", raw)
            return
        yield Record(piece.path, "", text, form, self.licence)

    def _read_lines(self, piece: Piece) -> Iterator[Record | Unreadable]:
        with (self.root() / piece.path).open("rb") as stream:
            stream.seek(piece.start)
            offset, number = piece.start, piece.first_record
            while piece.stop is None or offset < piece.stop:
                line = stream.readline()
                if not line:
                    return
                number += 1
                if line.strip():
                    yield self._parse_line(piece.path, str(number), offset, line)
                offset += len(line)

    def _parse_line(self, path: str, number: str, offset: int, line: bytes) -> Record | Unreadable:
        try:
            text = line.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            return Unreadable(path, number, offset + error.start, "not UTF-8", line)
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            where = len(text[: error.pos].encode())
            return Unreadable(path, number, offset + where, f"not JSON: {error.msg}", line)
        except (ValueError, RecursionError) as error:
            return Unreadable(path, number, offset, f"not JSON: {error}", line)
        if not isinstance(record, dict):
            return Unreadable(path, number, offset, f"not a JSON object but a {type(record).__name__}", line)
        return self._record(path, number, offset, record, line)

    def _read_rows(self, piece: Piece) -> Iterator[Record | Unreadable]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.root() / piece.path
        wanted = [name for name in (self.text_field, self.licence_field) if name]
        number = piece.first_record
        try:
            with pq.ParquetFile(path) as file:
                missing = [name for name in wanted if name not in file.schema_arrow.names]
                if missing:
                    raise pa.ArrowInvalid(f"no column {missing[0]!r}")
                groups = range(piece.start, file.num_row_groups if piece.stop is None else piece.stop)
                for batch in file.iter_batches(1000, row_groups=list(groups), columns=wanted):
                    for row in batch.to_pylist():
                        number += 1
                        record = self._record(piece.path, str(number), 0, row, b"")
                        if isinstance(record, Unreadable):
                            record = replace(record, raw=json.dumps(row, default=str).encode())
                        yield record
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            with path.open("rb") as stream:
                yield Unreadable(piece.path, "", 0, f"not a readable Parquet file: {error}", stream.read(65_536))

    def _record(self, path: str, number: str, offset: int, record: dict[str, Any], raw: bytes) -> Record | Unreadable:
        text = record.get(self.text_field)
        if not isinstance(text, str):
            found = "missing" if text is None else f"of type {type(text).__name__}"
            return Unreadable(path, number, offset, f"field {self.text_field!r} is {found}", raw)
        try:
            text.encode()
        except UnicodeEncodeError:
            return Unreadable(path, number, offset, "half of a surrogate pair in the text", raw)
        licence = (self.licence_field and record.get(self.licence_field)) or self.licence
        return Record(path, number, text, "text", licence if isinstance(licence, str) else None)


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _cut_lines(path: str, file: Path, size: int) -> list[Piece]:
    """Cut a JSON Lines file at the first line end past every `size` bytes."""
    pieces, start, first_record = [], 0, 0
    with file.open("rb") as stream:
        while chunk := stream.read(size):
            chunk += stream.readline()
            pieces.append(Piece(path, len(chunk), start, start + len(chunk), first_record))
            start, first_record = start + len(chunk), first_record + chunk.count(b"\n")
    return pieces or [Piece(path, 0)]


def _cut_row_groups(path: str, file: Path, size: int) -> list[Piece]:
    """Cut a Parquet file into its row groups; a file whose footer cannot be read stays whole, to be quarantined."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        return [Piece(path, file.stat().st_size)]
    pieces, first_record = [], 0
    for index in range(footer.num_row_groups):
        group = footer.row_group(index)
        pieces.append(Piece(path, group.total_byte_size, index, index + 1, first_record))
        first_record += group.num_rows
    return pieces
