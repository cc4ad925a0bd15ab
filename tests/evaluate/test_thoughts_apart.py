"""Judged is what stands behind a model's thoughts; an answer that never left them is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from chat_families import write_family
from lmworks.data.shards.records import write_json_lines
from lmworks.data.tuning.conversations import Conversations
from lmworks.engines.request import Sampling
from lmworks.evaluate.tasks import TASKS
from lmworks.evaluate.tasks.checked import ExactAnswerConfig, RulesConfig, evaluate_exact_answer, evaluate_rules
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Result
from lmworks.pipeline.work.chunks import read_records
from lmworks.rewards import Answer, AnyReward
from scripted import Script
from support import make_context

RIGHT = "<think>\nIs it 5? No.\n</think>\n\n4"
WRONG = "<think>\nIs it 4?\n</think>\n\n5"
NEVER = "<think>\n4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4"
Ask = Callable[..., tuple[Result, list[dict[str, Any]]]]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Three questions, to which scripted answers are given."""
    base = write_family(tmp_path / "qwen-3", "qwen-3")
    thought = "<think>\nTwo and two.\n</think>\n\n4"  # of the data
    turns = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": thought}]
    records = [{"id": f"q{number}", "messages": turns, "document": None, "form": "chat"} for number in range(3)]
    (tmp_path / "data").mkdir()
    write_json_lines(tmp_path / "data" / "conversations.jsonl", records)
    data = Conversations(tmp_path / "data", "d")

    def asked(task: Any, config: Any, module: str, *texts: str) -> tuple[Result, list[dict[str, Any]]]:
        monkeypatch.setattr(module, lambda *_: Script(base, *texts))
        out = tmp_path / "out"
        out.mkdir()
        result = task(config, ModelFolder(base, "m"), data, None, out=out, context=make_context(tmp_path))
        return result, read_records(out / "items.jsonl")

    return asked


QUESTIONS = "lmworks.evaluate.questions.open_engine"


def test_exact_answers_are_those_behind_thoughts(ask: Ask) -> None:
    config = ExactAnswerConfig.model_validate({"data": "d", "max_tokens": 40})
    result, items = ask(evaluate_exact_answer, config, QUESTIONS, RIGHT, WRONG, NEVER)
    assert [item["answer"] for item in items] == ["4", "5", ""]
    assert [item["score"] for item in items] == [1, 0, 0]
    assert items[0]["thoughts"] == "Is it 5? No." and items[0]["reference"] == "4"
    assert [item["within_thoughts"] for item in items] == [False, False, True]
    assert result.counts["answers that never left their thoughts"] == 1
    assert "1 of 3 answers that never left their thoughts" in result.figures[0].method


def test_rules_look_at_what_stands_behind_thoughts_and_forms_at_all(ask: Ask) -> None:
    rules = [{"kind": "regex", "pattern": "4"}, {"kind": "regex", "pattern": "<think>.*</think>\\s*4"}]
    config = RulesConfig.model_validate({"data": "d", "rules": rules, "max_tokens": 99})
    _, items = ask(
        evaluate_rules,
        config,
        QUESTIONS,
        RIGHT,
        WRONG,
        "4",
    )
    assert [item["followed"] for item in items] == [[1, 1], [0, 0], [1, 0]]


def test_texts_are_compared_behind_their_thoughts(ask: Ask) -> None:
    task = TASKS["text-to-text"]
    config = task.config.model_validate({"data": "d", "kind": "text-to-text", "metrics": ["bleu"], "timed": 1})
    result, items = ask(task.stage, config, "lmworks.evaluate.tasks.writing.open_engine", RIGHT, WRONG, NEVER)
    assert [(item["answer"], item["score"]) for item in items] == [("4", 1), ("5", 0), ("", 0)]
    assert result.counts["answers that never left their thoughts"] == 1


def test_a_model_without_thoughts_says_all_that_it_writes(tmp_path: Path) -> None:
    engine = Script(write_family(tmp_path / "zephyr", "zephyr"), RIGHT)
    (said,) = engine.generate([[1]], Sampling(99))
    assert (said.text, said.thoughts, engine.thinks) == (RIGHT, None, False)


@pytest.mark.parametrize(
    ("pattern", "worth"), [("4", 1), ("<think>.*</think>\\s*4", 1), ("<think>.*", 1), ("5", 0), ("Is it.*", 0)]
)
def test_a_form_is_that_of_the_answer_or_of_all_that_was_written(pattern: str, worth: float) -> None:
    reward = TypeAdapter[AnyReward](AnyReward).validate_python({"kind": "regex", "pattern": pattern})
    assert reward.scores([Answer("4", "", True, (), RIGHT)]) == [worth]
