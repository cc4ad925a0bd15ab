"""Pairs of source and target are made of what documents hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from lmworks.data.shards.records import Document, Documents, write_ids, write_shard
from lmworks.data.tuning.conversations import Conversations
from lmworks.data.tuning.pairs import PairsConfig, pairs
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
    with pytest.raises(UsageError, match=r"'de', which none of its \d documents has"):
        make(documents, tmp_path / "out", target="de")


def several(folder: Path) -> Documents:
    """Three documents about two sources; one has a list of sentences and a list of targets."""
    made = [
        Document(id=name, text="-", source="s", licence="MIT", meta=meta)
        for name, meta in (
            ("a", {"source": "name[Mill]", "target": "The Mill."}),
            ("b", {"source": ["One.", " Two. "], "target": ["Both.", "1 and 2."]}),
            ("c", {"source": "name[Mill]", "target": "A mill."}),
            ("d", {"source": ["One."], "target": []}),
        )
    ]
    write_shard(folder / "part-00000.parquet", made)
    write_ids(folder, [document.id for document in made])
    return Documents(folder, "documents")


def test_each_of_several_targets_makes_a_pair_to_learn_from(tmp_path: Path) -> None:
    counts, made = make(several(tmp_path / "documents"), tmp_path / "out")
    mill, both = ("name[Mill]", "The Mill."), ("One. Two.", "Both.")
    assert made == [mill, both, ("One. Two.", "1 and 2."), ("name[Mill]", "A mill.")]
    assert counts == {"pairs": 4, "no target": 1}
    ids = [record["id"] for record in Conversations(tmp_path / "out", "").iterate()]
    assert len(set(ids)) == 4 and (tmp_path / "out" / "ids.txt").read_text() == "a\nb\nc\n"


def test_targets_of_one_source_are_kept_together_to_judge_by(tmp_path: Path) -> None:
    counts, made = make(several(tmp_path / "documents"), tmp_path / "out", targets="references")
    assert made == [("name[Mill]", "The Mill."), ("One. Two.", "Both.")]
    records = list(Conversations(tmp_path / "out", "").iterate())
    assert [record["references"] for record in records] == [["The Mill.", "A mill."], ["Both.", "1 and 2."]]
    assert (counts["pairs"], counts["references"]) == (2, 4)
    assert (tmp_path / "out" / "ids.txt").read_text() == "a\nb\nc\n", "erasing `c` must reach the pair of `a`"


def test_words_that_ask_stand_around_the_source(documents: Documents, tmp_path: Path) -> None:
    _, made = make(documents, tmp_path / "out", ask="{source}\n\nIn German?")
    assert made == [("Hello\n\nIn German?", "Hallo")]
    assert [record["source"] for record in Conversations(tmp_path / "out", "").iterate()] == ["Hello"]
    with pytest.raises(ValidationError, match="0 places for the source"):
        make(documents, tmp_path / "other", ask="In German?")


def test_what_is_kept_of_a_document_goes_along(tmp_path: Path) -> None:
    meta = {"source": "Hello", "target": "Hallo", "book": "a grammar"}
    write_shard(
        tmp_path / "in" / "part-00000.parquet", [Document(id="a", text="-", source="s", licence="MIT", meta=meta)]
    )
    config = PairsConfig.model_validate({"from": "x", "keep": ["book"]})
    pairs(config, Documents(tmp_path / "in", ""), out=tmp_path / "out", context=make_context(tmp_path / "work"))
    assert [each["meta"] for each in Conversations(tmp_path / "out", "").iterate()] == [{"book": "a grammar"}]
