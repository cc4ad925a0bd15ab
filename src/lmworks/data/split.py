"""Split: whole groups of documents into train, validation and test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.documents import Document, Documents, read_shard, write_file
from lmworks.data.steps import Parts, Tally, map_shards
from lmworks.errors import UsageError
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import Reference, StepConfig


class SplitConfig(StepConfig):
    """Hold out whole groups, so that nothing about a test group is ever trained on."""

    parts: ClassVar[tuple[str, ...]] = ("train", "validation", "test")

    kind: Literal["split"] = "split"
    documents: Reference = Field(alias="from", description="The documents to split.")
    by: str = Field(
        default="id",
        description="What keeps documents together: a field of their `meta`, `source`, or `id`: each on its own. "
        "Texts that speak of one thing belong in one group; only the user knows which do.",
    )
    test: int | float = Field(default=0.05, ge=0, description="Number of groups; below 1, their share.")
    validation: int | float = Field(default=0.05, ge=0, description="Number of groups; below 1, their share.")


@stage(version=1)
def split(config: SplitConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Assign each group by the sha256 of its name: the lowest are the test part, the next the validation part.

    So a group's part does not depend on the order or content of documents, and hardly on what other groups there are.
    Documents that lack the field `by` are trained on. `groups.json` lists the groups held out.
    """
    groups: set[str] = set()
    for shard in documents.shards():
        groups.update(name for document in read_shard(shard) if (name := group_of(document, config.by)) is not None)
    part_of = assign(groups, config)
    held_out = {part: sorted(name for name in part_of if part_of[name] == part) for part in ("test", "validation")}
    tally = map_shards(documents, partial(split_shard, part_of), config, out, context, config.parts)
    listing = {"by": config.by, "groups": len(groups), **held_out}
    write_file(out / "groups.json", (json.dumps(listing, indent=1, ensure_ascii=False) + "\n").encode())
    for part, names in held_out.items():
        tally.counts[f"{part} groups"] = len(names)
        context.log(f"{part} groups ({len(names)}): {', '.join(names[:100])}")
        tally.examples.append({"reason": f"{part} groups", "groups": names[:100]})
    return Result(counts=tally.counts, examples=tally.examples)


def group_of(document: Document, by: str) -> str | None:
    """The name of a document's group; None if it has none."""
    if by in ("id", "source"):
        return str(getattr(document, by))
    name = document.meta.get(by)
    return None if name is None else str(name)


def assign(groups: Collection[str], config: SplitConfig) -> dict[str, str]:
    """The part of each group that is held out."""
    order = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    test, validation = (_number(wanted, len(order)) for wanted in (config.test, config.validation))
    if test + validation >= len(order):
        raise UsageError(
            f"split: {test} test and {validation} validation groups leave none of the {len(order)} groups "
            f"by {config.by!r} to train on. Lower `test` and `validation`, or split by something finer."
        )
    return dict.fromkeys(order[:test], "test") | dict.fromkeys(order[test : test + validation], "validation")


def _number(wanted: float, groups: int) -> int:
    return int(wanted) if wanted >= 1 or wanted == 0 else max(1, int(wanted * groups))


def split_shard(part_of: dict[str, str], config: SplitConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    """One shard of `split`."""
    parts: dict[str, list[Document]] = {part: [] for part in config.parts}
    tally = Tally()
    for document in documents:
        name = group_of(document, config.by)
        if name is None:
            tally.note(f"no field {config.by!r}: trained on", id=document.id, path=document.meta.get("path"))
        part = part_of.get(name, "train") if name is not None else "train"
        parts[part].append(document)
        tally.counts[f"{part} documents"] += 1
        tally.counts[f"{part} bytes"] += len(document.text.encode())
    return parts, tally
