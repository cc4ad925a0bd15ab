"""The recipe for learning from rewards, made small."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e2e.answering import answers
from e2e.small_recipe import lmworks

pytestmark = pytest.mark.whole
RECIPE = Path(__file__).parents[2] / "recipes" / "arithmetic.yaml"
SETTINGS = (
    *("numbers.largest=39", "plan.measure=false", "learn.global_batch_tokens=1280", "learn.steps=4"),
    *("imitate.hidden_size=32", "imitate.num_layers=1", "imitate.num_heads=1", "imitate.steps=6", "chat.steps=6"),
    *(f"{model}.global_batch_tokens=1024" for model in ("imitate", "chat")),
    *(f"{model}.{field}" for model in ("imitate", "chat", "learn") for field in ("threads=1", "compile=false")),
    *(f"{model}.data_type=float32" for model in ("imitate", "chat", "learn")),
)


def test_a_model_learns_from_rewards_and_is_measured_before_and_after_on_unseen_operands(tmp_path: Path) -> None:
    shutil.copy(RECIPE, tmp_path)
    lmworks(tmp_path, "build", RECIPE.name, *(part for setting in SETTINGS for part in ("--set", setting)))
    compared = Path(lmworks(tmp_path, "show", "evaluate/exact-answer-numbers-test", "--path").stdout.strip())
    (pair,) = json.loads((compared / "comparison.json").read_text())["pairs"]
    assert {pair["a"], pair["b"]} == {"chat", "learn"}
    step = Path(lmworks(tmp_path, "show", "evaluate/exact-answer-numbers-test/learn", "--path").stdout.strip())
    exact, distinct, _ = json.loads((step / "figures.json").read_text())
    assert (exact["name"], exact["n"]) == ("exact_match", 36) and len(exact["interval"]) == 2
    said = {json.loads(line)["answer"] for line in (step / "items.jsonl").read_text().splitlines()}
    assert distinct["value"] == pytest.approx(len(said) / 36)
    model = Path(lmworks(tmp_path, "show", "learn", "--path").stdout.strip())
    history = [json.loads(line) for line in (model / "history.jsonl").read_text().splitlines()]
    assert len(history) == 4 and all({"reward", "kl", "distinct", "engine_mismatch"} <= set(line) for line in history)
    assert "validation_reward" in history[-1]
    told = lmworks(tmp_path, "show", "learn").stdout
    assert "validation loss" in told and "reward" in told
    assert len(answers(tmp_path, "learn", ["2 + 3 ="])) == 1
