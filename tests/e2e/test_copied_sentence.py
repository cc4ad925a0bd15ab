"""A folder of texts with summaries, for which nothing is tuned: a copied sentence is measured and served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmworks.cli import app
from lmworks.engines.open import open_engine
from lmworks.engines.request import Sampling
from lmworks.errors import LmworksError
from lmworks.model.baselines.writer import WRITERS
from start.test_recognised import elsewhere as elsewhere
from start.test_recognised import init

RESULTS = ["a third faster", "half as large", "twice as exact", "less costly"]


def write_papers(folder: Path, count: int) -> None:
    lines = []
    for number in range(count):
        found = f"We find that method {number} is {RESULTS[number % 4]} than all that came before."
        more = f"Machines of kind {number % 9} are everywhere. Nobody knows how they work on task {number}."
        row = {
            "heading": f"On a task {number}",
            "digest": f"Method {number} is {RESULTS[number % 4]}.",
            "body": f"{more} {found}",
        }
        lines.append(json.dumps({**row, "body": f"{row['body']} The code is on our page."}))
    (folder / "papers.jsonl").write_text("\n".join(lines))


def test_a_sentence_is_served_where_no_model_is_tuned(tmp_path: Path) -> None:
    write_papers(tmp_path, 240)
    said = init(tmp_path, "--task", "summarise", "--minutes", "6", "--budget-usd", "0")
    assert "a sentence of the text, by a choice that is learned from 240 pairs (body → digest)" in said
    built = CliRunner().invoke(app, ["build", str(tmp_path / "recipe.yaml")])
    assert built.exit_code == 0, built.output
    told = " ".join(built.output.split())
    assert "sentence is better than" in told
    assert "learned-sentence" not in told, "a baseline is not compared with itself"
    (tmp_path / "new.jsonl").write_text(
        json.dumps({"text": "Ships are slow. We find that method 999 is twice as exact than all before. It rains."})
    )
    out = tmp_path / "answers.jsonl"
    asked = ["predict", str(tmp_path / "recipe.yaml"), str(tmp_path / "new.jsonl"), "--out", str(out)]
    assert CliRunner().invoke(app, asked).exit_code == 0
    (row,) = map(json.loads, out.read_text().splitlines())
    assert row["predicted_text"] == "We find that method 999 is twice as exact than all before."


def test_summaries_in_a_column_of_any_name_count_as_examples(tmp_path: Path) -> None:
    write_papers(tmp_path, 240)
    said = init(tmp_path, "--task", "summarise", "--minutes", "6")
    assert "SmolLM2-135M tuned on 240 pairs (body → digest), or `sentence` where a gate refuses it" in said


@pytest.mark.parametrize("name", list(WRITERS))
def test_each_baseline_answers_when_its_folder_is_opened(name: str, tmp_path: Path) -> None:
    asked = "name: Blue gate, state: shut."
    pairs = [["name: Red door, state: open.", "The door is open."], [asked, "The gate is shut."]] * 4
    (tmp_path / "config.json").write_text(
        json.dumps({"lmworks_engine": "baseline", "lmworks_family": "encoder-decoder", "baseline": name})
    )
    (tmp_path / "pairs.json").write_text(json.dumps(pairs))
    engine = open_engine(tmp_path)
    (said,) = engine.generate([engine.encode([{"role": "user", "content": asked}])], Sampling(9))
    assert said.text
    (tmp_path / "pairs.json").write_text("[1]")
    with pytest.raises(LmworksError, match="pairs of source and target"):
        open_engine(tmp_path)
