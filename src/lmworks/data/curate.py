"""Curate: keep what is worth learning from, once, and nothing that gives a held-out text away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.deduplicate import drop_duplicates
from lmworks.data.documents import Document, Documents
from lmworks.data.filters import FILTERS, FilterSettings, detect_language
from lmworks.data.steps import Parts, Tally, map_shards
from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import Reference, StepConfig


class NearDuplicates(StepConfig):
    """When two texts count as one."""

    jaccard: float = Field(
        default=0.8, gt=0, le=1, description="Least share of 5-word phrases in common: the field's usual choice."
    )


class CurateConfig(StepConfig):
    """Filter documents, then drop exact and near duplicates."""

    kind: Literal["curate"] = "curate"
    documents: Reference = Field(alias="from", description="The documents to curate.")
    filters: list[Literal["length", "language", "repetition"]] = Field(
        default=["length", "language", "repetition"], description="Applied in this order; a document counts once."
    )
    languages: list[str] = Field(default=["en"], description="What the language filter keeps: ISO 639-1 codes.")
    near_duplicates: NearDuplicates | None = Field(
        default=NearDuplicates(), description="Null searches for exact duplicates only."
    )
    avoid: list[Reference] = Field(
        default=[], description="Held-out documents: what repeats one of them is dropped, so that no score is inflated."
    )


@stage(version=2)
def curate(config: CurateConfig, documents: Documents, avoid: list[Documents], out: Path, context: Context) -> Result:
    """Filter, then drop all but the document with the smallest id of each cluster of duplicates.

    A cluster holds what is connected by duplicate pairs. A cluster with a document of `avoid` keeps none.
    `clusters.jsonl` lists them all.
    """
    filtered = Documents(context.scratch / "filtered", "")
    tally = map_shards(documents, filter_shard, config, filtered.path, context, step="filter")
    if not filtered.shards():
        raise LmworksError(f"curate: the filters leave no document. Dropped by reason: {dict(tally.counts)}.")
    threshold = config.near_duplicates.jaccard if config.near_duplicates else None
    tally.add(drop_duplicates(filtered, avoid, threshold, out, context))
    return Result(counts=tally.counts, examples=tally.examples)


def filter_shard(config: CurateConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    """Apply each filter to one shard, and note the language of what passes."""
    settings = FilterSettings(tuple(config.languages))
    tally, kept = Tally(), []
    for document in documents:
        reason = next(filter(None, (FILTERS[name](document, settings) for name in config.filters)), None)
        if reason:
            tally.note(reason, id=document.id, text=document.text[:200])
        else:
            kept.append(replace(document, language=detect_language(document.text)[0]))
    return {"": kept}, tally
