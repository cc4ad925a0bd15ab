"""Answers that a reward model scores, and whether it is believed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from corpora import make_preferences, make_tokenizer
from evaluate.evaluated import items_of
from lmworks.data.tuning.preferences import Preferences, write_preferences
from lmworks.engines.open import open_decoder, open_reward_model
from lmworks.engines.request import Sampling
from lmworks.evaluate.compare import CompareConfig, compare
from lmworks.evaluate.items import Evaluation
from lmworks.evaluate.tasks.judgements import (
    JudgedAnswersConfig,
    evaluate_judged_answers,
    evaluate_judged_answers_chosen,
)
from lmworks.model.decoder import Decoder
from lmworks.model.folder import ModelFolder, save_model
from lmworks.pipeline.stage import Result
from support import make_context
from tiny import disturbed
from train.objectives.test_preferences import SHAPE, align

CONFIG = JudgedAnswersConfig(data="held", train="train", judge="judge", max_tokens=12)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelFolder]:
    """A base, one that was taught to begin as chosen answers do, and a judge."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    save_model(disturbed(Decoder(SHAPE), 0.1), folder / "base", make_tokenizer(folder / "tokenizer").path)
    base = ModelFolder(folder / "base", "base")
    align("orpo", base, folder / "aligned", learning_rate=3e-3)
    align("reward", base, folder / "judge", learning_rate=3e-3)
    found = {name: ModelFolder(folder / name / "out", name) for name in ("aligned", "judge")}
    return {"base": base, **found}


def unlike_in_length(folder: Path) -> Preferences:
    """Pairs whose rejected answer is the longer one, as it never was in training."""
    pairs = list(make_preferences(folder, 24, first=200).iterate())
    longer = [str(each.rejected[-1]["content"]).replace(" no ", " no no no ") for each in pairs if each.rejected]
    turns = [[{"role": "assistant", "content": text}] for text in longer]
    write_preferences(folder, [replace(each, rejected=turn) for each, turn in zip(pairs, turns, strict=True)])
    return Preferences(folder, "")


def judged(models: dict[str, ModelFolder], folder: Path, held: Preferences, train: Preferences) -> list[Result]:
    inputs: dict[str, Any] = {"data": held, "train": train, "judge": models["judge"], "judged": None}
    asked = {name: value for name, value in inputs.items() if name != "train"}
    results = [
        evaluate_judged_answers(CONFIG, models[name], **asked, out=folder / name, context=make_context(folder / name))
        for name in ("base", "aligned")
    ]
    people = folder / "chosen"
    results.append(evaluate_judged_answers_chosen(CONFIG, **inputs, out=people, context=make_context(people)))
    for name, result in zip(("base", "aligned", "chosen"), results, strict=True):
        (folder / name / "figures.json").write_text(json.dumps([figure.as_json() for figure in result.figures]))
    return results


def compared(folder: Path, *names: str) -> list[str]:
    config = CompareConfig(
        evaluations=[*names], labels=[*names], baselines=[name for name in names if name == "chosen"]
    )
    compare(config, [Evaluation(folder / name, name) for name in names], out=folder, context=make_context(folder))
    found: list[str] = json.loads((folder / "comparison.json").read_text())["verdicts"]
    return found


def test_models_are_compared_by_what_a_judge_says_of_their_answers(
    models: dict[str, ModelFolder], tmp_path: Path
) -> None:
    held, train = unlike_in_length(tmp_path / "held"), make_preferences(tmp_path / "train")
    base, aligned, chosen = judged(models, tmp_path, held, train)
    engine, judge = open_decoder(models["aligned"].path), open_reward_model(models["judge"].path)
    items = items_of(tmp_path / "aligned")
    assert [item["id"] for item in items] == [each.id for each in held.iterate()]
    for each, item in zip(held.iterate(), items, strict=True):
        prompt = engine.tokenizer.encode_chat(each.prompt, True)[0]
        (answer,) = engine.generate([prompt], Sampling(12))
        assert item["answer"] == answer.text.strip() and item["truncated"] == (answer.end_id is None)
        chat = [*each.prompt, {"role": "assistant", "content": item["answer"]}]
        assert item["score"] == pytest.approx(judge.scores([judge.tokenizer.encode_chat(chat)[0]])[0], abs=1e-4)
        assert item["characters"] == len(item["answer"])
    assert aligned.figures[0].value == pytest.approx(sum(item["score"] for item in items) / len(items))
    assert aligned.figures[0].value > base.figures[0].value
    distinct = next(figure.value for figure in aligned.figures if figure.name == "distinct_answers")
    assert distinct == pytest.approx(len({item["answer"] for item in items}) / len(items))
    accuracy, lead = chosen.figures[2:]
    assert accuracy.value > 0.9 and lead.value > 0.9 and lead.interval and lead.interval[0] > 0
    said = compared(tmp_path, "base", "aligned", "chosen")
    assert any(line.startswith("aligned is ahead of base: +") for line in said)
    assert any(line.startswith("wins: aligned over base: ") for line in said)
    assert not any("in doubt" in line for line in said)
    assert compared(tmp_path, "base", "aligned")[0].startswith("in doubt, all of it: accuracy: judge - length was not")


def test_a_judge_that_is_no_better_than_length_is_not_believed(models: dict[str, ModelFolder], tmp_path: Path) -> None:
    """The longer answer is the chosen one throughout: length is always right, and the judge cannot be better."""
    held = make_preferences(tmp_path / "held", 24, first=200)
    *_, lead = judged(models, tmp_path, held, held)[2].figures
    assert lead.value <= 0 and "the longer answer on the same pairs of held" in lead.method
    assert compared(tmp_path, "base", "aligned", "chosen")[0].startswith(
        "in doubt, all of it: accuracy: judge - length is"
    )


def test_a_prompt_that_was_judged_often_is_asked_once(models: dict[str, ModelFolder], tmp_path: Path) -> None:
    (first, *_) = make_preferences(tmp_path / "some", 2).iterate()
    write_preferences(tmp_path / "held", [replace(first, id=name) for name in ("a", "b")])
    held = Preferences(tmp_path / "held", "")
    assert judged(models, tmp_path, held, held)[0].figures[0].n == 1
