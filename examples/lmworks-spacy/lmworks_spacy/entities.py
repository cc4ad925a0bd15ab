"""A step that marks entities, as `spans` that `token-classification` learns and the task `extraction` measures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.shards.records import Document, Documents
from lmworks.data.shards.steps import Parts, Tally, map_shards
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig
from lmworks_spacy.pipelines import ruler


class EntitiesConfig(StepConfig):
    """Mark the entities of a list."""

    kind: Literal["entities"] = "entities"
    documents: Reference = Field(alias="from", description="Documents of one language.")
    language: str = Field(default="en", description="spaCy's code; it says where words end.")
    phrases: dict[str, list[str]] = Field(
        min_length=1, description="Label → phrases, in whatever case. No default: the names that matter are yours."
    )
    field: str = Field(default="spans", description="Of `meta`, where they are written; `extraction` reads this one.")


@stage(version=1, reads="documents")
def entities(config: EntitiesConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Write the documents again, each with its spans. Counts spans by label."""
    ruler(config.language, patterns(config))  # what is missing is told before workers start
    tally = map_shards(documents, marked, config, out, context)
    return Result(counts=tally.counts, examples=tally.examples)


def patterns(config: EntitiesConfig) -> tuple[tuple[str, str], ...]:
    """Label and phrase, one by one."""
    return tuple((label, phrase) for label, phrases in config.phrases.items() for phrase in phrases)


def marked(config: EntitiesConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    """One shard, a pure function of it."""
    tally, written = Tally(), []
    pipeline = ruler(config.language, patterns(config))
    for document, words in zip(documents, pipeline.pipe(each.text for each in documents), strict=True):
        spans = [{"start": each.start_char, "end": each.end_char, "label": each.label_} for each in words.ents]
        tally.counts.update(f"spans {span['label']}" for span in spans)
        tally.counts["documents"] += 1
        written.append(replace(document, meta={**document.meta, config.field: spans}))
    return {"": written}, tally
