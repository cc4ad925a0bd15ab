"""Unchanged rows of a file, in order, and a copy of the file with more columns."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

from lmworks.data.base.encodings import looks_like, marked
from lmworks.data.parsers import ENDINGS
from lmworks.data.parsers.lines import read_lines
from lmworks.data.parsers.parser import Piece, Reading, Record, Unreadable
from lmworks.data.parsers.tables.columns import parquet_batches, rows_of
from lmworks.data.parsers.tables.delimited import Table, open_table
from lmworks.data.sources.files import Files
from lmworks.data.sources.recode import UTF_8, encoding_of, recoded
from lmworks.errors import UsageError, told
from lmworks.lazy import pa, pq
from lmworks.pipeline.files import atomically

LINE = "unread_line"
"""Field of the written JSONL that holds an input line which could not be read."""

Fields = Mapping[str, Any]
Kind = Literal["text", "number", "flag", "numbers by name", "spans", "vector"]
Columns = Mapping[str, Kind]
"""Name of each added column → kind of its values."""


@dataclass(frozen=True)
class Row:
    """One row, or the fault of a row that could not be read."""

    place: str
    """Place in the file, in words, such as `row 3`."""
    fields: Fields
    fault: str = ""
    """Reason why the row could not be read. `fields` then holds the readable part."""
    raw: str = ""
    """Line of JSONL, to be written again unchanged, or a line of CSV that could not be split into fields."""


@dataclass(frozen=True)
class TableFile:
    """A file that holds rows, and its settings for reading."""

    path: Path
    delimiter: str | None = None
    """Delimiter of CSV. If None, it is detected from the first rows."""
    encoding: str | None = None

    @property
    def form(self) -> str:
        """Ending of the file name, which selects the parser. Raises UsageError if no parser reads it."""
        if (form := self.path.suffix.lower()) not in (known := dict.fromkeys([*FORMS, ".json", *ENDINGS])):
            expected = ", ".join(known)
            raise UsageError(f"{self.path}: the name ends with {form or 'none'!r}; expected one of {expected}")
        return form

    @property
    def written(self) -> str:
        """Ending of the output file: the same, or `.jsonl` if lmworks cannot write this format."""
        return self.form if self.form in FORMS else ".jsonl"

    def columns(self) -> list[str]:
        """Return the names of the fields. For JSONL, return those of all rows. Raises UsageError if a table has none.

        Raises LmworksError if a Parquet file cannot be read to its end.
        """
        if self.form == ".parquet":
            with told(self.path, "a Parquet file"), pq.ParquetFile(self.path) as opened:
                for _ in _parquet_parts(opened):
                    pass
                return list(opened.schema_arrow.names)
        if self.form in (".csv", ".tsv"):
            with _table(self) as (table, _):
                return list(table.names or ())
        return list(dict.fromkeys(name for row in self.rows() for name in row.fields))

    def rows(self) -> Iterator[Row]:
        """Return every row, in order. A row that cannot be read has a `fault`."""
        return FORMS.get(self.form, PARSED)[0](self)

    def write(self, out: Path, more: Iterable[Fields], columns: Columns) -> None:
        """Write a copy of the file to `out`, in UTF-8, with more fields for every row.

        A table that was not plain UTF-8 gets a byte order mark, so that Excel recognises the encoding.
        """
        with atomically(out) as unfinished:
            FORMS.get(self.form, PARSED)[1](self, unfinished, iter(more), columns)


def _jsonl(file: TableFile) -> Iterator[Row]:
    with file.path.open("rb") as raw, closing(_decoded(file, raw)) as stream:
        for number, line in enumerate(read_lines(Piece(str(file.path), 0), stream, Reading.limit), 1):
            if not line.raw.strip():
                continue
            place = f"line {number}"
            text = line.raw.decode("utf-8-sig", "replace").strip()
            try:
                fields = json.loads(line.raw.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                yield Row(place, {}, f"{place} is not JSON: {error}", text)
                continue
            is_object = isinstance(fields, dict)
            yield Row(place, fields, raw=text) if is_object else Row(place, {}, f"{place} is not a JSON object", text)


def _write_jsonl(file: TableFile, out: Path, more: Iterator[Fields], columns: Columns) -> None:
    """Write every line unchanged, with fields added at its end. A line that was not readable becomes field `LINE`."""
    with out.open("w", encoding="utf-8") as stream:
        for row, added in zip(file.rows(), more, strict=True):
            text = json.dumps({**added, LINE: row.raw} if row.fault else added, ensure_ascii=False)
            if not row.fault:
                text = row.raw[:-1].rstrip() + (", " if row.fields else "") + text[1:]
            stream.write(text + "\n")


@contextmanager
def _table(file: TableFile) -> Iterator[tuple[Table, IO[bytes]]]:
    """Open a table, and yield its columns and its bytes as UTF-8."""
    with file.path.open("rb") as raw, closing(_decoded(file, raw)) as stream:
        table = open_table(stream, Reading(delimiter=file.delimiter), "\t" if file.form == ".tsv" else ",")
        if table.names is None and table.header and not table.header.fault:
            guess = looks_like(b"".join(line.raw for line in table.first))
            raise UsageError(
                f"{file.path}: the first row (names of columns) is not in {file.encoding or 'UTF-8'}. Give the "
                f"encoding with --encoding" + (f". Probably: --encoding {guess}" if guess else "")
            )
        if not table.names or len(set(table.names)) < len(table.names) or "" in table.names:
            names = ", ".join(name or "a name without letters" for name in table.names or ()) or "nothing"
            raise UsageError(f"{file.path}: the first row must name every column once; found {names}")
        yield table, stream


def _delimited(file: TableFile) -> Iterator[Row]:
    with _table(file) as (table, stream):
        for number, row in enumerate(table.rows(Piece(str(file.path), 0), stream, Reading.limit), 1):
            place = f"row {number}"
            if row.fault:
                yield Row(place, {}, row.fault, row.span.raw.decode(errors="replace").strip())
                continue
            fields = [field.encode("latin-1") for field in row.fields]
            read = dict(zip(table.names or (), (field.decode(errors="replace") for field in fields), strict=True))
            try:
                b"".join(fields).decode()
            except UnicodeError:
                yield Row(place, read, f"{place} is not in {file.encoding or 'UTF-8'}: give --encoding")
            else:
                yield Row(place, read)


def _write_delimited(file: TableFile, out: Path, more: Iterator[Fields], columns: Columns) -> None:
    """Write texts and numbers unchanged, and lists, objects and booleans as JSON."""
    with _table(file) as (table, _), file.path.open("rb") as raw:
        is_plain = not marked(raw.peek(4)) and encoding_of(raw, file.encoding, is_xml=False) == UTF_8
    # Excel takes UTF-8 without a byte order mark for the encoding of its language.
    with out.open("w", encoding=UTF_8 if is_plain else "utf-8-sig", newline="") as target:
        writer = csv.DictWriter(target, [*(table.names or ()), *columns], delimiter=table.delimiter)
        writer.writeheader()
        last = [*columns][-1]
        for row, added in zip(file.rows(), more, strict=True):
            answers = {name: _cell(value) for name, value in added.items()}
            if row.raw:  # nothing of it can be told apart: it stands whole behind what is wrong with it
                answers[last] = f"{answers.get(last, '')}: {row.raw}"
            writer.writerow({**row.fields, **answers})


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else value


def _parquet(file: TableFile) -> Iterator[Row]:
    with told(file.path, "a Parquet file"), pq.ParquetFile(file.path) as opened:
        number = 0
        for part in _parquet_parts(opened):
            for fields in rows_of(part, {}):
                number += 1
                yield Row(f"row {number}", fields)


def _parquet_parts(opened: Any) -> Iterator[Any]:
    return parquet_batches(opened, range(opened.num_row_groups), opened.schema_arrow.names)


def _write_parquet(file: TableFile, out: Path, more: Iterator[Fields], columns: Columns) -> None:
    """Write the file's own columns unchanged, and add the new ones."""
    with pq.ParquetFile(file.path) as opened:
        schema = opened.schema_arrow
        added = pa.schema([(name, _type(kind)) for name, kind in columns.items()])
        for field in added:
            schema = schema.append(field)
        with pq.ParquetWriter(out, schema) as writer:
            for part in _parquet_parts(opened):
                answers = pa.Table.from_pylist(list(islice(more, len(part))), added)
                writer.write_table(pa.table([*part.columns, *answers.combine_chunks().columns], schema))


def _type(kind: Kind) -> Any:
    spans = {"label": pa.string(), "start": pa.int64(), "end": pa.int64(), "text": pa.string()}
    return {
        "text": pa.string(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "numbers by name": pa.map_(pa.string(), pa.float64()),
        "spans": pa.list_(pa.struct(list(spans.items()))),
        "vector": pa.list_(pa.float32()),
    }[kind]


def _decoded(file: TableFile, raw: IO[bytes]) -> IO[bytes]:
    return recoded(raw, encoding_of(raw, file.encoding, is_xml=False))


def _parsed(file: TableFile) -> Iterator[Row]:
    """Yield the rows of a file as a build reads them. A text without fields becomes a row with a field `text`."""
    folder, name = file.path.resolve().parent, file.path.name
    source = Files(kind="files", path=str(folder), fields="all", encoding=file.encoding, licence="LicenseRef-own")
    for number, found in enumerate(source.read(Piece(name, file.path.stat().st_size)), 1):
        if isinstance(found, Unreadable):
            yield Row(f"row {number}", {}, f"row {number} cannot be read: {found.reason}")
        elif isinstance(found, Record):
            yield Row(f"row {number}", {"text": found.text} if found.row is None else found.row)


def _write_parsed(file: TableFile, out: Path, more: Iterator[Fields], columns: Columns) -> None:
    with out.open("w", encoding="utf-8") as stream:
        for row, added in zip(file.rows(), more, strict=True):
            stream.write(json.dumps({**row.fields, **added}, ensure_ascii=False, default=str) + "\n")


Read = Callable[[TableFile], Iterator[Row]]
Write = Callable[[TableFile, Path, Iterator[Fields], Columns], None]
FORMS: dict[str, tuple[Read, Write]] = {
    ".jsonl": (_jsonl, _write_jsonl),
    ".ndjson": (_jsonl, _write_jsonl),
    ".csv": (_delimited, _write_delimited),
    ".tsv": (_delimited, _write_delimited),
    ".parquet": (_parquet, _write_parquet),
}
"""Ending of a file → function that reads its rows, and function that writes it with more columns."""
PARSED: tuple[Read, Write] = (_parsed, _write_parsed)
"""The two functions for every other format that a build can read. The output is JSONL."""
