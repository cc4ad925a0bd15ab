"""What the page for programmers shows, runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lmworks import open_recipe
from lmworks.engines.onnx_file import write_onnx
from lmworks.engines.open import open_decoder, open_engine
from readers import LABELS, write_reader
from test_programs import write_project
from tiny import make_tiny_model

PAGE = Path(__file__).parents[1] / "docs" / "programmers.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
LOADED_ELSEWHERE = "safetensors.tensorflow"
"""In the one block that the page itself says is run by no test."""


def run(blocks: list[str]) -> dict[str, object]:
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    return names


def test_a_recipe_is_built_read_asked_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = run([block for block in BLOCKS if "onnx" not in block and LOADED_ELSEWHERE not in block])
    assert len(names["pairs"]) == 60 and names["wrong"] == []  # type: ignore[arg-type]
    assert open_recipe("recipe.yaml").figures


@pytest.mark.slow
def test_a_classifier_and_a_writer_are_loaded_by_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_reader(tmp_path / "sorter", "sequence classifier")
    make_tiny_model(tmp_path / "writer")
    for name in ("sorter", "writer"):
        write_onnx(tmp_path / name, tmp_path / f"{name}.onnx")
    monkeypatch.chdir(tmp_path)
    names = run([block for block in BLOCKS if "onnxruntime" in block])
    said = open_engine(tmp_path / "sorter").classify(["Where is my parcel?", "Thanks"])
    assert names["labels"] == [each.label for each in said] and {*names["labels"]} <= {*LABELS}  # type: ignore[misc]
    engine = open_decoder(tmp_path / "writer")
    asked = engine.tokenizer.encode("The report")
    ids = names["ids"]
    assert isinstance(ids, list) and ids[: len(asked)] == asked and len(ids) == len(asked) + 8


def test_what_is_not_run_says_so() -> None:
    assert sum(LOADED_ELSEWHERE in block for block in BLOCKS) == 1
    assert "run by no test here" in PAGE.read_text("utf-8")
