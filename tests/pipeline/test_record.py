"""The record of a recipe's last build."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lmworks.errors import LmworksError
from lmworks.pipeline.record import BuildRecord, BuildRecords, KeyParts, StepRecord


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    parts = KeyParts(stage="mix", version=2, config={"seed": 1}, inputs={"documents": ["a", "b"]})
    record = BuildRecord(recipe="../recipe.yaml", settings=("mix.seed=1",), steps={"mix": StepRecord.of(parts)})
    records = BuildRecords(tmp_path)
    assert records.last is None and records.get(records.last) is None and not list(records)
    records.save("small", record)
    assert records.last == "small" and list(records) == [record]


def test_a_record_that_is_cut_short_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text('{"recipe": "../rec')
    with pytest.raises(
        LmworksError, match=r"small\.json: the record of a build cannot be read; delete the record and build"
    ):
        BuildRecords(tmp_path).get("small")


def test_a_pipe_in_place_of_a_record_is_told_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "small.json"
    os.mkfifo(pipe)

    def write() -> None:
        with os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "w") as end:
            end.write('{"recipe": "recipe.yaml"}')

    writer = threading.Timer(5, write)
    writer.start()
    with pytest.raises(
        LmworksError, match=r"small\.json: the record of a build cannot be read; delete the record and build"
    ):
        BuildRecords(tmp_path).get("small")
    writer.cancel()
    os.mkfifo(tmp_path / "last")
    with pytest.raises(LmworksError, match="last: this file names no build; delete the file"):
        print(BuildRecords(tmp_path).last)


def test_a_key_hangs_on_each_of_its_parts_and_no_package_is_none() -> None:
    parts = KeyParts(stage="mix", version=2, config={"seed": 1}, inputs={"documents": "a"})
    others = [
        parts.model_copy(update=change)
        for change in (
            {"stage": "split"},
            {"version": 3},
            {"config": {"seed": 2}},
            {"inputs": {"documents": ["a"]}},
            {"plugins": {"ours": "1"}},
        )
    ]
    assert len({each.key for each in (parts, *others)}) == 6
    assert parts.model_copy(update={"plugins": {}}).key == parts.key
    assert parts.without("seed").key == others[2].without("seed").key
