from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from corpora import make_preferences, make_tokenizer
from evaluate.evaluated import items_of
from lmworks.data.tuning.preferences import Preference, Preferences, write_preferences
from lmworks.engines.open import open_decoder, open_reward_model
from lmworks.errors import LmworksError, UsageError
from lmworks.evaluate.tasks.judgements import (
    PreferenceAccuracyConfig,
    calibrate,
    evaluate_preference_accuracy,
    evaluate_preference_accuracy_length,
)
from lmworks.model.decoder import Decoder
from lmworks.model.folder import ModelFolder, save_model
from lmworks.pipeline.stage import Result
from support import make_context
from tiny import disturbed
from train.objectives.test_preferences import SHAPE, align

CONFIG = PreferenceAccuracyConfig(data="x", train="y")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    save_model(disturbed(Decoder(SHAPE), 0.1), folder / "base", make_tokenizer(folder / "tokenizer").path)
    return ModelFolder(folder / "base", "base")


def aligned(objective: str, base: ModelFolder, folder: Path) -> ModelFolder:
    align(objective, base, folder, learning_rate=3e-3)
    return ModelFolder(folder / "out", objective)


def scored(
    model: ModelFolder, data: Preferences, folder: Path, reference: ModelFolder | None = None, **config: Any
) -> Result:
    asked = CONFIG.model_copy(update=config)
    return evaluate_preference_accuracy(asked, model, data, reference, folder / "out", make_context(folder))


def test_a_reward_model_is_scored_by_what_transformers_computes(base: ModelFolder, tmp_path: Path) -> None:
    model, data = aligned("reward", base, tmp_path / "model"), make_preferences(tmp_path / "data", 20, first=200)
    accuracy, loss, calibration = scored(model, data, tmp_path).figures
    assert accuracy.value > 0.9 and accuracy.chance == 0.5 and accuracy.interval and accuracy.interval[0] > 0.6
    items, words = items_of(tmp_path / "out"), open_reward_model(model.path).tokenizer
    theirs = AutoModelForSequenceClassification.from_pretrained(model.path)
    for each, item in zip(data.iterate(), items, strict=True):
        assert each.chosen and each.rejected
        with torch.no_grad():
            better, worse = (
                float(theirs(torch.tensor([words.encode_chat([*each.prompt, *turns])[0]])).logits)
                for turns in (each.chosen, each.rejected)
            )
        assert item["lead"] == pytest.approx(better - worse, abs=1e-4)
        assert item["loss"] == pytest.approx(-math.log(1 / (1 + math.exp(worse - better))), abs=1e-4)
    assert loss.value == pytest.approx(sum(item["loss"] for item in items) / 20)
    assert 0 <= calibration.value < 0.5
    with pytest.raises(LmworksError, match="gives 1 scores for a text and writes no text"):
        open_decoder(model.path)
    with pytest.raises(LmworksError, match="more than 128 tokens"):
        open_reward_model(model.path).scores([[5] * 129])


def test_a_pair_longer_than_the_context_costs_itself_alone(base: ModelFolder, tmp_path: Path) -> None:
    data = make_preferences(tmp_path / "data", 20, first=200)
    first, *others = data.iterate()
    long = replace(first, prompt=[{"role": "user", "content": "Who was it? " * 60}])
    write_preferences(data.path, [long, *others])
    result = scored(base, data, tmp_path)
    assert result.counts["items longer than the context"] == 1 and result.figures[0].n == 19
    assert "above zero; 1 of 20 items longer than the context are left out" in result.figures[0].method


def test_a_policy_is_scored_by_its_implicit_reward(base: ModelFolder, tmp_path: Path) -> None:
    policy, data = aligned("dpo", base, tmp_path / "model"), make_preferences(tmp_path / "data", 20, first=200)
    (accuracy,) = scored(policy, data, tmp_path / "a", base).figures
    assert accuracy.value > 0.9 and "over those of the reference" in accuracy.method
    (same,) = scored(base, data, tmp_path / "b", base).figures
    assert same.value == 0.5 and {item["lead"] for item in items_of(tmp_path / "b" / "out")} == {0}
    (alone,) = scored(policy, data, tmp_path / "c").figures
    assert "a token" in alone.method
    engine, (first, *_) = open_decoder(policy.path), data.iterate()
    means = []
    for turns in (first.chosen, first.rejected):
        ids, trained = engine.tokenizer.encode_chat([*first.prompt, *(turns or ())])
        (scores,) = engine.log_likelihoods([ids], [trained.index(True)])
        means.append(sum(scores[:-1]) / sum(trained))  # but for the line end after the answer
    assert items_of(tmp_path / "c" / "out")[0]["lead"] == pytest.approx(means[0] - means[1], abs=1e-5)


def test_the_baseline_prefers_the_length_that_was_chosen_in_training(tmp_path: Path) -> None:
    def judged(folder: Path, chosen: str, rejected: str) -> Preferences:
        said = [[{"role": "assistant", "content": text}] for text in (chosen, rejected)]
        turn = [{"role": "user", "content": "What?"}]
        write_preferences(folder, [Preference(id="a", prompt=turn, chosen=said[0], rejected=said[1])])
        return Preferences(folder, "")

    longer, shorter = judged(tmp_path / "l", "long", "no"), judged(tmp_path / "s", "no", "long")
    even = judged(tmp_path / "e", "yes", "not")
    for data, train, value in ((longer, longer, 1), (shorter, longer, 0), (shorter, shorter, 1), (even, longer, 0.5)):
        result = evaluate_preference_accuracy_length(CONFIG, data, train, None, tmp_path, make_context(tmp_path))
        assert result.figures[0].value == value
    with pytest.raises(UsageError, match="x: found no pair of answers"):
        write_preferences(tmp_path / "none", [])
        none = Preferences(tmp_path / "none", "")
        evaluate_preference_accuracy_length(CONFIG, none, longer, None, tmp_path, make_context(tmp_path))


def test_calibration_tells_a_model_that_knows_how_sure_it_is_from_one_that_boasts() -> None:
    draw = random.Random(0)
    honest = []
    for number in range(1500):
        lead = draw.uniform(0, 3)
        honest.append({"cluster": number, "lead": lead, "score": float(draw.random() < 1 / (1 + math.exp(-lead)))})
    boasting = [{**item, "lead": 3 * item["lead"]} for item in honest]
    (calm, table), (loud, _) = calibrate(honest), calibrate(boasting)
    assert calm.value < 0.05 < 0.08 < loud.value
    assert calm.interval and loud.interval and calm.interval[1] < loud.interval[0]
    assert table.startswith("said 5") and table.count(";") == 9


def test_answers_are_put_and_weighed_as_the_recipe_says(base: ModelFolder, tmp_path: Path) -> None:
    said = [[{"role": "assistant", "content": text}] for text in ("the naïve answer, and a long one", "no")]
    turn = [{"role": "user", "content": "What?"}]
    write_preferences(tmp_path / "d", [Preference(id="a", prompt=turn, chosen=said[0], rejected=said[1])])
    data, engine = Preferences(tmp_path / "d", ""), open_decoder(base.path)
    prompt = [0, *engine.tokenizer.encode("Q: What?\nA:")]
    sums, tokens = [], []
    for ((answer),) in said:
        ids = engine.tokenizer.encode(f" {answer['content']}")
        (scores,) = engine.log_likelihoods([[*prompt, *ids]], [len(prompt)])
        sums.append(math.fsum(scores))
        tokens.append(len(ids))
    sizes = {"sum": [1, 1], "per-token": tokens, "per-byte": [len("the naïve answer, and a long one".encode()), 2]}
    for number, (score, size) in enumerate(sizes.items()):
        template = "Q: {prompt}\nA:"
        (figure,) = scored(base, data, tmp_path / str(number), template=template, score=score).figures
        (item,) = items_of(tmp_path / str(number) / "out")
        worth = [total / each for total, each in zip(sums, size, strict=True)]
        assert [each["worth"] for each in item["choices"]] == pytest.approx(worth, abs=1e-4)
        assert item["lead"] == pytest.approx(worth[0] - worth[1], abs=1e-4)
        assert figure.conditions and (figure.conditions.prompt, figure.conditions.delimiter) == (template, " ")
        assert "after <|endoftext|>" in figure.method
    with pytest.raises(ValueError, match=r"template: found 'Q:'; expected chat or a text with \{prompt\}"):
        PreferenceAccuracyConfig(data="x", template="Q:")
