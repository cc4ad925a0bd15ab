"""Which family is best on a labelled task: equal time and tries, chosen by validation, tested on the same items."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks
from lmworks.search.families import unequal

SMALL = "threads: 1, compile: false, data_type: float32, sequence_length: 48, steps: 6"
RECIPE = """\
name: readers
use_case: which family sorts notes best
plan: {measure: false}
data:
  letters:
    kind: ingest
    sources: [{kind: files, path: labelled, licence: MIT, fields: all}]
    licences: {allow: [permissive]}
  labelled: {kind: label, from: letters, by: topic, labels: {weather: [weather], goods: [goods]}}
  parted: {kind: split, from: labelled, test: 0.3, validation: 0.1}
tokenizer: {kind: bpe, vocab_size: 300, from: parted.train}
models:
  encoder: {objective: masked-lm, from: scratch, data: parted.train, hidden_size: 32, num_layers: 2, SMALL}
  decoder:
    {objective: causal-lm, from: scratch, data: parted.train, hidden_size: 32, num_layers: 2, SMALL}
  by-encoder:
    {objective: sequence-classification, from: encoder, data: parted.train, validation: parted.validation, SMALL}
  by-decoder:
    {objective: sequence-classification, from: decoder, data: parted.train, validation: parted.validation, SMALL}
  by-words: {objective: bag-of-words, data: parted.train}
evaluate:
  models: [by-encoder, by-decoder, by-words]
  tasks: [{kind: classification, data: parted.test, train: parted.train}]
""".replace("SMALL", SMALL)


def test_time_that_was_not_equal_is_said_first() -> None:
    def tuned(seconds: float) -> dict[str, float]:
        return {"seconds": seconds, "loss": 1.0}

    assert unequal({"one": tuned(30), "other": tuned(33)}) == unequal({}) == ""
    assert "one trained for 92 s, other for 50 s" in unequal({"one": tuned(92), "other": tuned(50)})


@pytest.mark.slow
def test_families_are_compared_at_equal_time_by_rates_that_validation_chose(tmp_path: Path) -> None:
    draw, words = random.Random(0), {"weather": ["rain", "tides", "storm"], "goods": ["bread", "glass", "wool"]}
    (tmp_path / "labelled").mkdir()
    topics = [draw.choice([*words]) for _ in range(160)]
    rows = [
        {"text": f"Note {n} tells of {draw.choice(words[topic])}.", "topic": topic} for n, topic in enumerate(topics)
    ]
    (tmp_path / "labelled" / "notes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    said = json.loads(lmworks(tmp_path, "bakeoff", "recipe.yaml", "--minutes", "0.02", "--json").stdout)
    entries = {each["name"]: each for each in said["entries"]}
    assert {name: each["family"] for name, each in entries.items()} == {
        "by-encoder": "encoder",
        "by-decoder": "decoder",
        "by-words": "sequence classifier",
        "bag-of-words": "baseline",
        "majority": "baseline",
    }
    for name in ("by-encoder", "by-decoder"):
        manifests = [
            json.loads(path.read_text())
            for path in (tmp_path / ".lmworks" / "artifacts" / "train").glob("*/manifest.json")
        ]
        tried = [
            each for each in manifests if each["step"] == name and each["config"]["steps"] == entries[name]["steps"]
        ]
        losses = {each["config"]["learning_rate"]: each["figures"][0]["value"] for each in tried}
        assert len(losses) == 3 and losses[entries[name]["learning_rate"]] == min(losses.values())
    pairs = {frozenset((each["a"], each["b"])) for each in said["pairs"]}
    assert frozenset(("by-encoder", "by-decoder")) in pairs
    assert len({each["figure"]["n"] for each in said["entries"]}) == 1, "all on the same items"
    said_so = lmworks(tmp_path, "bakeoff", "recipe.yaml", "--task", "perplexity", code=2).stderr
    assert "classification-parted-test" in said_so
