"""Tuning data is read, checked before anything is trained, and shown with its mask, by commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks
from model.test_import_model import write_published

pytestmark = pytest.mark.slow
RECIPE = """\
name: talk
use_case: talking about rain
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: turns, licence: MIT, text_field: .}]
    licences: {allow: [permissive]}
  chats: {kind: conversations, from: raw}
models:
  base: {objective: pretrained, path: base, licence: Apache-2.0}
  tuned:
    objective: sft
    from: base
    tokenizer: base
    data: chats
    sequence_length: 64
    global_batch_tokens: 256
    steps: 2
    data_type: float32
    threads: 1
    compile: false
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_published(tmp_path / "base", "Llama")
    (tmp_path / "turns").mkdir()
    turns = [[{"from": "human", "value": f"Rain {n}?"}, {"from": "gpt", "value": f"On day {n}."}] for n in range(12)]
    turns[5] = turns[5][::-1]
    turns.append([turns[0][0], {"from": "gpt", "value": "On every day. " * 40}])
    lines = [json.dumps({"conversations": each}) + "\n" for each in turns]
    (tmp_path / "turns" / "lines.jsonl").write_text("".join(lines))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path


def test_a_check_shows_the_mask_and_what_was_found_and_trains_nothing(project: Path) -> None:
    said = lmworks(project, "check", "recipe.yaml", "tuned").stdout
    assert "⟦On day" in said
    assert "words of all 11 assistant turns in 11 samples are trained" in said
    assert "of 12 conversations 1 dropped" in said
    assert "gradient norm" in said
    assert not list((project / ".lmworks" / "artifacts").glob("train/*"))
    told = lmworks(project, "show", "chats", "--store", ".lmworks", code=2).stderr
    assert "no build" in told or "nothing was built" in told
    lmworks(project, "build", "recipe.yaml")
    assert "lines.jsonl" in lmworks(project, "show", "chats").stdout
    page = (project / ".lmworks" / "reports" / "talk.html").read_text()
    assert "Checked before training" in page
    assert "<mark>On day" in page


def test_a_check_that_refuses_says_why_with_exit_code_3_and_so_does_a_build(project: Path) -> None:
    strict = ["--set", "tuned.largest_lost_share=0.05"]
    for command in ("check", "build"):
        said = lmworks(project, command, "recipe.yaml", *strict, code=3).stderr
        assert "the check of tuned refuses" in said
        assert "1 dropped of 12 conversations, more than 5%" in said
    assert not list((project / ".lmworks" / "artifacts").glob("train/*"))


def test_memory_that_no_machine_has_is_refused_with_exit_code_3(project: Path) -> None:
    much = ["--set", "tuned.micro_batch_rows=100000000", "--set", "tuned.global_batch_tokens=6400000000"]
    assert "GiB" in lmworks(project, "check", "recipe.yaml", *much, code=3).stderr


def test_a_model_that_is_not_tuned_is_not_checked(project: Path) -> None:
    assert "models that are tuned: tuned" in lmworks(project, "check", "recipe.yaml", "base", code=2).stderr
