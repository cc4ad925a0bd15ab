"""Join the packed rows of several parts, so that a mixture can take them in turn."""

from __future__ import annotations

import json
from heapq import merge
from itertools import groupby
from pathlib import Path

from pydantic import Field

from lmworks.data.documents import write_file, write_ids
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import Reference, StepConfig
from lmworks.tokens.shards import Shards

ROWS_AT_ONCE = 4096
"""A few megabytes."""


class JoinConfig(StepConfig):
    """Made by the graph for each model that is trained on a mixture."""

    rows: list[Reference] = Field(description="The rows of each part.")
    names: list[str] = Field(description="What the parts are called.")


@stage(version=1)
def join_rows(config: JoinConfig, rows: list[Shards], out: Path, context: Context) -> Result:
    """All rows, one part after another, packed alike; `shards.json` says how many each part has."""
    import numpy as np

    opened = [part.open() for part in rows]
    facts = [json.loads((part.path / "shards.json").read_text()) for part in rows]
    total = sum(len(part.tokens) for part in opened)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("tokens", "weights"):
        arrays = [getattr(part, name) for part in opened]
        shape = (total, arrays[0].shape[1])
        joined = np.lib.format.open_memmap(out / f"{name}.npy", mode="w+", dtype=arrays[0].dtype, shape=shape)
        place = 0
        for array in arrays:
            for start in range(0, len(array), ROWS_AT_ONCE):
                context.check_stop()
                piece = array[start : start + ROWS_AT_ONCE]
                joined[place : place + len(piece)] = piece
                place += len(piece)
        joined.flush()
    ids = merge(*((part.path / "ids.txt").read_text().split() for part in rows))
    write_ids(out, (name for name, _ in groupby(ids)))
    sums = {name: sum(fact[name] for fact in facts) for name in ("rows", "tokens", "trained_tokens", "bytes_of_text")}
    parts = [(name, len(part.tokens)) for name, part in zip(config.names, opened, strict=True)]
    write_file(out / "shards.json", (json.dumps({**facts[0], **sums, "parts": parts}, indent=1) + "\n").encode())
    return Result(counts=sums | {f"{name} rows": count for name, count in parts})
