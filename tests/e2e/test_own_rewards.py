"""A policy learns from a file of the user's own, a classifier of her labels and a list with its source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks
from tiny import make_tiny_model

pytestmark = pytest.mark.slow
RECIPE = """\
name: kind
use_case: answers that hurt nobody
plan: {measure: false}
data:
  questions:
    kind: ingest
    sources: [{kind: files, path: questions, licence: MIT, fields: all}]
    licences: {allow: [permissive]}
  split: {kind: split, from: questions, test: 0.2, validation: 0.1}
  train: {kind: conversations, from: split.train}
  validation: {kind: conversations, from: split.validation}
  test: {kind: conversations, from: split.test}
  judged:
    kind: ingest
    sources: [{kind: files, path: judged, licence: MIT, label_field: label}]
    licences: {allow: [permissive]}
models:
  base: {objective: pretrained, path: base, licence: MIT}
  tone: {objective: bag-of-words, data: judged}
  learned:
    objective: grpo
    from: base
    tokenizer: base
    data: train
    validation: validation
    rewards:
      - {kind: python, file: short.py}
      - {kind: classifier, model: tone, labels: [kind]}
      - {kind: words, avoid: list.txt, source: our moderators, weight: 0}
    sequence_length: 128
    answer_tokens: 8
    group_size: 4
    global_batch_tokens: 1024
    steps: 3
    validation_rows: 4
    data_type: float32
    threads: 1
    compile: false
evaluate:
  models: [base, learned]
  tasks:
    - kind: rules
      data: test
      max_tokens: 8
      rules: [{kind: python, file: short.py}, {kind: words, avoid: list.txt, source: our moderators}]
"""
SHORT = "def score(answer, prompt, ended):\n    return len(answer) < len(prompt[-1]['content'])\n"


def test_own_rewards_teach_are_measured_and_enter_the_key(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "base")
    for name, records in (
        ("questions", [{"question": f"What does bucket {n} do?", "answer": "It lists"} for n in range(60)]),
        ("judged", [{"text": f"{word} {word}s {n % 3}", "label": label} for n in range(20) for word, label in
                    (("good", "kind"), ("fool", "toxic"))]),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "lines.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    (tmp_path / "list.txt").write_text("fool*\n")
    (tmp_path / "short.py").write_text(SHORT)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    lmworks(tmp_path, "build", "recipe.yaml")
    folder = Path(lmworks(tmp_path, "show", "learned", "--path").stdout.strip())
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert all({"short reward", "tone reward", "words reward"} <= line.keys() for line in history)
    assert all(0 < line["tone reward"] < 1 and not line["unscored"] for line in history)
    assert json.loads((folder.parent / "manifest.json").read_text())["config"]["rewards"][0]["code"] == SHORT
    report = (tmp_path / ".lmworks" / "reports" / "kind.html").read_text()
    assert "answers that follow all rules (short, words (1 of our moderators))" in report
    again = lmworks(tmp_path, "build", "recipe.yaml")
    assert "] learned: reused" in again.stdout + again.stderr
    (tmp_path / "short.py").write_text(SHORT.replace("<", ">"))
    again = lmworks(tmp_path, "build", "recipe.yaml")
    assert "] tone: reused" in again.stdout + again.stderr and "] learned: reused" not in again.stdout + again.stderr
