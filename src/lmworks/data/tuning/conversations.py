"""Conversations: questions with their expected answers, as lines of a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar

from lmworks.data.forms.turns import behind_thoughts
from lmworks.data.shards.records import Document, write_ids, write_json_lines
from lmworks.errors import UsageError
from lmworks.pipeline.stage import Handle

Record = Mapping[str, Any]
"""A line of `conversations.jsonl`."""
KEEP = "Document fields to keep in `meta`, such as a task's `cluster`. None by default: a field may be private."
"""Description of the field `keep` in steps that make conversations and preferences."""


def kept_of(document: Document, names: Sequence[str]) -> dict[str, Any]:
    """Return those of the named fields that a document has."""
    return {name: found for name in names if (found := document.value(name)) is not None}


def conversation(
    *,
    id: str,
    form: str,
    question: str,
    answer: str,
    document: str | None,
    service: str = "",
    operation: str = "",
    phrasing: int = 0,
) -> Record:
    """Return the record of a question and its expected answer.

    `form` is the kind of question. A task evaluates questions of one form. `document` is the id of the document with
    the answer. `service` is the group of similar questions, if there is one, which counts as one cluster. `operation`
    is the question's subject in the group, and `phrasing` the number of its wording.
    """
    return {
        "id": id,
        "form": form,
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
        "document": document,
        "service": service,
        "operation": operation,
        "phrasing": phrasing,
        "candidates": "service",
    }


@dataclass(frozen=True)
class Conversations(Handle):
    """A folder with `conversations.jsonl`: `id`, `messages` (the last an assistant's), `document`.

    `answer` is there if a verifier can compare it: a label, or the short answer at the end of a long one. `meta` is
    there if fields of the document were kept.
    """

    holds: ClassVar[str] = "conversations"

    def iterate(self) -> Iterator[dict[str, Any]]:
        """Yield every conversation, in order. Raises `UsageError` for a step that makes documents."""
        if not is_conversations(self):
            raise UsageError(f"{self.path}: here are no conversations; name a step that makes them")
        with (self.path / "conversations.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def turns_before(record: Record) -> list[dict[str, str]]:
    """Return every turn before the last answer of a conversation."""
    return list(record["messages"][:-1])


def question_of(record: Record) -> str:
    """Return the user's last question before the last answer, or the last turn if there is no user."""
    before = turns_before(record)
    asked = [turn for turn in before if turn["role"] == "user"] or before
    return str(asked[-1]["content"]) if asked else ""


def last_answer(record: Record) -> str:
    """Return the answer that a conversation ends with."""
    return str(record["messages"][-1]["content"])


def wanted_answer(record: Record) -> str:
    """Return the right answer for comparison: `answer` if there is one, else the last turn without its thoughts."""
    return str(record.get("answer") or behind_thoughts(last_answer(record)))


def source_of(pair: Record) -> str:
    """Return the source of a pair, without the words that ask for a target."""
    return str(pair.get("source") or question_of(pair))


def references_of(pair: Record) -> list[str]:
    """Return all right targets of a pair."""
    return pair.get("references") or [behind_thoughts(last_answer(pair))]


def learned_from(train: Conversations) -> list[tuple[str, str]]:
    """Return (source, target) of each pair that baselines learn from."""
    return [(source_of(pair), text) for pair in train.iterate() for text in references_of(pair)]


def documents_of(record: Record) -> list[str]:
    """Return ids of the documents whose text a conversation holds: its own document, and those of its passages."""
    return [each for each in (record.get("document"), *record.get("passages", ())) if each]


def is_conversations(made: Handle) -> bool:
    """Return whether a step has made conversations."""
    return (made.path / "conversations.jsonl").exists()


def write_conversations(folder: Path, conversations: Iterable[Record]) -> None:
    """Write conversations in the order of their ids, with the ids of the documents that they were made from."""
    ordered = sorted(conversations, key=itemgetter("id"))
    write_json_lines(folder / "conversations.jsonl", ordered)
    write_ids(folder, sorted({name for record in ordered for name in documents_of(record)}))
