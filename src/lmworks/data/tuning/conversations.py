"""Conversations: questions about operations, with answers taken from the documents themselves."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from pydantic import Field

from lmworks.data import phrasings
from lmworks.data.operations import OperationText, action_of, parse_operation, summary
from lmworks.data.records import Document, Documents, write_ids, write_json_lines
from lmworks.errors import UsageError
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.recipe.schema import Reference, StepConfig

Form = Literal["document", "explain", "find", "other", "pair"]


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A question and the answer wanted."""

    id: str
    form: Form
    question: str
    answer: str
    document: str | None
    """Id of the document that the answer is taken from."""
    service: str = ""
    operation: str = ""
    phrasing: int
    """Which wording of its form the question has."""

    def as_json(self) -> dict[str, Any]:
        """The line of `conversations.jsonl`."""
        return {
            "id": self.id,
            "form": self.form,
            "messages": [
                {"role": "user", "content": self.question},
                {"role": "assistant", "content": self.answer},
            ],
            "document": self.document,
            "service": self.service,
            "operation": self.operation,
            "phrasing": self.phrasing,
            "candidates": "service",
        }


class Stored(Protocol):
    """What is written as a line."""

    @property
    def id(self) -> str: ...

    @property
    def document(self) -> str | None: ...

    def as_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Conversations(Handle):
    """A folder with `conversations.jsonl`: `id`, `messages` (the last an assistant's), `document`.

    `answer` is there where a verifier can compare one: a label, or the short answer at the end of a long one.
    """

    def iterate(self) -> Iterator[dict[str, Any]]:
        """Every conversation, in order. Raises `UsageError` for a step that makes documents."""
        if not is_conversations(self):
            raise UsageError(f"{self.path}: here are no conversations; name a step that makes them")
        with (self.path / "conversations.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def wanted_answer(record: Mapping[str, Any]) -> str:
    """What an answer to a conversation is held against: its `answer`, for a verifier, or else its last turn."""
    return str(record.get("answer") or record["messages"][-1]["content"])


def is_conversations(made: Handle) -> bool:
    """Whether a step has made conversations."""
    return (made.path / "conversations.jsonl").exists()


def write_conversations(folder: Path, conversations: Sequence[Stored]) -> None:
    """Write conversations in the order of their ids, with the ids of the documents that they were made from."""
    ordered = sorted(conversations, key=lambda conversation: conversation.id)
    write_json_lines(folder / "conversations.jsonl", [conversation.as_json() for conversation in ordered])
    write_ids(folder, sorted({conversation.document for conversation in ordered if conversation.document}))


MIN_DESCRIPTION = 60
"""Characters: shorter descriptions say no more than the operation's name."""
MAX_PARAMETERS = 12
"""Names given in a question: enough to tell what an operation is about, few enough for a short context."""


class PromptsConfig(StepConfig):
    """Make questions and answers from documents of operations."""

    parts: ClassVar[tuple[str, ...]] = ("train", "validation", "test", "seen")

    kind: Literal["operations-to-prompts"] = "operations-to-prompts"
    train: Reference = Field(description="Documents to tune on.")
    validation: Reference = Field(description="Documents of services to tune settings by.")
    test: Reference = Field(description="Documents of services that nothing was trained on.")
    seen: int = Field(
        default=500,
        ge=0,
        description="Train documents also asked about in wordings never trained on: enough for a "
        "95 % interval of ±4 points.",
    )
    seed: int = Field(default=0, description="Draws the wordings and the sample; any number will do.")


@dataclass(frozen=True)
class _Operation:
    document: Document
    parsed: OperationText
    summary: list[str]
    action: str | None


@stage(version=1)
def operations_to_prompts(
    config: PromptsConfig, train: Documents, validation: Documents, test: Documents, out: Path, context: Context
) -> Result:
    """Write conversations in the parts train, validation, test (trained wordings) and seen (held-out wordings)."""
    counts: Counter[str] = Counter()
    examples = []
    for part, documents in (("train", train), ("validation", validation), ("test", test)):
        context.check_stop()
        operations = list(_operations(documents, counts, part))
        made = {part: _converse(operations, config.seed, "trained")}
        made[part] += _off_topic("trained" if part == "train" else "held out")
        if part == "train":
            sample = sorted(operations, key=lambda each: _draw(config.seed, each.document.id, "seen"))[: config.seen]
            made["seen"] = _converse(sample, config.seed, "held out")
        for name, conversations in made.items():
            write_conversations(out / name, conversations)
            counts.update({f"{name} {form}": n for form, n in Counter(each.form for each in conversations).items()})
            examples += [{"reason": f"{name} conversation", **each.as_json()} for each in conversations[:3]]
    return Result(counts=counts, examples=examples)


def _operations(documents: Documents, counts: Counter[str], part: str) -> Iterator[_Operation]:
    """Operations that are described well enough to be asked about."""
    found = []
    for document in documents.iterate():
        if document.meta.get("kind") != "operation":
            continue
        parsed = parse_operation(document.text)
        sentences = summary(parsed.description)
        if len(parsed.description) < MIN_DESCRIPTION or not sentences:
            counts[f"{part} hardly described"] += 1
            continue
        found.append(_Operation(document, parsed, sentences, action_of(sentences[0], document.meta["operation"])))
    asked = Counter((each.document.meta["service"], each.action) for each in found)
    for each in found:
        unique = asked[each.document.meta["service"], each.action] == 1
        yield each if unique else replace(each, action=None)


def _converse(operations: Sequence[_Operation], seed: int, wording: str) -> list[Conversation]:
    """One conversation of each form an operation allows, its wording drawn by the document's id."""
    made = []
    for each in operations:
        names = [name for name, _ in each.parsed.parameters]
        more = len(names) - MAX_PARAMETERS
        values = {
            "service": each.document.meta["service"],
            "operation": each.document.meta["operation"],
            "parameters": ", ".join(names[:MAX_PARAMETERS]) + (f" and {more} more" if more > 0 else "") or "none",
            "action": each.action or "",
        }
        made.append(_one(each, "document", phrasings.DOCUMENT[wording], values, " ".join(each.summary), seed))
        made.append(_one(each, "explain", phrasings.EXPLAIN[wording], values, each.summary[0], seed))
        if each.action:
            made.append(_one(each, "find", phrasings.FIND[wording], values, values["operation"], seed))
    return made


def _one(
    each: _Operation, form: Form, wordings: Sequence[str], values: Mapping[str, str], answer: str, seed: int
) -> Conversation:
    phrasing = _draw(seed, each.document.id, form) % len(wordings)
    question = wordings[phrasing].format_map(values)
    return Conversation(
        id=_id(form, each.document.id, question),
        form=form,
        question=question,
        answer=answer,
        document=each.document.id,
        service=values["service"],
        operation=values["operation"],
        phrasing=phrasing,
    )


def _off_topic(wording: str) -> list[Conversation]:
    asked = [(question, phrasings.GREETING_ANSWER, 0) for question in phrasings.GREETINGS[wording]]
    for phrasing, opening in enumerate(phrasings.OPENINGS[wording]):
        for question in phrasings.OFF_TOPIC[wording]:
            text = opening + question
            asked.append((text[0].upper() + text[1:], phrasings.OFF_TOPIC_ANSWER, phrasing))
    return [
        Conversation(
            id=_id("other", "", text), form="other", question=text, answer=answer, document=None, phrasing=phrasing
        )
        for text, answer, phrasing in asked
    ]


def _id(form: str, document: str, question: str) -> str:
    return hashlib.sha256(f"{form}\0{document}\0{question}".encode()).hexdigest()[:32]


def _draw(seed: int, document: str, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{document}\0{purpose}".encode()).digest()[:8], "big")
