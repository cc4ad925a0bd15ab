"""Label: give each document one of a few labels by the value of a field, as a table in the recipe says."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from lmworks.data.shards.named import require_fields
from lmworks.data.shards.records import Document, Documents
from lmworks.data.shards.steps import Parts, Tally, map_shards
from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig


class LabelConfig(StepConfig):
    """Write labels into `meta.label`, for a model that learns them."""

    makes: ClassVar[str] = "documents"
    kind: Literal["label"] = "label"
    documents: Reference = Field(alias="from", description="Documents to label.")
    by: str = Field(description="Field, kept at ingest, whose value decides the label.")
    labels: dict[str, list[str]] = Field(min_length=2, description="Each label with the values that get it.")

    @field_validator("labels")
    @classmethod
    def _one_label_each(cls, labels: dict[str, list[str]]) -> dict[str, list[str]]:
        values = [value for group in labels.values() for value in group]
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"{', '.join(twice[:5])}: listed twice in `labels`; list each value once")
        return labels


@stage(version=2, reads="documents")
def label(config: LabelConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Label documents. Documents whose value is not listed are dropped. Raises LmworksError for an unused label."""
    require_fields({"by": config.by}, documents.iterate(), "label")
    label_of = {value: name for name, values in config.labels.items() for value in values}
    tally = map_shards(documents, partial(_label_shard, label_of), config, out, context)
    if empty := [name for name in config.labels if not tally.counts[f"label {name}"]]:
        raise LmworksError(f"label: no document is {', '.join(empty)}: none has in {config.by!r} a value listed for it")
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _label_shard(label_of: dict[str, str], config: LabelConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    tally, kept = Tally(), []
    for document in documents:
        found = label_of.get(str(document.value(config.by)))
        if found is None:
            tally.lose("no label", id=document.id, value=document.value(config.by), text=document.text[:200])
            continue
        tally.counts[f"label {found}"] += 1
        kept.append(replace(document, meta={**document.meta, "label": found}))
    tally.counts["documents"] += len(kept)
    return {"": kept}, tally
