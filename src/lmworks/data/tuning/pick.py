"""Pick a few examples to watch while a model trains.

They are a separate artifact, so that a change to other held-out texts does not change the model.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field

from lmworks.data.shards.records import Documents, write_ids, write_shard
from lmworks.data.tuning.conversations import Conversations, documents_of, last_answer
from lmworks.pipeline.files import canonical_json, write_atomically
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig


class PickConfig(StepConfig):
    """Config of a step that the graph adds for each model that is watched."""

    data: Reference = Field(description="Step with the examples.")
    count: int = Field(default=2, ge=1, description="Number of examples.")


@stage(version=2, reads="data")
def pick_documents(config: PickConfig, data: Documents, out: Path, context: Context) -> Result:
    """Write the first documents in the order of ids, which is unrelated to content."""
    picked = list(islice(data.iterate(), config.count))
    write_shard(out / "part-00000.parquet", picked)
    write_ids(out, sorted(document.id for document in picked))
    return Result()


@stage(version=2, reads="data")
def pick_conversations(config: PickConfig, data: Conversations, out: Path, context: Context) -> Result:
    """Write the first conversation of each form: those about a document first, and long answers before short ones."""
    first: dict[str, dict[str, Any]] = {}
    for record in data.iterate():
        first.setdefault(record.get("form", ""), record)
    longest = sorted(first.values(), key=lambda record: (not record.get("document"), -len(last_answer(record))))
    picked = longest[: config.count]
    write_atomically(out / "conversations.jsonl", "".join(canonical_json(record) + "\n" for record in picked).encode())
    write_ids(out, sorted({name for record in picked for name in documents_of(record)}))
    return Result()
