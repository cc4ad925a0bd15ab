"""Texts from rows: a template makes a sentence from a row of numbers, times and categories."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.forms.row import Fault
from lmworks.data.shards.records import Document, Documents
from lmworks.data.shards.steps import Parts, Tally, map_shards
from lmworks.data.tuning.wording import filled
from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig


class TellConfig(StepConfig):
    """Make a text from each row."""

    makes: ClassVar[str] = "documents"
    kind: Literal["tell"] = "tell"
    documents: Reference = Field(alias="from", description="Rows, kept with `fields` of their source.")
    template: str = Field(
        min_length=1,
        description="Sentence with field names in braces: `At {time} {part} showed {bar} bar.` It has no default, "
        "because only you know what a row means.",
    )


@stage(version=1, reads="documents")
def tell(config: TellConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Write the template with the values of each row. Rows that lack one of its fields are counted and left out.

    Raises LmworksError if all rows lack one.
    """
    tally = map_shards(documents, _tell_shard, config, out, context)
    if not tally.counts["documents"]:
        raise LmworksError(f"tell: no row has all the fields of {config.template!r}; fix `template`")
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _tell_shard(config: TellConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    tally, kept = Tally(), []
    for document in documents:
        row = {name: value for name, value in {**document.meta, **document.row()}.items() if value not in (None, "")}
        try:
            text = filled(config.template, row)
        except Fault:
            tally.lose("lacks a field of the template", id=document.id)
            continue
        kept.append(replace(document, text=text, fields=(), structure=None))
    tally.counts["documents"] += len(kept)
    return {"": kept}, tally
