"""Cutting lines out of web pages: each text by itself, counted, and none is changed by anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_support import documents_of, texts

from lmworks.data.quality.cut_lines import CutLinesConfig, cut_lines
from lmworks.data.records import Document, Documents, write_shard
from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Result
from support import make_context

SENTENCES = [f"Queue number {number} is owned by the account that made it." for number in range(3)]
PAGE = "\n".join(["Menu", *SENTENCES, "Contact | Help | Imprint | Login | Search"])


def run(tmp_path: Path, documents: Documents) -> tuple[Result, Path]:
    config = CutLinesConfig.model_validate({"from": "clean"})
    return cut_lines(config, documents, out=tmp_path / "out", context=make_context(tmp_path)), tmp_path / "out"


def test_lines_go_and_are_counted(tmp_path: Path) -> None:
    result, out = run(tmp_path, documents_of(tmp_path / "in", PAGE, "Menu"))
    assert texts(out) == ["\n".join(SENTENCES)]
    assert result.counts["line cut: no end of a sentence"] == 3
    assert result.counts["nothing left"] == 1
    assert result.examples[0]["text"] == "Menu"


def test_each_text_of_a_row_is_cut_by_itself(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": f"What is this?\n{SENTENCES[0]}"}, {"role": "assistant", "content": PAGE}]
    document = Document.of_row({"messages": turns}, id="a", source="s", licence="MIT")
    write_shard(tmp_path / "in" / "part-00000.parquet", [document])
    _, out = run(tmp_path, Documents(tmp_path / "in", ""))
    (found,) = Documents(out, "").iterate()
    assert [turn["content"] for turn in found.row()["messages"]] == [SENTENCES[0], "\n".join(SENTENCES)]
    assert [turn["role"] for turn in found.row()["messages"]] == ["user", "assistant"]


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match="nothing left"):
        run(tmp_path, documents_of(tmp_path / "in", "Menu"))
