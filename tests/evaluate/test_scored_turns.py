"""What a conversation is scored by: its last answer, asked by all that stands before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lmworks.data.contamination.search import items_of
from lmworks.data.tuning.conversations import Conversations, references_of, source_of, write_conversations
from lmworks.evaluate.questions import QuestionsConfig, answered, chat_prompt, shots
from lmworks.evaluate.tasks.checked import _item
from lmworks.rewards.exact import ExactAnswerReward


class Chat:
    """A tokenizer that tells what it was given."""

    def encode_chat(self, turns: list[dict[str, str]], generation: bool) -> tuple[list[int], list[int]]:
        return [len(turns)], []

    def render_chat(self, turns: list[dict[str, str]], generation: bool) -> str:
        return "|".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def record(id: str, *turns: tuple[str, str], **more: Any) -> dict[str, Any]:
    messages = [{"role": role, "content": content} for role, content in turns]
    return {"id": id, "form": "chat", "messages": messages, "document": None, **more}


CLERK = record("a", ("system", "You are a clerk."), ("user", "Which way?"), ("assistant", "Left."))
LONG = record(
    "b",
    ("system", "Tools: map"),
    ("user", "Where am I?"),
    ("assistant", '<tool_call>{"name": "map"}</tool_call>'),
    ("tool", "in Ulm"),
    ("assistant", "In Ulm."),
    ("user", "And where is the station?"),
    ("assistant", "To the north."),
)
TOLD = LONG | {"messages": LONG["messages"][:5]}
"""The answer follows what a tool said."""


@pytest.mark.parametrize(
    ("asked", "question", "answer"),
    [
        (CLERK, "Which way?", "Left."),
        (TOLD, "Where am I?", "In Ulm."),
        (LONG, "And where is the station?", "To the north."),
    ],
)
def test_the_last_answer_is_scored_and_sought(
    asked: dict[str, Any], question: str, answer: str, tmp_path: Path
) -> None:
    item = answered(asked, "x", 1.0)
    assert (item["prompt"], item["reference"]) == (question, answer)
    assert (source_of(asked), references_of(asked)) == (question, [answer])
    write_conversations(tmp_path, [asked])
    (sought,) = items_of(Conversations(tmp_path, ""))
    assert (sought.question, sought.answer) == (question, answer), "the verdict is on what is scored"


def test_all_turns_before_it_are_the_prompt() -> None:
    config = QuestionsConfig(kind="x", data="d")
    text = chat_prompt(config, LONG, Chat()).text  # type: ignore[arg-type]
    assert text.startswith("system: Tools: map|user: Where am I?") and text.endswith("user: And where is the station?")
    assert "To the north" not in text


def test_shown_examples_are_a_question_with_its_answer_behind_what_the_system_says(tmp_path: Path) -> None:
    write_conversations(tmp_path, [LONG])
    config = QuestionsConfig(kind="x", data="d", train="t", prompt="few-shot", shots=1)
    before = shots(config, Conversations(tmp_path, ""))
    assert chat_prompt(config, CLERK, Chat(), before).text == (  # type: ignore[arg-type]
        "system: You are a clerk.|user: And where is the station?|assistant: To the north.|user: Which way?"
    )


@pytest.mark.parametrize(
    ("pattern", "said", "right"),
    [
        (None, "6 + 2 = 8\n#### 8", True),
        (None, "8", True),
        (None, "eight", True),
        (None, "7", False),
        ("#### (.+)", "it is so\n#### 8", True),
        ("#### (.+)", "it is so\n#### 7", False),
        ("#### (.+)", "8", False),
    ],
)
def test_an_exact_answer_may_be_the_result_alone(pattern: str | None, said: str, right: bool) -> None:
    asked = record("a", ("user", "6 and 2?"), ("assistant", "6 + 2 = 8\n#### 8"), answer="8", references=["eight"])
    rule = ExactAnswerReward(kind="exact-answer", pattern=pattern)
    assert _item(rule, asked, {"answer": said, "truncated": False})["score"] == float(right)
    assert _item(rule, asked, {"answer": said, "truncated": True})["score"] == 0, "an answer that was cut is none"
