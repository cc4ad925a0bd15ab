"""Tuning data is read, checked before anything is trained, and shown with its mask, by commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks, on_terminal
from published import write_published

pytestmark = pytest.mark.slow
RECIPE = """\
name: talk
use_case: talking about rain
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: turns, licence: MIT, fields: all}]
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
    assert "checked before training" in page
    assert "<mark>On day" in page


@pytest.mark.parametrize("asked", ["weights", "last"])
def test_turns_that_are_not_to_be_learned_from_are_told_and_the_model_is_built(project: Path, asked: str) -> None:
    weight = {"weight": 0} if asked == "weights" else {}
    turns = [
        [
            {"role": "user", "content": f"Rain {n}?"},
            {"role": "assistant", "content": f"On day {n % 5}.", **weight},
            {"role": "user", "content": f"And {n}?"},
            {"role": "assistant", "content": f"On night {n}."},
        ]
        for n in range(12)
    ]
    (project / "turns" / "lines.jsonl").write_text("".join(json.dumps({"messages": each}) + "\n" for each in turns))
    recipe = RECIPE.replace("sequence_length: 64", "sequence_length: 128")
    last = recipe.replace("from: raw}", "from: raw, learn: last}")
    (project / "recipe.yaml").write_text(last if asked == "last" else recipe)
    said = lmworks(project, "check", "recipe.yaml", "tuned").stdout
    assert "words of all 12 assistant turns in 12 samples are trained" in said
    assert "12 turns are not trained, as the data say" in said
    lmworks(project, "build", "recipe.yaml")
    assert list((project / ".lmworks" / "artifacts").glob("train/*"))


def test_a_check_on_a_terminal_colours_what_is_learned_and_nothing_else(project: Path) -> None:
    lines = project / "turns" / "lines.jsonl"
    lines.write_text(lines.read_text().replace("Rain", "Rain\\u001b[32m\\u202e\\u200f"))
    said = on_terminal(project, "check", "recipe.yaml", "tuned")
    assert "\x1b[32mOn day" in said and "what is green is learned" in said
    assert not re.search(r"\\u00[01]", said.replace(r"Rain\u001b[32m", "Rain[32m"))
    assert "\u202e" not in said and not re.search("Rain.{0,3}\x1b", said)
    piped = lmworks(project, "check", "recipe.yaml", "tuned").stdout
    assert "⟦On day" in piped and "\x1b" not in piped


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


ALIGNED = (
    RECIPE
    + """\
  aligned:
    {objective: dpo, from: base, tokenizer: base, data: judged, sequence_length: 64, global_batch_tokens: 256, steps: 2,
    data_type: float32, threads: 1, compile: false}
  learned:
    {objective: grpo, from: base, tokenizer: base, data: chats, rewards: [{kind: length, most: 2}], answer_tokens: 8,
    group_size: 4, sequence_length: 64, global_batch_tokens: 512, steps: 2, data_type: float32, threads: 1,
    compile: false}
"""
).replace(
    "models:\n",
    """\
  raw_pairs:
    kind: ingest
    sources: [{kind: files, path: pairs, licence: MIT, fields: all}]
    licences: {allow: [permissive]}
  judged: {kind: preferences, from: raw_pairs}
models:
""",
)


def test_judged_answers_and_prompts_are_checked_and_refused_before_anything_is_trained(project: Path) -> None:
    (project / "pairs").mkdir()
    pairs = [{"prompt": f"Rain {n}?", "chosen": f"On day {n}.", "rejected": "No."} for n in range(12)]
    (project / "pairs" / "lines.jsonl").write_text("".join(json.dumps(each) + "\n" for each in pairs))
    (project / "recipe.yaml").write_text(ALIGNED)
    said = lmworks(project, "check", "recipe.yaml").stdout
    assert "words of all 24 answers in 12 groups are trained" in said and "of 12 judgements 0 dropped" in said
    assert "all 11 end as the chat template begins an answer" in said and "mean reward" in said
    strict = ["--set", "learned.answer_tokens=4", "--set", "learned.rewards=[{kind: exact-answer}]"]
    refused = lmworks(project, "build", "recipe.yaml", *strict, code=3).stderr
    assert "the check of learned refuses" in refused and "answers out of reach" in refused
    assert not list((project / ".lmworks" / "artifacts").glob("train/*"))


def test_the_reward_of_the_docs_is_tried_and_one_that_fails_is_refused_before_training(project: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def score" in block)
    turns = [[{"from": "human", "value": f"5 and {n}?"}, {"from": "gpt", "value": str(n + 5)}] for n in range(12)]
    lines = [json.dumps({"conversations": each}) + "\n" for each in turns]
    (project / "turns" / "lines.jsonl").write_text("".join(lines))
    (project / "close.py").write_text(code)
    policy = ALIGNED[ALIGNED.index("  learned:") :].replace("{kind: length, most: 2}", "{kind: python, file: close.py}")
    (project / "recipe.yaml").write_text(RECIPE.partition("  tuned:")[0] + policy)
    said = lmworks(project, "check", "recipe.yaml", "learned").stdout
    assert "close: 1.00 for some of the data's own answers, 0.00 for tokens at random" in " ".join(said.split())
    assert re.search(r"mean reward 0(\.\d+)? of answers of .* \d+% of the groups teach", " ".join(said.split()))
    (project / "close.py").write_text(code.replace("if not found or not ended:\n        return 0", ""))
    said = lmworks(project, "build", "recipe.yaml", code=3).stderr
    assert "reward close: fails on" in said and "close.py: IndexError in line 8: list index out of range" in said
    (project / "close.py").write_text(code.replace("import re", "import numpy"))
    said = lmworks(project, "check", "recipe.yaml", code=2).stderr
    assert "close.py:1: imports numpy, which is not available where rewards run" in said
    assert not list((project / ".lmworks" / "artifacts").glob("train/*"))
