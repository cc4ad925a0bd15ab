"""Prompts for questions about operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lmworks.evaluate.questions import Prompt, QuestionsConfig

if TYPE_CHECKING:
    from lmworks.tokens.tokenizer import Tokenizer


class OperationQuestionsConfig(QuestionsConfig):
    """Fields of tasks on operations."""

    record_bytes: ClassVar[int] = 800  # of an operation's documentation, of which one question of each form is made

    prompt: Literal["chat", "few-shot", "document"] = Field(
        "chat",
        description="Form of the question. `chat` is a question as users ask it. `few-shot` puts answered questions of "
        "`train` before it, for models that are not tuned. `document` is the beginning of a document, for models "
        "that have seen only documents.",
    )


def document_prompt(service: str, operation: str, tokenizer: Tokenizer) -> Prompt:
    """Return the beginning of a document, up to its description, as a prompt."""
    ids = [*tokenizer.before(), *tokenizer.encode(f"{service} {operation}\n\n")]
    return Prompt(ids, tokenizer.spell(ids))
