"""Documents on disk."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.shards.records import COLUMNS, Document, Documents, read_shard, shard_ids, write_shard
from lmworks.pipeline.files import write_atomically

some_text = st.text(st.characters(exclude_categories=["Cs"]))
some_documents = st.lists(
    st.builds(
        Document,
        id=st.text("0123456789abcdef", min_size=4, max_size=4),
        text=some_text,
        source=some_text,
        licence=st.just("MIT"),
        language=st.none() | st.just("en"),
        meta=st.dictionaries(some_text, some_text),
    ),
    unique_by=lambda document: document.id,
)


@given(some_documents)
def test_what_is_written_is_read_back_sorted_by_id(tmp_path_factory: object, documents: list[Document]) -> None:
    path = Path(str(tmp_path_factory.mktemp("shard"))) / "part-00000.parquet"  # type: ignore[attr-defined]
    write_shard(path, documents)
    assert read_shard(path) == sorted(documents, key=lambda document: document.id)


def test_bytes_depend_on_the_documents_alone(tmp_path: Path) -> None:
    documents = [
        Document(id=name, text=f"text {name}", source="s", licence="MIT", meta={"b": 1, "a": 2}) for name in "ab"
    ]
    write_shard(tmp_path / "one.parquet", documents)
    write_shard(tmp_path / "two.parquet", reversed(documents))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_columns_are_plain_and_carry_the_digest(tmp_path: Path) -> None:
    write_shard(
        tmp_path / "part-00000.parquet", [Document(id="a", text="é", source="s", licence="MIT", meta={"k": "é"})]
    )
    assert pq.read_metadata(tmp_path / "part-00000.parquet").metadata is None
    table = pq.read_table(tmp_path / "part-00000.parquet")
    assert tuple(table.column_names) == COLUMNS
    row = table.to_pylist()[0]
    assert row["text_digest"] == hashlib.sha256("é".encode()).hexdigest()
    assert row["meta"] == '{"k": "é"}'
    assert row["language"] is None


def test_ids_of_several_shards_are_merged_in_order(tmp_path: Path) -> None:
    for number, names in enumerate(("ad", "bc")):
        shard = [Document(id=name, text="t", source="s", licence="MIT") for name in names]
        write_shard(tmp_path / f"part-{number:05d}.parquet", shard)
    assert "".join(shard_ids(tmp_path)) == "abcd"
    assert Documents(tmp_path, "").count() == 4


def test_two_processes_that_write_one_file_do_not_spoil_it(tmp_path: Path) -> None:
    path = tmp_path / "part"

    def interrupted() -> Iterator[bytes]:
        yield b"the same "
        code = "from pathlib import Path; from lmworks.pipeline.files import write_atomically as write; "
        code += "write(Path({!r}), {!r})"
        subprocess.run([sys.executable, "-c", code.format(str(path), b"the same text")], check=True)
        yield b"text"

    write_atomically(path, interrupted())
    assert path.read_bytes() == b"the same text"
    assert list(tmp_path.iterdir()) == [path]
