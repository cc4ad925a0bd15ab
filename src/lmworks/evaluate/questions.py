"""Questions drawn from conversations, and how they are put before a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from lmworks.errors import UsageError
from lmworks.evaluate.items import Item, TaskConfig
from lmworks.pipeline.files import digest_text

if TYPE_CHECKING:
    from lmworks.tokens.tokenizer import Tokenizer

Question = Mapping[str, Any]
"""A line of `conversations.jsonl`."""


class QuestionsConfig(TaskConfig):
    """What tasks on conversations are asked."""

    kind: str
    limit: int | None = Field(200, ge=1, description="Questions drawn; 200 tell 0.04 from nothing in most cases.")
    seed: int = Field(0, description="Draws the questions: equal for all models, or they could not be compared.")
    prompt: Literal["chat", "document"] = Field(
        "chat",
        description="The question in a chat, as users ask it; or the beginning of a document, which is fairer to a "
        "model that has seen documents only.",
    )


class Prompt(NamedTuple):
    """What a model continues."""

    ids: list[int]
    text: str


def draw(questions: Sequence[Question], config: QuestionsConfig) -> tuple[list[Question], str]:
    """The questions to be asked, in their order, and how they were drawn, in words.

    They are drawn by a hash of their ids, so that a larger sample holds the smaller one.
    """
    if not questions:
        raise UsageError(f"{config.data}: no conversation that the task {config.kind!r} could ask")
    ranked = sorted(questions, key=lambda record: digest_text(f"{config.seed} {record['id']}"))
    chosen = {record["id"] for record in ranked[: config.limit]}
    how = f"{len(chosen)} of {len(questions)} questions, seed {config.seed}"
    return [record for record in questions if record["id"] in chosen], how


def chat_prompt(question: Question, tokenizer: Tokenizer) -> Prompt:
    """The chat up to where the answer begins."""
    asked = question["messages"][:1]
    return Prompt(tokenizer.encode_chat(asked, True)[0], tokenizer.render_chat(asked, True))


def document_prompt(service: str, operation: str, tokenizer: Tokenizer) -> Prompt:
    """A document up to where its description begins."""
    title = f"{service} {operation}\n\n"
    return Prompt([tokenizer.end_of_text_id, *tokenizer.encode(title)], title)


def answered(question: Question, answer: str, score: float) -> Item:
    """The item of an answer; all tasks on questions have these fields."""
    asked, reference = question["messages"][:2]
    return {
        "id": question["id"],
        "cluster": question.get("service") or question["id"],  # only some data are about services
        "prompt": asked["content"],
        "answer": answer,
        "reference": reference["content"],
        "score": score,
    }


def sources(questions: Sequence[Question]) -> list[str]:
    """Ids of the documents that questions were made from."""
    return [question["document"] for question in questions if question["document"]]
