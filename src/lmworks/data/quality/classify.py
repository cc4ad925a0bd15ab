"""Classify: write a classifier's label or probability for each document, and drop documents below a probability."""

from __future__ import annotations

import functools
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.personal.hidden import hide_name
from lmworks.data.quality.hashed_linear import LinearClassifier
from lmworks.data.shards.records import Document, Documents
from lmworks.data.shards.steps import Parts, Tally, counted, map_shards
from lmworks.errors import LmworksError, UsageError, format_counts
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.recipe.schema import Reference, StepConfig


class ClassifyConfig(StepConfig):
    """Judge documents by a classifier that an earlier step trained."""

    makes: ClassVar[str] = "documents"
    kind: Literal["classify"] = "classify"
    documents: Reference = Field(alias="from", description="Documents to judge.")
    classifier: Reference = Field(description="Step that trained the classifier.")
    label: str | None = Field(
        default=None, description="Label whose probability is written. By default the most likely label is written."
    )
    field: str = Field(
        default="quality", min_length=1, description="Field of `meta` for the result. `split` can balance `quality`."
    )
    at_least: float = Field(
        default=0,
        ge=0,
        le=1,
        description="Minimum probability of `label` for a document to stay. 0 drops no document, so that you can look "
        "at the scores.",
    )

    @model_validator(mode="after")
    def _has_a_label(self) -> Self:
        if self.at_least and self.label is None:
            raise ValueError("`at_least` is a probability of `label`; name the label")
        return self


@stage(version=3, reads="documents", judges="classifier")
def classify(config: ClassifyConfig, documents: Documents, classifier: Handle, out: Path, context: Context) -> Result:
    """Write the label or its probability (4 decimals) into `meta`. Raises `UsageError` for an unknown label."""
    if not (classifier.path / "classifier.json").exists():
        raise UsageError(f"classify: step {config.classifier!r} made no classifier; name a step of kind `classifier`")
    labels = _load(classifier.path).labels
    if config.label not in (None, *labels):
        raise UsageError(f"classify: no label {config.label!r}; {config.classifier!r} has {', '.join(labels)}")
    tally = map_shards(
        documents, partial(_classify_shard, classifier.path), config, out, context, settings=classifier.digest
    )
    if not tally.counts["documents"]:
        raise LmworksError(f"classify: no document is left: {format_counts(tally.counts)}.")
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _classify_shard(path: Path, config: ClassifyConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    model = _load(path)
    tally, kept = Tally(), []
    probabilities = model.probabilities([document.text for document in documents])
    for document, each in zip(documents, probabilities, strict=True):
        found: str | float = model.labels[each.argmax()]
        if config.label is not None:
            found = round(float(each[model.labels.index(config.label)]), 4)
            if found < config.at_least:
                reason = f"{config.label}: below {config.at_least}"
                tally.lose(reason, id=document.id, probability=found, text=document.text[:200])
                continue
        else:
            tally.counts[f"label {hide_name(str(found))}"] += 1
        kept.append(replace(document, meta={**document.meta, config.field: found}))
    return counted(kept, tally)


@functools.lru_cache(maxsize=1)
def _load(path: Path) -> LinearClassifier:
    return LinearClassifier.load(path)
