"""A constitution on a tiny model, from its answers to a model that follows the rule more often."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from e2e.answering import answers
from e2e.small_recipe import lmworks
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from tiny import make_tiny_model

pytestmark = pytest.mark.slow
SMALL = "sequence_length: 128, global_batch_tokens: 768, data_type: float32, threads: 1, compile: false"
RECIPE = """\
name: rules
use_case: answers that hold an s
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: questions, licence: MIT, fields: all}]
    licences: {allow: [permissive]}
  split: {kind: split, from: raw, test: 0.2, validation: 0.1}
  train: {kind: conversations, from: split.train}
  test: {kind: conversations, from: split.test}
  candidates: {kind: answers, model: base, data: train, samples: 6, max_tokens: 12, cut: keep}
  judged:
    kind: constitution
    from: candidates
    rules: [{kind: regex, pattern: '.*s.*'}, {kind: words, avoid: [zebra], weight: 0.5}]
  taught: {kind: answers, model: aligned, data: train, max_tokens: 12, limit: 30, cut: keep}
  both: {kind: mix, parts: {new: {from: taught, weight: 3}, old: {from: train, weight: 1}}}
models:
  base: {objective: pretrained, path: base, licence: MIT}
  aligned:
    {objective: dpo, from: base, tokenizer: base, data: judged, steps: 40, learning_rate: 0.004, beta: 0.1, SMALL}
  student:
    {objective: sft, from: base, tokenizer: base, data: both, steps: 2, SMALL}
evaluate:
  models: [base, aligned, student]
  tasks: [{kind: rules, data: test, max_tokens: 12, rules: [{kind: regex, pattern: '.*s.*'}]}]
""".replace("SMALL", SMALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    make_tiny_model(folder / "base")
    (folder / "questions").mkdir()
    lines = [json.dumps({"question": f"What does bucket {number} do?", "answer": "It lists"}) for number in range(200)]
    (folder / "questions" / "lines.jsonl").write_text("\n".join(lines))
    (folder / "recipe.yaml").write_text(RECIPE)
    lmworks(folder, "build", "recipe.yaml")
    return folder


def payload(folder: Path, step: str) -> Path:
    return Path(lmworks(folder, "show", step, "--path").stdout.strip())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_pairs_obey_the_rules_and_say_which_rule_decided(project: Path) -> None:
    pairs = lines(payload(project, "judged") / "preferences.jsonl")
    assert len(pairs) > 50
    for pair in pairs:
        chosen, rejected = (turns[-1]["content"] for turns in (pair["chosen"], pair["rejected"]))
        assert "s" in chosen and "s" not in rejected
        assert pair["decided"] == {"regex": 1, "words": 0} and pair["margin"] == 1
    asked = lines(payload(project, "train") / "conversations.jsonl")
    assert {pair["id"] for pair in pairs} <= {record["id"] for record in asked}
    assert {pair["document"] for pair in pairs} <= {record["document"] for record in asked}


def test_a_model_that_is_aligned_by_them_follows_the_rule_more_often(project: Path) -> None:
    shares = {
        name: json.loads((payload(project, f"evaluate/rules-test/{name}") / "figures.json").read_text())[0]["value"]
        for name in ("base", "aligned")
    }
    assert shares["aligned"] > shares["base"] + 0.3, shares


def test_the_judgements_stand_in_the_data_report_and_in_the_card(project: Path) -> None:
    judged = len(lines(payload(project, "judged") / "preferences.jsonl"))
    folder = project / ".lmworks" / "reports"
    assert f"judged: {judged} judgements" in (folder / "rules-data.html").read_text()
    assert f"Its training data: {judged} judgements (judged)" in (folder / "rules-aligned-card.md").read_text()


def test_what_was_learned_before_is_read_again_beside_it(project: Path) -> None:
    packed = json.loads((payload(project, "student/data") / "shards.json").read_text())
    parts = [
        json.loads((payload(project, f"student/data/{name}") / "shards.json").read_text()) for name in ("new", "old")
    ]
    assert packed["parts"] == [["new", parts[0]["rows"]], ["old", parts[1]["rows"]]]
    assert packed["dropped"] == 0 and packed["trained_tokens"] == sum(part["trained_tokens"] for part in parts)
    record = json.loads((payload(project, "evaluate/rules-test") / "comparison.json").read_text())
    told = [line for line in record["verdicts"] if "from which it was trained" in line]
    assert {line.split(": ")[1].split(" is ")[0] for line in told} == {"aligned", "student"}
    assert any(
        line.startswith("learned: aligned is better than base, from which it was trained, by 0.8") for line in told
    )


def test_a_student_is_tuned_on_what_its_teacher_says(project: Path) -> None:
    (taught, *_) = lines(payload(project, "taught") / "conversations.jsonl")
    assert len((payload(project, "student/data/new") / "ids.txt").read_text().split()) == 30, "documents of the prompts"
    engine = open_decoder(payload(project, "aligned"))
    prompt, _ = engine.tokenizer.encode_chat(taught["messages"][:-1], True)
    (said,) = engine.generate([prompt], Sampling(12))
    assert taught["messages"][-1]["content"] == said.text.strip()


def test_the_aligned_model_answers(project: Path) -> None:
    assert len(answers(project, "aligned", ["What is a bucket?"])) == 1
