"""A step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.shards.records import Document, Documents
from lmworks.data.shards.steps import Parts, Tally, map_shards
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig


class ShoutConfig(StepConfig):
    """Write documents in capitals."""

    kind: Literal["shout"] = "shout"
    documents: Reference = Field(alias="from", description="What is shouted.")
    marks: int = Field(default=1, ge=0, description="Exclamation marks at the end of each; one is heard.")


@stage(version=1, reads="documents")
def shout(config: ShoutConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Write each document again, louder."""
    return Result(counts=map_shards(documents, louder, config, out, context).counts)


def louder(config: ShoutConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    """One shard."""
    tally = Tally()
    tally.counts["documents"] += len(documents)
    return {"": [replace(each, text=each.text.upper() + "!" * config.marks) for each in documents]}, tally
