"""How questions about operations are put before a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lmworks.evaluate.questions import Prompt, QuestionsConfig

if TYPE_CHECKING:
    from lmworks.tokens.tokenizer import Tokenizer


class OperationQuestionsConfig(QuestionsConfig):
    """What tasks on operations are asked."""

    record_bytes: ClassVar[int] = 800  # of an operation's documentation, of which one question of each form is made

    prompt: Literal["chat", "few-shot", "document"] = Field(
        "chat",
        description="The question in a chat, as users ask it; behind questions of `train` with their answers, which "
        "is what can be had of a model without tuning it; or the beginning of a document, which is fairer to a model "
        "that has seen documents only.",
    )


def document_prompt(service: str, operation: str, tokenizer: Tokenizer) -> Prompt:
    """A document up to where its description begins."""
    ids = [*tokenizer.before(), *tokenizer.encode(f"{service} {operation}\n\n")]
    return Prompt(ids, tokenizer.spell(ids))
