"""What decides whether an answer is right, or how it is asked, makes figures of one model two that are not compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evaluated import items_of, make_conversations

from lmworks.data.tuning.conversations import Conversations, write_conversations
from lmworks.evaluate.compare import paired
from lmworks.evaluate.tasks.checked import ExactAnswerConfig, RulesConfig, evaluate_exact_answer, evaluate_rules
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.conditions import Conditions, differences
from lmworks.pipeline.stage import Result
from lmworks_api_docs.reverse_question import ReverseQuestionConfig, evaluate_reverse_question
from support import make_context
from tiny import make_tiny_model

SHOWN = {"Glacier": ("ListVaults", "CreateVault", "StopVault"), "MQ": ("ListBrokers",)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return ModelFolder(make_tiny_model(tmp_path_factory.mktemp("model") / "m", context_length=512), "model")


def conditions(result: Result) -> Conditions:
    assert result.figures[0].conditions
    return result.figures[0].conditions


def measured(
    model: ModelFolder,
    folder: Path,
    stage: Callable[..., Result],
    config: Any,
    data: Conversations,
    train: Conversations,
) -> Conditions:
    folder.mkdir()
    given = {"train": train} if "train" in stage.inputs else {}  # type: ignore[attr-defined]
    return conditions(stage(config, model, data, out=folder, context=make_context(folder / "work"), **given))


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ({"language": "de"}, {"language": "en"}, "judged"),
        ({"accents": False}, {"accents": True}, "judged"),
        ({"compare": "squad"}, {"compare": "letters"}, "judged"),
        ({"pattern": "is (.+)"}, {"pattern": "(.+)"}, "judged"),
        ({"max_tokens": 3}, {"max_tokens": 4}, "decoding"),
        ({"stop": ["x"]}, {"stop": ["y"]}, "decoding"),
        ({"prompt": "text"}, {"prompt": "chat"}, "prompt"),
        ({"prompt": "text", "delimiter": "\nA: "}, {"prompt": "text", "delimiter": " "}, "delimiter"),
        (
            {"prompt": "few-shot-text", "shots": 1, "between_shots": "\n\n"},
            {"prompt": "few-shot-text", "shots": 1, "between_shots": "\n###\n"},
            "delimiter",
        ),
        ({"template": "Tell: {question}"}, {}, "prompt"),
        ({"prompt": "few-shot", "shots": 1}, {"prompt": "few-shot", "shots": 2}, "shots"),
    ],
)
def test_other_ways_to_ask_and_to_judge_are_not_compared(
    model: ModelFolder, tmp_path: Path, one: dict[str, Any], other: dict[str, Any], name: str
) -> None:
    data, train = make_conversations(tmp_path / "data"), make_conversations(tmp_path / "train", SHOWN)
    both = [
        measured(
            model,
            tmp_path / str(number),
            evaluate_exact_answer,
            ExactAnswerConfig.model_validate({"data": "test", "train": "train", "max_tokens": 3, "limit": 2, **fields}),
            data,
            train,
        )
        for number, fields in enumerate((one, other))
    ]
    assert name in [each.name for each in differences(*both) if each.matters]


def test_other_rules_are_not_compared_though_their_names_are_alike(model: ModelFolder, tmp_path: Path) -> None:
    data = make_conversations(tmp_path / "data")
    both = [
        measured(
            model,
            tmp_path / word,
            evaluate_rules,
            RulesConfig.model_validate(
                {"data": "test", "max_tokens": 3, "limit": 2, "rules": [{"kind": "regex", "pattern": word}]}
            ),
            data,
            data,
        )
        for word in ("yes", "no")
    ]
    assert "judged" in [each.name for each in differences(*both) if each.matters]


def test_a_question_with_one_more_right_answer_is_another_item(model: ModelFolder, tmp_path: Path) -> None:
    found = []
    for name, references in (("one", ["b"]), ("two", ["b", "c"])):
        (tmp_path / name).mkdir()
        turns = [{"role": "user", "content": "Which letter?"}, {"role": "assistant", "content": "b"}]
        record = {"id": "q", "form": "chat", "document": None, "messages": turns, "references": references}
        write_conversations(tmp_path / name, [record])
        config = ExactAnswerConfig(data="test", max_tokens=2)
        context = make_context(tmp_path / name / "work")
        evaluate_exact_answer(config, model, Conversations(tmp_path / name, name), None, tmp_path / name, context)
        found.append(items_of(tmp_path / name))
    assert paired(*found) == ([], 1)


def test_a_question_with_fewer_names_to_choose_from_is_another_item(model: ModelFolder, tmp_path: Path) -> None:
    data = make_conversations(tmp_path / "data")
    few, many = (
        measured(
            model,
            tmp_path / str(most),
            evaluate_reverse_question,
            ReverseQuestionConfig(data="test", candidates=most),
            data,
            data,
        )
        for most in (2, 60)
    )
    assert few.items != many.items
    assert paired(items_of(tmp_path / "2"), items_of(tmp_path / "60"))[1] > 0
