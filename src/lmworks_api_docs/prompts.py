"""Questions about operations, with answers taken from the documents themselves."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.shards.records import Document, Documents
from lmworks.data.tuning.conversations import Record, conversation, write_conversations
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig
from lmworks_api_docs import phrasings
from lmworks_api_docs.operations import OperationText, action_of, parse_operation, summary

MIN_DESCRIPTION = 60
"""Least number of characters of a description. Shorter ones say no more than the operation's name."""
MAX_PARAMETERS = 12
"""Most parameters named in a question: enough to show what an operation does, few enough for a short context."""


class PromptsConfig(StepConfig):
    """Make questions and answers from documents of operations."""

    parts: ClassVar[tuple[str, ...]] = ("train", "validation", "test", "seen")

    makes: ClassVar[str] = "conversations"
    kind: Literal["operations-to-prompts"] = "operations-to-prompts"
    train: Reference = Field(description="Documents to tune on.")
    validation: Reference = Field(description="Documents of services on which settings are chosen.")
    test: Reference = Field(description="Documents of services that no model was trained on.")
    seen: int = Field(
        default=500,
        ge=0,
        description="Number of train documents with questions in new wordings. 500 give a 95 % interval of ±4 points.",
    )
    seed: int = Field(default=0, description="Seed of the draw of wordings and of documents for `seen`.")


@dataclass(frozen=True)
class _Operation:
    document: Document
    parsed: OperationText
    summary: list[str]
    action: str | None


@stage(version=1, reads=("train", "validation", "test"))
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
            counts.update({f"{name} {form}": n for form, n in Counter(each["form"] for each in conversations).items()})
            examples += [{"reason": f"{name} conversation", **each} for each in conversations[:3]]
    return Result(counts=counts, examples=examples)


def _operations(documents: Documents, counts: Counter[str], part: str) -> Iterator[_Operation]:
    """Yield the operations whose description is good enough for questions."""
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


def _converse(operations: Sequence[_Operation], seed: int, wording: str) -> list[Record]:
    """Return a conversation of each form that an operation allows. The document's id decides on its wording."""
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
    each: _Operation, form: str, wordings: Sequence[str], values: Mapping[str, str], answer: str, seed: int
) -> Record:
    phrasing = _draw(seed, each.document.id, form) % len(wordings)
    question = wordings[phrasing].format_map(values)
    return conversation(
        id=_id(form, each.document.id, question),
        form=form,
        question=question,
        answer=answer,
        document=each.document.id,
        service=values["service"],
        operation=values["operation"],
        phrasing=phrasing,
    )


def _off_topic(wording: str) -> list[Record]:
    asked = [(question, phrasings.GREETING_ANSWER, 0) for question in phrasings.GREETINGS[wording]]
    for phrasing, opening in enumerate(phrasings.OPENINGS[wording]):
        for question in phrasings.OFF_TOPIC[wording]:
            text = opening + question
            asked.append((text[0].upper() + text[1:], phrasings.OFF_TOPIC_ANSWER, phrasing))
    return [
        conversation(
            id=_id("other", "", text), form="other", question=text, answer=answer, document=None, phrasing=phrasing
        )
        for text, answer, phrasing in asked
    ]


def _id(form: str, document: str, question: str) -> str:
    return hashlib.sha256(f"{form}\0{document}\0{question}".encode()).hexdigest()[:32]


def _draw(seed: int, document: str, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{document}\0{purpose}".encode()).digest()[:8], "big")
