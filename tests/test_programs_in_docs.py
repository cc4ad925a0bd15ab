"""The programs on the pages for programmers run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lmworks import open_recipe
from lmworks.engines.onnx_file import write_onnx
from lmworks.engines.open import open_decoder, open_engine
from readers import LABELS, write_reader
from test_programs import write_project
from tiny import make_tiny_model

DOCS = Path(__file__).parents[1] / "docs"


def programs(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


def run(blocks: list[str]) -> dict[str, object]:
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "a page", "exec"), names)
    return names


def test_a_recipe_is_built_read_asked_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = run(programs("programmers.md"))
    assert len(names["pairs"]) == 60 and names["wrong"] == []  # type: ignore[arg-type]
    assert open_recipe("recipe.yaml").figures


@pytest.mark.slow
def test_a_classifier_and_a_writer_are_loaded_by_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_reader(tmp_path / "sorter", "sequence classifier")
    make_tiny_model(tmp_path / "writer")
    for name in ("sorter", "writer"):
        write_onnx(tmp_path / name, tmp_path / f"{name}.onnx")
    monkeypatch.chdir(tmp_path)
    names = run(programs("export.md"))
    said = open_engine(tmp_path / "sorter").classify(["Where is my parcel?", "Thanks"])
    assert names["labels"] == [each.label for each in said] and {*names["labels"]} <= {*LABELS}  # type: ignore[misc]
    engine = open_decoder(tmp_path / "writer")
    asked = engine.tokenizer.encode("The report")
    ids = names["ids"]
    assert isinstance(ids, list) and ids[: len(asked)] == asked and len(ids) == len(asked) + 8


def test_the_metric_of_the_page_is_found_and_counts(tmp_path: Path) -> None:
    """The two files of the page, laid out as pip installs them, bring a metric that counts short answers."""
    page = (DOCS / "extend.md").read_text("utf-8")
    (module,) = programs("extend.md")
    (project,) = (tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
    (tmp_path / "my_metrics.py").write_text(module)
    information = tmp_path / "my_metrics-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-metrics\nVersion: 1.0\n")
    ((group, points),) = project["project"]["entry-points"].items()
    lines = "".join(f"{name} = {target}\n" for name, target in points.items())
    (information / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    program = """
from lmworks.evaluate.text_metrics import TEXT_METRICS
from lmworks.evaluate.text_metrics.metric import Known, Written
judge = TEXT_METRICS["short"].judge(Known(asked=[]))
print([judge.fields(Written("", [], "word " * count))["short"] for count in (1, 12, 13)], *judge.methods)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "[1.0, 1.0, 0.0] share of answers of at most 12 words\n", done.stderr


def test_every_program_is_run() -> None:
    """By this file, or by the check of rewards for the one in policy.md."""
    pages = {page.name for page in DOCS.rglob("*.md") if "```python" in page.read_text("utf-8")}
    assert pages == {"programmers.md", "export.md", "extend.md", "policy.md"}
