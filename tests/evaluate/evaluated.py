"""Documents and conversations to evaluate on, and what was written about them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lmworks.data.shards.records import Document, Documents, write_ids, write_shard
from lmworks.data.tuning.conversations import Conversations, conversation, write_conversations
from lmworks.evaluate.items import Item
from lmworks.knowledge.collection import Passage, write_facts, write_passages
from lmworks.knowledge.passages import Passages

OPERATIONS = {
    "S3": ("CreateBucket", "DeleteBucket", "ListBuckets", "GetBucketPolicy"),
    "SQS": ("CreateQueue", "ListQueues"),
    "Solo": ("DescribeNothing",),
}


def make_documents(folder: Path, texts: list[str]) -> Documents:
    found = [
        Document(id=f"{i:02}", text=text, source="t", licence="MIT", meta={"service": text.split()[0]})
        for i, text in enumerate(texts)
    ]
    write_shard(folder / "part-00000.parquet", found)
    write_ids(folder, [document.id for document in found])
    return Documents(folder, folder.name)


def make_rows(folder: Path, rows: list[dict[str, Any]]) -> Documents:
    """Records of a published set, as `fields: all` makes them."""
    found = [Document.of_row(row, id=f"{number:02}", source="t", licence="MIT") for number, row in enumerate(rows)]
    write_shard(folder / "part-00000.parquet", found)
    write_ids(folder, [document.id for document in found])
    return Documents(folder, folder.name)


def make_passages(folder: Path, *texts: str) -> Passages:
    """A passage a text, each of a document of its own."""
    facts = {"start": 0, "title": "", "source": "t", "licence": "MIT", "path": "", "link": ""}
    write_passages(folder, [Passage(document=f"{place:02}", text=text, **facts) for place, text in enumerate(texts)])
    write_facts(folder, 0.2)
    return Passages(folder, folder.name)


def action(operation: str) -> str:
    """What an operation does: "CreateBucket" creates the thing."""
    return re.sub("(?<!^)[A-Z].*", "", operation).lower() + "s the thing"


def make_conversations(folder: Path, operations: dict[str, tuple[str, ...]] = OPERATIONS) -> Conversations:
    """One conversation of each form an operation."""
    made = []
    for service, names in operations.items():
        for name in names:
            for form, question, answer in (
                ("document", f"Document {service} {name}.", f"{action(name)} of {name}."),
                ("explain", f"What does {service} {name} do?", f"{action(name)}."),
                ("find", f"Which {service} operation {action(name)}?", name),
            ):
                made.append(
                    conversation(
                        id=f"{form}-{name}",
                        form=form,  # type: ignore[arg-type]
                        question=question,
                        answer=answer,
                        document=f"doc-{name}",
                        service=service,
                        operation=name,
                    )
                )
    write_conversations(folder, made)
    return Conversations(folder, folder.name)


def items_of(out: Path) -> list[Item]:
    """The items that a stage wrote."""
    with (out / "items.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
