"""Join the packed rows of several parts, so that a mixture can read them in turn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from heapq import merge
from pathlib import Path

from pydantic import Field

from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig
from lmworks.tokens.rows.mixture import Rows
from lmworks.tokens.rows.shards import LOST, Shards, write_rows
from lmworks.tokens.tokenizer import TokenizerFolder

COUNTED = (*LOST, "chats_of_answers")
"""Counts of packing that are summed over the parts."""
ROWS_AT_ONCE = 4096
"""Number of rows that are copied at a time, which is a few megabytes."""


class JoinConfig(StepConfig):
    """Settings for joining rows, made by the graph for each model that is trained on a mixture."""

    rows: list[Reference] = Field(description="Rows of each part.")
    names: list[str] = Field(description="Names of the parts.")
    tokenizer: Reference | None = Field(
        default=None, description="Tokenizer that marks where documents begin, if other parts are conversations."
    )


@stage(version=1, trains_on="rows", reads="tokenizer")
def join_rows(
    config: JoinConfig, rows: list[Shards], tokenizer: TokenizerFolder | None, out: Path, context: Context
) -> Result:
    """Write all rows, one part after another. `shards.json` says how many rows each part has.

    Rows of conversations mark where each conversation begins. With a tokenizer, rows of documents get such marks too.
    """
    opened = [part.open() for part in rows]
    facts = [json.loads((part.path / "shards.json").read_text()) for part in rows]

    def blocks(arrays: Iterable[Rows]) -> Iterator[Rows]:
        for array in arrays:
            for start in range(0, len(array), ROWS_AT_ONCE):
                context.check_stop()
                yield array[start : start + ROWS_AT_ONCE]

    marked = [part.begins for part in opened if part.begins is not None]
    if tokenizer:
        end = tokenizer.open().end_of_text_id
        marked = [part.tokens == end if part.begins is None else part.begins for part in opened]
    lost = {name: sum(fact.get(name, 0) for fact in facts) for name in COUNTED if any(name in fact for fact in facts)}
    sizes = [(name, len(part.tokens)) for name, part in zip(config.names, opened, strict=True)]
    counts = write_rows(
        out,
        blocks(part.tokens for part in opened),
        blocks(part.weights for part in opened),
        merge(*((part.path / "ids.txt").read_text().split() for part in rows)),
        rows=sum(size for _, size in sizes),
        sequence_length=opened[0].sequence_length,
        trained_tokens=sum(fact["trained_tokens"] for fact in facts),
        vocab_size=opened[0].vocab_size,
        tokenizer_digest=opened[0].tokenizer_digest,
        bytes_of_text=sum(part.bytes_of_text for part in opened),
        parts=sizes,
        begins=blocks(marked) if len(marked) == len(opened) else None,
        asked=[each for part in opened for each in part.asked],
        **lost,
    )
    return Result(counts=counts | {f"{name} rows": size for name, size in sizes})
