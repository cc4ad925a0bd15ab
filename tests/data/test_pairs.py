"""Pairs of source and target are made of what documents hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.data.conversations import Conversations
from lmworks.data.documents import Document, Documents, write_ids, write_shard
from lmworks.data.pairs import PairsConfig, pairs
from lmworks.errors import UsageError
from support import make_context

MADE = (
    ("a", "Hello", {"source": " Hello ", "target": "Hallo"}),
    ("b", "Good day", {"source": "Good day", "target": None}),
    ("c", "Bye", {"target": "Tschüss"}),
)


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    folder = tmp_path / "documents"
    made = [Document(id=name, text=text, source="s", licence="MIT", meta=meta) for name, text, meta in MADE]
    write_shard(folder / "part-00000.parquet", made)
    write_ids(folder, [document.id for document in made])
    return Documents(folder, "documents")


def make(documents: Documents, folder: Path, **fields: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    config = PairsConfig.model_validate({"from": "x", **fields})
    result = pairs(config, documents, out=folder, context=make_context(folder))
    found = [[each["content"] for each in record["messages"]] for record in Conversations(folder, "").iterate()]
    return dict(result.counts), [(source, target) for source, target in found]


def test_documents_without_a_side_are_counted(documents: Documents, tmp_path: Path) -> None:
    counts, made = make(documents, tmp_path / "out")
    assert made == [("Hello", "Hallo")]
    assert counts == {"pairs": 1, "no target": 1, "no source": 1}
    assert (tmp_path / "out" / "ids.txt").read_text() == "a\n"


def test_the_text_itself_can_be_a_side(documents: Documents, tmp_path: Path) -> None:
    _, made = make(documents, tmp_path / "out", source="text")
    assert made == [("Hello", "Hallo"), ("Bye", "Tschüss")]


def test_fields_that_no_document_has_are_named(documents: Documents, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'de'.*keep"):
        make(documents, tmp_path / "out", target="de")
