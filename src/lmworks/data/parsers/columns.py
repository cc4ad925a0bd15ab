"""Parquet and Arrow files: a record a row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import IO, Any

from lmworks.data.parsers.arrow_messages import record_batches, too_large
from lmworks.data.parsers.classes import Classes, classes_of, named
from lmworks.data.parsers.fields import named_twice, row_record
from lmworks.data.parsers.parser import RAW_BYTES_KEPT, Form, Found, Piece, Reading, Skipped, Span, Unreadable
from lmworks.data.structure import words_of
from lmworks.lazy import NDArray, np, pa, pc, pq

VIEW_BYTES = 16
"""Of a view, of which the first four count its text (Arrow columnar format, "Variable-size Binary View")."""
MOST_TIMES = 200
"""Times its size in the file that a piece may hold when unpacked: one value may stand in millions of rows."""
LEAST = {"INT64": 8, "DOUBLE": 8, "FLOAT": 4, "BYTE_ARRAY": 4}
"""Bytes that a value in a list takes at least when unpacked, by how Parquet stores it."""
KEPT_AS = {"format": "jsonl"}
"""What is kept of a row that cannot be read."""
NULLS = "records without the nulls that stand inside their columns"
"""Every struct of a column has all names that any has, and null where a row said nothing: no row's word is lost."""
BATCH_BYTES, PART_BYTES, PART_ROWS = 2**29, 2**26, 10_000
"""Of rows that are in memory at once, and of those that are Python's values."""


def _row_bytes(column: Any) -> NDArray[np.int64]:
    """Bytes of the values of each row, written out: what many rows share counts in each, what is in none in none."""
    kind, count = column.type, len(column)
    if not count:
        return np.zeros(0, np.int64)
    if isinstance(column, pa.ExtensionArray):
        return _row_bytes(column.storage)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        lengths = np.frombuffer(column.buffers()[1], np.int32)[:: VIEW_BYTES // 4]
        return lengths[column.offset : column.offset + count] * _numbers(column.is_valid())
    tests = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
    if any(test(kind) for test in tests):
        return _numbers(pc.binary_length(column))
    if pa.types.is_dictionary(kind):
        values: NDArray[np.int64] = np.append(_row_bytes(column.dictionary), 0)  # the last is of a row without a value
        return values.take(_numbers(column.indices, len(values) - 1))
    if pa.types.is_run_end_encoded(kind):
        places: NDArray[np.int64] = column.offset + np.arange(count)
        return _row_bytes(column.values).take(np.searchsorted(column.run_ends, places, "right"))
    if pa.types.is_struct(kind):
        return sum(map(_row_bytes, column.flatten()), np.ones(count, np.int64))
    if pa.types.is_union(kind):
        return _union_bytes(column)
    if pa.types.is_nested(kind):
        return _list_bytes(column)
    return np.full(count, 1 if pa.types.is_null(kind) else max(1, kind.bit_width // 8))


def _numbers(column: Any, missing: int = 0) -> NDArray[np.int64]:
    found: NDArray[np.int64] = column.cast(pa.int64()).fill_null(missing).to_numpy(zero_copy_only=False)
    return found


def _list_bytes(column: Any) -> NDArray[np.int64]:
    """Of lists, maps, and views of lists, which may overlap."""
    if pa.types.is_map(column.type):
        lengths = np.diff(_numbers(column.offsets)) * _numbers(column.is_valid())
    else:
        lengths = _numbers(pc.list_value_length(column))
    if pa.types.is_fixed_size_list(column.type):
        starts: NDArray[np.int64] = (column.offset + np.arange(len(column))) * column.type.list_size
    else:
        starts = _numbers(column.offsets)[: len(column)]
    low, high = int(starts.min(initial=len(column.values))), int((starts + lengths).max(initial=0))
    before: NDArray[np.int64] = np.append(0, np.cumsum(_row_bytes(column.values.slice(low, max(0, high - low)))))
    return before.take(starts + lengths - low) - before.take(starts - low)


def _union_bytes(column: Any) -> NDArray[np.int64]:
    found = np.zeros(len(column), np.int64)
    codes = column.type_codes.to_numpy()
    places = np.arange(len(column)) if column.type.mode == "sparse" else column.offsets.to_numpy()
    for number, code in enumerate(column.type.type_codes):
        of_it = codes == code
        found[of_it] = _row_bytes(column.field(number))[places[of_it]]
    return found


def parts_within(batches: Iterable[Any], most: int) -> Iterator[Any]:
    """Rows of record batches in parts that memory takes. Raises ArrowInvalid once they hold more than `most` bytes."""
    unpacked = 0
    for batch in batches:
        ends = np.cumsum(sum(map(_row_bytes, batch.columns), np.zeros(batch.num_rows, np.int64)))
        start, done = 0, 0
        while start < batch.num_rows:
            stop = max(start + 1, int(np.searchsorted(ends, done + PART_BYTES, "right")))
            stop = min(stop, start + PART_ROWS)
            if unpacked + int(ends[stop - 1]) > most:
                raise too_large(most)
            yield batch.slice(start, stop - start)
            start, done = stop, int(ends[stop - 1])
        unpacked += done


def most_unpacked(size: int, limit: int) -> int:
    """Bytes that the rows of a file, or of a piece of it, of `size` bytes may hold."""
    return max(limit, MOST_TIMES * size)


def parquet_batches(file: Any, groups: Iterable[int], columns: Sequence[str], most: int) -> Iterator[Any]:
    """Rows of a ParquetFile in record batches that memory takes, of these columns alone.

    Raises ArrowInvalid before a row group is unpacked whose lists hold more than `most` bytes: one row may hold them.
    """
    leaves = [file.schema.column(number) for number in range(len(file.schema))]
    lists = [
        number
        for number, leaf in enumerate(leaves)
        if leaf.max_repetition_level and any(f"{leaf.path}.".startswith(f"{name}.") for name in columns)
    ]
    for index in groups:
        group = file.metadata.row_group(index)
        # pyarrow ends the process over damaged statistics of a column chunk that it is asked for: of lists alone.
        chunks = [group.column(number) for number in lists if number < group.num_columns]
        claimed = (max(0, chunk.num_values - group.num_rows) * LEAST.get(chunk.physical_type, 1) for chunk in chunks)
        if sum(claimed) > most:
            raise too_large(most)
        rows = max(1, min(1000, BATCH_BYTES // max(group.total_byte_size, 1)))
        yield from file.iter_batches(rows, row_groups=[index], columns=list(columns))


def open_parquet(file: Any) -> Any:
    """A ParquetFile whose lists of texts hold each text once, however often it stands there."""
    opened = pq.ParquetFile(file)
    leaves = [opened.schema.column(number) for number in range(len(opened.schema))]
    lists = [leaf.path for leaf in leaves if leaf.max_repetition_level and leaf.physical_type == "BYTE_ARRAY"]
    return pq.ParquetFile(file, metadata=opened.metadata, read_dictionary=lists) if lists else opened


def rows_of(part: Any, stated: Classes) -> list[dict[str, Any]]:
    """Return the rows of a record batch, with the names of classes that its schema, or else `stated`, has."""
    classes = {**stated, **classes_of(part.schema.metadata)}
    return [named(row, classes) for row in part.to_pylist()]


def _parse(
    batches: Iterable[Any], piece: Piece, size: int, stream: IO[bytes], reading: Reading, kind: str
) -> Iterator[Found]:
    """A record a row of record batches; rows before damage are kept. A row is kept apart as JSON."""
    number = piece.first_record
    try:
        for part in parts_within(batches, most_unpacked(size, reading.limit)):
            nested = [field.name for field in part.schema if pa.types.is_nested(field.type)]
            for row in rows_of(part, reading.classes):
                number += 1
                made_up = [name for name in nested if _without_nulls(row[name])]
                # One whose key is there twice is kept apart, too.
                raw = json.dumps(row, default=str).encode() if reading.key_field else b""
                record = row_record(row, piece, number, Span(0, raw, len(raw), KEPT_AS), reading)
                if isinstance(record, Unreadable):
                    record = replace(record, raw=json.dumps(row, default=str).encode(), size=None)
                elif reading.fields and made_up:
                    record = replace(record, counts={**record.counts, NULLS: 1})
                yield record
                if reading.fields and (count := _bytes_in([row[name] for name in row if _is_read(name, reading)])):
                    for place in range(1, count + 1):
                        yield Skipped(piece.name, f"{number}, bytes {place}", "bytes of a column, which are no text")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        stream.seek(0)
        reason = f"not a readable {kind} file: {error}"
        yield Unreadable(piece.name, "", 0, reason, stream.read(RAW_BYTES_KEPT), 0, stream.seek(0, 2))


def _without_nulls(value: Any) -> bool:
    """Take the names out of structs inside a value that stand there with null; whether there were any."""
    found = False
    if isinstance(value, dict):
        for name in [name for name, inner in value.items() if inner is None]:
            del value[name]
            found = True
    if isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            found |= _without_nulls(inner)
    return found


def _is_read(name: str, reading: Reading) -> bool:
    return reading.fields == "all" or name in (reading.fields or ())


def _bytes_in(value: Any) -> int:
    """How many values inside another are bytes that are no text."""
    if isinstance(value, dict | list):
        return sum(map(_bytes_in, value.values() if isinstance(value, dict) else value))
    return int(isinstance(value, bytes) and words_of(value) is None)


def parse_parquet(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """Of columns that nothing names no more than their names is read; damage costs the row group that it lies in."""
    file: Any = None
    wanted: list[str] = []
    all_fields: dict[str, None] = {}

    def opened() -> Iterator[Any]:
        nonlocal file, wanted
        file = open_parquet(stream)
        all_fields.update((path, None) for field in file.schema_arrow for path in _paths(field, field.name))
        columns = _columns(file.schema_arrow.names, reading)
        _require_names(file.schema_arrow, reading, columns)
        wanted = columns
        yield from ()

    size = min(piece.bytes, stream.seek(0, 2))  # a piece's own is that of its pages, which may be bombs themselves
    yield from _parse(opened(), piece, size, stream, reading, "Parquet")
    first = piece.first_record
    groups = range(piece.start, file.num_row_groups if piece.stop is None else piece.stop) if wanted else ()
    for index in groups:
        after = first + file.metadata.row_group(index).num_rows
        batches = parquet_batches(file, [index], wanted, most_unpacked(size, reading.limit))
        read = first
        for found in _parse(batches, replace(piece, first_record=first), size, stream, reading, "Parquet"):
            if isinstance(found, Unreadable) and not found.key:
                reason = f"{after - read:,} rows of a damaged row group: {found.reason}"
                found = replace(found, key=f"{read + 1}-{after}", reason=reason, raw=b"")
            read += 1
            if (
                not isinstance(found, Skipped)
                and found.row is not None
                and (isinstance(found, Unreadable) or found.empty)
            ):
                found = replace(found, row={**all_fields, **found.row})
            yield found
        first = after


def _columns(names: Sequence[str], reading: Reading) -> list[str]:
    """Those of a file's columns that are read."""
    if reading.fields == "all":
        return list(names)
    texts = [_column(names, path) for path in reading.fields or reading.text_fields]
    if not any(name in names for name in texts):
        raise pa.ArrowInvalid(f"no column {texts[0]!r}")
    others = [reading.licence_field, reading.key_field, *reading.facts.values(), *reading.keep]
    wanted = [*texts, *(_column(names, path) for path in others if path)]
    return [name for name in dict.fromkeys(wanted) if name in names]


def _column(names: Sequence[str], path: str) -> str:
    return path if path in names else path.split(".")[0]


def _require_names(schema: Any, reading: Reading, wanted: Sequence[str]) -> None:
    """Raise ArrowInvalid where two columns that are used, or two fields inside of one that is read, have one name."""
    inside = Counter(path for field in schema if field.name in wanted for path in _paths(field, field.name))
    twice = [path for path, count in inside.items() if count > 1 and path not in schema.names]
    if fault := named_twice(schema.names, reading) or (twice and f"two fields of one name: {twice[0]!r}"):
        raise pa.ArrowInvalid(fault)


def _paths(field: Any, name: str) -> Iterator[str]:
    """The paths of a column and of what is inside of it, as `structure.paths_of` gives them."""
    yield name
    kind, star = field.type, ""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind, star = kind.value_type, ".*"
    if pa.types.is_struct(kind):
        for inner in kind:
            yield from _paths(inner, f"{name}{star}.{inner.name}")


def cut_parquet(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
    """A piece a row group; a file whose footer cannot be read stays whole, to be quarantined."""
    try:
        footer = pq.read_metadata(stream)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return
    first = 0
    for index in range(footer.num_row_groups):
        group = footer.row_group(index)
        yield Piece(whole.path, group.total_byte_size, index, index + 1, first, whole.member)
        first += group.num_rows


def parse_arrow(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """Both IPC forms: the stream, as `datasets.save_to_disk` writes it, and the file with its footer."""
    size = stream.seek(0, 2)  # its own, also in an archive

    def batches() -> Iterator[Any]:
        schema, found = record_batches(stream, size, most_unpacked(size, reading.limit))
        _require_names(schema, reading, schema.names)
        yield from found

    return _parse(batches(), piece, size, stream, reading, "Arrow")


PARQUET = Form(parse_parquet, cut_parquet, seeks=True, endings=(".parquet",), about="Rows of a Parquet file.")
ARROW = Form(
    parse_arrow, seeks=True, endings=(".arrow",), about="Rows of an Arrow file or stream, as `datasets` saves them."
)
