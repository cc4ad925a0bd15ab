"""Steps of packages give documents on with the ids that they came with, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.data.shards.records import Document, Documents, write_ids, write_shard
from lmworks.data.shards.steps import Tally, map_shards
from lmworks.errors import LmworksError
from lmworks.recipe.schema import StepConfig
from support import make_context


def by_line(config: StepConfig, documents: list[Document]) -> tuple[dict[str, list[Document]], Tally]:
    """A document a line, with an id of its own."""
    return {"": [document_of(f"{index:032x}") for index in range(len(documents))]}, Tally()


def twice(config: StepConfig, documents: list[Document]) -> tuple[dict[str, list[Document]], Tally]:
    return {"": [*documents, *documents]}, Tally()


def odd(config: StepConfig, documents: list[Document]) -> tuple[dict[str, list[Document]], Tally]:
    return {"": [documents[1 // (len(documents) - 1)]]}, Tally()


def document_of(name: str) -> Document:
    return Document(id=name, text="A line.\nAnother.", source="s", licence="MIT")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (odd, r"test_kept_ids\.odd failed at document f{32} of .*part-00000\.parquet: ZeroDivisionError: "),
        (by_line, r"test_kept_ids\.by_line gives the document id 0{32}, which .*part-00000\.parquet does not hold"),
        (twice, r"test_kept_ids\.twice gives two documents the id f{32}"),
    ],
)
def test_ids_that_are_not_of_the_input_are_refused(tmp_path: Path, function, said: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "documents").mkdir()
    (tmp_path / "out").mkdir()
    write_shard(tmp_path / "documents" / "part-00000.parquet", [document_of("f" * 32)])
    write_ids(tmp_path / "documents", ["f" * 32])
    context = make_context(tmp_path)
    with pytest.raises(LmworksError, match=said):
        map_shards(Documents(tmp_path / "documents", "d"), function, StepConfig(), tmp_path / "out", context)
