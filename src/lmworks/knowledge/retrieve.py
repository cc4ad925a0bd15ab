"""The step `retrieve`: questions with the passages found for them, for training or evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations, Record, question_of, write_conversations
from lmworks.errors import UsageError
from lmworks.knowledge.collection import Collection, Passage
from lmworks.knowledge.passages import Passages
from lmworks.knowledge.prompts import with_passages
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import PASSAGES_SHOWN, Reference, StepConfig


class RetrieveConfig(StepConfig):
    """Put passages before the last question of each conversation, as in serving."""

    makes: ClassVar[str] = "conversations"
    packages: ClassVar[tuple[str, ...]] = ("bm25s",)
    kind: Literal["retrieve"] = "retrieve"
    conversations: Reference = Field(alias="from", description="Conversations with questions and reference answers.")
    passages: Reference = Field(description="Step of kind `passages` to search.")
    number: int = Field(
        default=PASSAGES_SHOWN, ge=1, le=50, description="Number of passages per question. By default as in serving."
    )


@stage(version=1, reads=("conversations", "passages"))
def retrieve(
    config: RetrieveConfig, conversations: Conversations, passages: Passages, out: Path, context: Context
) -> Result:
    """Write the conversations with passages before the last question, as in `lmworks serve`, and the documents' ids.

    A question for which no passage is found is counted and stays unchanged.
    """
    collection, counts = Collection(passages.path), Counter[str]()
    records = list[dict[str, Any]]()
    for record in conversations.iterate():
        context.check_stop()
        found = collection.search(question_of(record), config.number)
        counts["questions"] += 1
        counts["best passage below the least score"] += not found.is_enough
        counts["nothing found"] += not found.passages
        read = sorted({each.document for each in found.passages})
        records.append({**asked_with(record, found.passages), **({"passages": read} if read else {})})
    if not records:
        raise UsageError(f"{config.conversations}: no conversation to find passages for")
    write_conversations(out, records)
    return Result(counts=+counts, losses={"nothing found"} & (+counts).keys())


def asked_with(record: Record, passages: Sequence[Passage]) -> dict[str, Any]:
    """Return a conversation with passages before its last question. Without passages, return it unchanged."""
    *before, answer = record["messages"]
    last = max((place for place, turn in enumerate(before) if turn["role"] == "user"), default=len(before) - 1)
    told = with_passages(question_of(record), passages) if passages else question_of(record)
    asked = [{**turn, "content": told} if place == last else turn for place, turn in enumerate(before)]
    return {**record, "messages": [*asked, answer]}
