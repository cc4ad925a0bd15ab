"""Documents on disk: numbered Parquet shards, each sorted by id, and a sorted list of all ids."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import IO, Any, ClassVar

from lmworks.data.base.structure import Field, as_one, changed, places_of_texts, put_together, take_apart, value_at
from lmworks.errors import LmworksError
from lmworks.lazy import NDArray, np, pa, pq
from lmworks.pipeline.files import canonical_json, write_atomically
from lmworks.pipeline.stage import Handle
from lmworks.pipeline.store import damaged

COLUMNS = ("id", "text", "text_digest", "source", "licence", "language", "created", "subject", "meta")
OWN_FIELDS = ("path", "format")
"""Fields of `meta` that every document has."""
ROW_COLUMNS = ("field_names", "field_texts", "structure")
"""Columns of shards that hold rows of several texts. The first two columns hold lists."""
CLUSTER = "cluster"
"""Column with `Document.cluster`, in shards in which some document has a cluster."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """Text with its origin, or a row of several texts, such as a conversation or a pair of answers.

    Code that reads a row as a single text reads `text`. Code that changes a row calls `changed`, for each text alone.
    """

    id: str
    """Keyed hash of the place where the text was found. `ingest` computes it once, and it never changes."""
    text: str
    """Text of the document. For a row, all its texts: `structure.as_one`."""
    source: str
    licence: str
    """An SPDX expression."""
    language: str | None = None
    created: str | None = None
    subject: str | None = None
    """Person whom the text is about or from, if known."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    fields: Sequence[Field] = ()
    """Texts of a row with their names, in their order. Empty for a text alone."""
    structure: str | None = None
    """Structure that holds the texts of a row: see `structure.take_apart`. None for a text alone."""
    cluster: str | None = None
    """Group of near copies that all stayed, because they differ in facts. A split never separates them."""

    @classmethod
    def of_row(cls, row: Mapping[str, Any], **facts: Any) -> Document:
        """Return a document for a row of named fields, whose texts stay separate."""
        fields, structure = take_apart(row)
        return cls(text=as_one(fields), fields=fields, structure=structure, **facts)

    def __post_init__(self) -> None:
        if self.structure is not None and self.text != as_one(self.fields):
            raise ValueError(f"document {self.id} is a row of several texts: change it with `changed`, not its text")

    @property
    def text_digest(self) -> str:
        """Return the sha256 of the text's UTF-8 bytes. For a row, the digest covers its structure and all its texts."""
        whole = self.text if self.structure is None else canonical_json([self.structure, self.texts()])
        return hashlib.sha256(whole.encode()).hexdigest()

    @property
    def place(self) -> str:
        """Return the document's id, with its place in its source if the place is known."""
        path, record = self.meta.get("path"), self.meta.get("record")
        where = f"{path}, record {record}" if record is not None else path
        return f"{where} (document {self.id})" if path else f"document {self.id}"

    def texts(self) -> list[str]:
        """Return every text, codes such as roles and keys too."""
        return [self.text] if self.structure is None else [field.text for field in self.fields]

    def changed(self, change: Callable[[str], str], *, codes: bool = False) -> Document:
        """Return the document with each of its texts changed alone, in their order. `codes`: codes of a row too."""
        if self.structure is None:
            return replace(self, text=change(self.text))
        fields = changed(self.fields, change, codes=codes)
        return replace(self, fields=fields, text=as_one(fields))

    def lacks_all_of(self, before: Document) -> bool:
        """Return whether nothing is left of the texts that the document had `before`. Roles and keys do not count."""
        if self.structure is None:
            return not self.text.strip()
        return not any(self.fields[place].text.strip() for place in places_of_texts(before.fields))

    def row(self) -> dict[str, Any]:
        """Return the fields by name, as the source had them. For a text alone: its kept fields and `text`."""
        if self.structure is None:
            return {**self.meta, "text": self.text}
        return put_together(self.structure, self.texts())

    def value(self, name: str) -> Any:
        """Return the value at a path of the kept fields, the text (`text`), or a value of the row, or None."""
        found = value_at(self.meta, name)
        return value_at(self.row(), name) if found is None else found


@dataclass(frozen=True)
class Documents(Handle):
    """A folder of document shards."""

    holds: ClassVar[str] = "documents"

    def shards(self) -> list[Path]:
        """Return the Parquet files, in order."""
        return sorted(self.path.glob("part-*.parquet"))

    def iterate(self) -> Iterator[Document]:
        """Yield every document, shard by shard."""
        for shard in self.shards():
            yield from read_shard(shard)

    def count(self) -> int:
        """Return the number of documents, which the shards' footers state."""
        return sum(pq.read_metadata(shard).num_rows for shard in self.shards())


def read_shard(file: Path | IO[bytes]) -> list[Document]:
    """Return the documents of one shard. Raises LmworksError if the shard is damaged."""
    names = [name for name in (*COLUMNS, *ROW_COLUMNS, CLUSTER) if name != "text_digest"]
    return [_document(row) for row in read_columns(file, names).to_pylist()]


def _document(row: dict[str, Any]) -> Document:
    names, texts = row.pop("field_names", None), row.pop("field_texts", None)
    fields = tuple(map(Field, names, texts)) if names else ()
    return Document(**{**row, "meta": json.loads(row["meta"]), "fields": fields})


def write_shard(path: Path, documents: Iterable[Document]) -> None:
    """Write documents sorted by id."""
    rows = sorted(documents, key=lambda document: document.id)
    columns: dict[str, list[str | None]] = {name: [getattr(row, name) for row in rows] for name in COLUMNS[:-1]}
    columns["meta"] = [json.dumps(row.meta, sort_keys=True, ensure_ascii=False) for row in rows]
    arrays = {name: _strings(values) for name, values in columns.items()}
    if any(row.structure is not None for row in rows):
        arrays["field_names"] = _lists([[field.name for field in row.fields] for row in rows])
        arrays["field_texts"] = _lists([[field.text for field in row.fields] for row in rows])
        arrays["structure"] = _strings([row.structure for row in rows])
    if any(row.cluster is not None for row in rows):
        arrays[CLUSTER] = _strings([row.cluster for row in rows])
    write_table(path, pa.table(arrays))


def _lists(values: Sequence[Sequence[str]]) -> pa.Array:
    edges = np.concatenate(([0], np.cumsum([len(each) for each in values], dtype=np.int64))).astype(np.int32)
    buffers = [None, pa.py_buffer(edges)]
    inside = _strings(list(chain.from_iterable(values)))
    return pa.Array.from_buffers(pa.list_(pa.string()), len(values), buffers, children=[inside])


def _strings(values: Sequence[str | None]) -> pa.Array:
    """Return a column of texts. `pa.array` would import pandas if it is installed, which delays every worker."""
    encoded = [b"" if value is None else value.encode() for value in values]
    edges = np.concatenate(([0], np.cumsum([len(each) for each in encoded], dtype=np.int64)))
    if edges[-1] >= 2**31:
        raise LmworksError(f"a shard has {edges[-1]:,} bytes of text, but only 2 GiB fit; lower `shard_bytes`")
    present = np.packbits(np.array([value is not None for value in values], bool), bitorder="little")
    buffers = (present, edges.astype(np.int32), b"".join(encoded))
    return pa.Array.from_buffers(pa.string(), len(encoded), [pa.py_buffer(each) for each in buffers])


def as_array(values: Sequence[str | None] | NDArray[Any]) -> pa.Array:
    """Return a column of texts (or None), or of the numbers of an array, in which NaN stands for no number."""
    if not isinstance(values, np.ndarray) or values.dtype == object:
        return _strings(list(values))
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def values_of(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return the input of `as_array`: numbers, or texts as objects. pyarrow's own conversion can import pandas."""
    if pa.types.is_string(column.type):
        found: NDArray[Any] = np.empty(len(column), object)
        found[:] = column.to_pylist()
        return found
    kind = np.dtype(column.type.to_pandas_dtype())
    parts = [np.frombuffer(each.buffers()[1], kind, len(each), each.offset * kind.itemsize) for each in column.chunks]
    return np.concatenate([np.zeros(0, kind), *parts])


def filter_rows(table: pa.Table, keep: NDArray[np.bool_]) -> pa.Table:
    """Return some rows of a table, without `pa.array`, which would import pandas if it is installed."""
    bits = pa.py_buffer(np.packbits(keep, bitorder="little"))
    return table.filter(pa.BooleanArray.from_buffers(pa.bool_(), len(table), [None, bits]))


def write_table(path: Path, table: pa.Table) -> None:
    """Write the columns of a shard."""
    write_atomically(path, table_bytes(table))


def table_bytes(table: pa.Table) -> bytes:
    """Return a shard as a Parquet file. It has no times or library schema, so that equal documents give equal bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.combine_chunks(),
        sink,
        row_group_size=10_000,
        compression="zstd",
        compression_level=3,
        use_dictionary=["source", "licence", "language", "structure", "field_names.list.element"],
        store_schema=False,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_columns(file: Path | IO[bytes], names: Sequence[str] | None = None) -> pa.Table:
    """Return some columns of a shard, or all. Raises LmworksError if the shard is damaged.

    pyarrow's `read_table` takes twice as long and imports its query engine.
    """
    try:
        with pq.ParquetFile(file) as opened:
            return opened.read(names)
    except (pa.ArrowException, OSError) as error:
        if not isinstance(file, Path):
            raise
        raise damaged(file, error) from error


def ids_of(shard: Path) -> NDArray[np.bytes_]:
    """Return the ids of one shard [N], in order."""
    column = read_columns(shard, ["id"]).column("id").combine_chunks()
    _, edges, content = column.buffers()
    edges = np.frombuffer(edges, np.int32, len(column) + 1, 4 * column.offset)
    length = int(edges[1] - edges[0]) if len(column) else 0
    if length and (np.diff(edges) == length).all():  # as those that ingest gives: no text a document
        return np.frombuffer(content, f"S{length}", len(column), int(edges[0]))
    return np.array(column.to_pylist(), "S")


def clusters_of(shards: Sequence[Path]) -> dict[int, str]:
    """Return the cluster of each document that has one, by its number across all shards."""
    found: dict[int, str] = {}
    first = 0
    for shard in shards:
        table = read_columns(shard, [CLUSTER])
        for column in table.columns:
            found |= {first + row: name for row, name in enumerate(column.to_pylist()) if name is not None}
        first += len(table)
    return found


def shard_ids(folder: Path) -> Iterator[str]:
    """Yield the ids of all shards of a folder, in order, without the texts."""
    ids = _sorted_ids(folder)
    for start in range(0, len(ids), 65536):
        yield from ids[start : start + 65536].astype("U").tolist()


def _sorted_ids(folder: Path) -> NDArray[np.bytes_]:
    found = [ids_of(shard) for shard in Documents(folder, "").shards()]
    return np.sort(np.concatenate(found), kind="stable") if found else np.zeros(0, "S1")  # each shard is sorted


def write_ids(folder: Path, ids: Iterable[str]) -> None:
    """Write sorted ids to `ids.txt`, so that a document can be found in an artifact without opening its shards."""
    lines = "\n".join(ids)
    write_atomically(folder / "ids.txt", f"{lines}\n" if lines else "")


def write_shard_ids(folder: Path, out: Path | None = None) -> None:
    """Write the ids of all shards of a folder as `write_ids` does, into this folder or into `out`."""
    lines = b"\n".join(_sorted_ids(folder).tolist())
    write_atomically((out or folder) / "ids.txt", lines + b"\n" if lines else b"")


def write_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, with the keys in their given order."""
    write_atomically(path, ((json.dumps(record, ensure_ascii=False) + "\n").encode() for record in records))
