"""What a split goes by: a document's own fields, kept ones and ways into them; a field that nothing has is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.data.splits.groups import SplitConfig
from lmworks.data.splits.split import split
from lmworks.errors import UsageError
from lmworks.pipeline.stage import Result
from support import make_context

PEOPLE = [f"Ottilie Quastenflosser {number}" for number in range(6)]


def written(folder: Path, *, rows: bool) -> Documents:
    folder.mkdir()
    made = []
    for number in range(24):
        facts: dict[str, Any] = {
            **{"id": f"{number:032x}", "source": f"s{number % 6}", "licence": f"L{number % 6}"},
            **{"language": f"l{number % 6}", "subject": PEOPLE[number % 6], "created": f"202{number % 6}-01-01"},
            "meta": {"place": {"town": f"t{number % 6}"}},
        }
        row = {"prompt": f"p {number}", "about": {"ward": f"w{number % 6}"}}
        made.append(Document.of_row(row, **facts) if rows else Document(text=f"p {number}", **facts))
    write_shard(folder / "part-00000.parquet", made)
    return Documents(folder, "raw")


def run(folder: Path, by: str, said: list[str], *, rows: bool = False, **more: Any) -> Result:
    folder.mkdir(exist_ok=True)
    context = make_context(folder)
    object.__setattr__(context, "log", said.append)
    config = SplitConfig.model_validate({"from": "raw", "by": by, "test": 2, "validation": 1, **more})
    return split(config, written(folder / "in", rows=rows), out=folder / "out", context=context)


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("by", ["subject", "language", "licence", "source", "created", "place.town"])
def test_a_split_goes_by_fields_of_the_document(tmp_path: Path, by: str, rows: bool) -> None:
    run(tmp_path, by, [], rows=rows)
    groups = {
        part: {document.source for document in Documents(tmp_path / "out" / part, "").iterate()}
        for part in ("train", "validation", "test")
    }
    assert {part: len(found) for part, found in groups.items()} == {"train": 3, "validation": 1, "test": 2}
    assert not groups["train"] & groups["test"] and not groups["train"] & groups["validation"]


def test_a_way_into_a_row(tmp_path: Path) -> None:
    run(tmp_path, "about.ward", [], rows=True)
    assert json.loads((tmp_path / "out" / "groups.json").read_text())["groups"] == 6


def test_whom_a_split_by_subject_holds_out_is_not_written_down(tmp_path: Path) -> None:
    said: list[str] = []
    result = run(tmp_path, "subject", said)
    listing = (tmp_path / "out" / "groups.json").read_text()
    assert json.loads(listing)["groups"] == 6
    assert "Quastenflosser" not in listing + repr(result.examples) + repr(said)


@pytest.mark.parametrize("more", [{}, {"assign": "balance"}])
@pytest.mark.parametrize("rows", [False, True])
def test_a_field_that_no_document_has_is_told(tmp_path: Path, rows: bool, more: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"no document has a field 'sujbect'.*place.*did you mean 'subject'"):
        run(tmp_path, "sujbect", [], rows=rows, **more)


def test_folds_by_a_field_that_no_document_has_are_told(tmp_path: Path) -> None:
    config = SplitConfig.model_validate({"from": "raw", "by": "sujbect", "folds": 2})
    with pytest.raises(UsageError, match="no document has a field 'sujbect'"):
        split(config, written(tmp_path / "in", rows=False), out=tmp_path / "out", context=make_context(tmp_path))
