"""Conversations: questions with the answers that are wanted, as lines of a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from lmworks.data.records import write_ids, write_json_lines
from lmworks.errors import UsageError
from lmworks.pipeline.stage import Handle


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A question and the answer wanted."""

    id: str
    form: str
    """What kind of question it is: tasks ask those of one form."""
    question: str
    answer: str
    document: str | None
    """Id of the document that the answer is taken from."""
    service: str = ""
    """The group of like questions that it belongs to, where there are such; its items are counted as one cluster."""
    operation: str = ""
    """What of the group it is about."""
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

    checked: ClassVar[bool] = True

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
