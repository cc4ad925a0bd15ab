"""Test items that were planted in training text are told by every evaluation, and only they."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from data.tiny_encoders import write_encoder
from e2e.small_recipe import lmworks, made
from tiny import make_tiny_model

pytestmark = pytest.mark.slow
SMALL = "sequence_length: 512, global_batch_tokens: 1024, steps: 2, data_type: float32, threads: 1, compile: false"
RECIPE = """\
name: exam
use_case: telling what was learned by heart
plan: {measure: false}
data:
  pool:
    kind: ingest
    sources: [{kind: files, path: pool, licence: MIT}]
    licences: {allow: [permissive]}
    shard_bytes: 4096
  texts: {kind: ingest, sources: [{kind: files, path: exam, licence: MIT}], licences: {allow: [permissive]}}
  talks: {kind: ingest, sources: [{kind: files, path: talks, licence: MIT, fields: all}], \
licences: {allow: [permissive]}}
  quiz: {kind: ingest, sources: [{kind: files, path: quiz, licence: MIT, fields: all}], \
licences: {allow: [permissive]}}
  tuning: {kind: conversations, from: talks}
  questions: {kind: conversations, from: quiz}
tokenizer: {kind: bpe, vocab_size: 300, from: pool}
models:
  base: {objective: pretrained, path: base, licence: Apache-2.0}
  pretrain: {objective: causal-lm, from: scratch, data: pool, hidden_size: 32, num_layers: 1, SMALL}
  finetune: {objective: sft, from: pretrain, data: tuning, SMALL}
  tuned: {objective: sft, from: base, tokenizer: base, data: tuning, SMALL}
evaluate:
  models: [pretrain, finetune, base, tuned]
  tasks:
    - {kind: perplexity, data: texts}
    - {kind: exact-answer, data: questions, max_tokens: 4}
""".replace("SMALL", SMALL)
WORDS = [f"{first}{second}" for first in ("ba", "ki", "lo", "mu", "re", "so", "tu") for second in ("dan", "fel", "gor")]


def some_words(seed: object, count: int) -> str:
    return " ".join(random.Random(str(seed)).choices([*WORDS, *(word.title() for word in WORDS)], k=count))


def hide(number: int, text: str) -> str:
    """A text as somebody else would have it: other case, tags, line ends, or in the middle of more."""
    words = text.split()
    return [
        text,
        text.upper(),
        "<p>" + " ".join(f"<b>{word}</b>" for word in words) + "</p>",
        "\r\n".join(words),
        f"{some_words(f'before {number}', 30)}\n{text}, {some_words(f'after {number}', 30)}",
    ][number % 5]


def make_exam(folder: Path) -> Path:
    """Twenty texts, of which fifteen were learned from, and thirty questions, of which ten were."""
    exam = [some_words(f"text {number}", 40) for number in range(20)]
    quiz = [(some_words(f"ask {number}", 20), some_words(f"say {number}", 15)) for number in range(30)]
    pool = [some_words(f"pool {number}", 60) for number in range(60)]
    pool += [hide(number, text) for number, text in enumerate(exam[:15])]
    pool += [hide(number, question) for number, (question, _) in enumerate(quiz[:4])]
    talks = [(some_words(f"talk {number}", 20), some_words(f"reply {number}", 15)) for number in range(30)]
    talks += [(hide(number, quiz[number][0]), some_words(number, 12)) for number in (4, 5)]
    talks += [(some_words(number, 12), hide(number, quiz[number][1])) for number in (6, 7, 8)]
    talks += [(" ".join(quiz[9][0].split()[3:17]), "so it is")]  # 14 words of it
    for name, texts in (("pool", pool), ("exam", exam)):
        (folder / name).mkdir(parents=True)
        for number, text in enumerate(texts):
            (folder / name / f"{number:03}.txt").write_text(text)
    for name, pairs in (("talks", talks), ("quiz", quiz)):
        (folder / name).mkdir()
        rows = [json.dumps({"question": question, "answer": answer}) + "\n" for question, answer in pairs]
        (folder / name / "rows.jsonl").write_text("".join(rows))
    make_tiny_model(folder / "base", context_length=512)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_exam(tmp_path_factory.mktemp("exam"))
    lmworks(folder, "build", "recipe.yaml")
    return folder


QUICK = """\
name: quick
use_case: telling what was learned by heart in seconds
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: rows, licence: MIT, keep: [label, spans, source, target]}]
    licences: {allow: [permissive]}
  split: {kind: split, from: raw, by: id, test: 0.4}
models:
  words: {objective: bag-of-words, data: raw}
  phrases: {objective: dictionary, data: raw}
  words-apart: {objective: bag-of-words, data: split.train}
  phrases-apart: {objective: dictionary, data: split.train}
evaluate:
  models: [words, phrases, words-apart, phrases-apart]
  tasks:
    - {kind: classification, data: split.test, train: split.train}
    - {kind: extraction, data: split.test}
"""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that learn in seconds, each from all texts, and from those alone that are not asked for."""
    folder = tmp_path_factory.mktemp("quick")
    rows = []
    for number in range(120):
        text, label = some_words(f"row {number}", 30), "ab"[number % 2]
        spans = [{"start": 0, "end": len(text.split()[0]), "label": "FIRST"}]
        pair = {"source": text, "target": some_words(f"target {number}", 30)}
        rows.append(json.dumps({"text": text, "label": label, "spans": spans, **pair}))
    (folder / "rows").mkdir()
    (folder / "rows" / "rows.jsonl").write_text("\n".join(rows))
    (folder / "recipe.yaml").write_text(QUICK)
    lmworks(folder, "build", "recipe.yaml")
    return folder


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("classification-split-test", "words"),
        ("extraction-split-test", "phrases"),
    ],
)
def test_what_a_model_that_learns_in_seconds_knows_is_told(quick: Path, task: str, model: str) -> None:
    found, apart = (figure_of(quick, f"evaluate/{task}/{name}") for name in (model, f"{model}-apart"))
    n = len(items_of(quick, f"evaluate/{task}/{model}"))
    assert found["contamination"].startswith(f"{n} of {n} items stand in the 120 texts learned from"), found
    assert apart["contamination"].startswith(f"0 of {n} items stand in the "), apart
    assert apart["contamination"].endswith(f"; {n} are clean"), apart
    comparison = json.loads((payload(quick, f"evaluate/{task}") / "comparison.json").read_text())
    assert any(line.startswith(f"known to {model}: {n} of {n} items") for line in comparison["verdicts"])


def payload(folder: Path, step: str) -> Path:
    return Path(lmworks(folder, "show", step, "--path").stdout.strip())


def figure_of(folder: Path, step: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((payload(folder, step) / "figures.json").read_text())[0]
    return found


def items_of(folder: Path, step: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (payload(folder, step) / "items.jsonl").read_text().splitlines()]


def test_planted_texts_are_told_and_the_others_are_clean(exam: Path) -> None:
    said = figure_of(exam, "evaluate/perplexity-texts/pretrain")["contamination"]
    assert said.startswith("15 of 20 items stand in the 79 texts learned from (questions: 15 whole)"), said
    assert "5 are clean" in said
    found = [item["contamination"] for item in items_of(exam, "evaluate/perplexity-texts/pretrain")]
    assert (found.count("known"), found.count("clean")) == (15, 5)


def test_what_a_model_learned_is_sought_back_to_its_first_training(exam: Path) -> None:
    before, after = (figure_of(exam, f"evaluate/exact-answer-questions/{name}") for name in ("pretrain", "finetune"))
    assert before["contamination"].startswith("4 of 30 items"), before
    said = "10 of 30 items stand in the 115 texts learned from (questions: 6 whole, 1 in part; answers: 3"
    assert after["contamination"].startswith(said), after
    assert (before["clean_n"], after["clean_n"], after["n"]) == (26, 20, 30)
    by_part = [
        (item.get("question_found"), item.get("answer_found"))
        for item in items_of(exam, "evaluate/exact-answer-questions/finetune")
    ]
    assert by_part.count(("whole", "not found")) == 6 and by_part.count(("not found", "whole")) == 3


def test_of_published_weights_nothing_is_said_to_be_clean(exam: Path) -> None:
    for name, known in (("base", ""), ("tuned", "of what is known here, 6 of 30 items stand in the 36 texts")):
        figure = figure_of(exam, f"evaluate/exact-answer-questions/{name}")
        assert figure["contamination"].startswith("unknown: others trained base"), figure
        assert known in figure["contamination"]
        assert "clean_value" not in figure and "are clean" not in figure["contamination"]


def test_the_verdict_stands_in_report_cards_and_comparison(exam: Path) -> None:
    reports = exam / ".lmworks" / "reports"
    for page in ("exam.html", "exam-finetune-card.md"):
        assert "10 of 30 items stand in the 115 texts" in (reports / page).read_text(), page
    record = json.loads((payload(exam, "evaluate/exact-answer-questions") / "comparison.json").read_text())
    assert any(line.startswith("known to finetune: 10 of 30 items") for line in record["verdicts"]), record["verdicts"]


def test_an_erased_text_is_not_found_any_more_and_other_shards_are_not_searched_again(
    exam: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(exam, folder)
    shards = len(list(payload(folder, "pool").glob("*.parquet")))
    assert shards > 3
    found = (payload(folder, "contamination/texts/pretrain") / "verdicts.jsonl").read_text()
    victim = next(line["question in"] for line in map(json.loads, found.splitlines()) if line["question"] == "whole")
    lmworks(folder, "erase", victim, "--apply")
    said = lmworks(folder, "build").stderr
    assert "contamination/texts/pretrain" in made(said)
    assert f"{shards - 1} of {shards} shards are as an earlier build made them" in said
    assert victim not in (payload(folder, "contamination/texts/pretrain") / "verdicts.jsonl").read_text()
    assert "14 of 20 items" in figure_of(folder, "evaluate/perplexity-texts/pretrain")["contamination"]


def test_items_in_other_words_are_suspected_where_an_encoder_is_named(exam: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(exam, folder)
    recipe = folder / "recipe.yaml"
    write_encoder(folder / "encoder", [word.lower() for word in WORDS], positions=128)
    recipe.write_text(RECIPE.replace("  tasks:", "  reworded: {encoder: encoder, cosine: 0.5}\n  tasks:"))
    said = figure_of(exam, "evaluate/exact-answer-questions/finetune")["contamination"]
    lmworks(folder, "build", "recipe.yaml")
    after = figure_of(folder, "evaluate/exact-answer-questions/finetune")["contamination"]
    assert "may stand there in other words" in after and after.startswith(said.partition("; 20 are clean")[0])
    shutil.rmtree(folder / "encoder")
    refused = lmworks(folder, "build", "recipe.yaml", code=2)
    assert "evaluate.reworded.encoder" in refused.stderr
