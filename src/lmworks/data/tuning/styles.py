"""Styles: texts about facts, written by people and by a template, to teach a classifier the difference."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.shards.named import require_fields
from lmworks.data.shards.records import Document, Documents, read_shard
from lmworks.data.shards.steps import Parts, Tally, map_units, origins_of
from lmworks.data.tuning.facts import parse_facts, verbalise
from lmworks.errors import UsageError, format_counts
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig


class StylesConfig(StepConfig):
    """Split each document into its written text and a template's text with the same facts."""

    parts: ClassVar[tuple[str, ...]] = ("written", "template")

    makes: ClassVar[str] = "documents"
    kind: Literal["styles"] = "styles"
    documents: Reference = Field(alias="from", description="Documents with facts and a text about them.")
    facts: str = Field(default="source", description="Field with the facts, kept at ingest.")
    text: str = Field(default="target", description="Field with the text.")


@stage(version=2, reads="documents")
def styles(config: StylesConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Write each document twice under its id: as its text, and as its facts in a template. `style` is the difference.

    Raises UsageError if no document has both.
    """
    require_fields({"facts": config.facts, "text": config.text}, documents.iterate(), "styles")
    shards = documents.shards()
    origins = origins_of(shards, key_config(config))
    tally = map_units(shards, partial(_part_shard, config), out, context, config.parts, origins=origins)
    if not tally.counts["documents"]:
        raise UsageError(
            f"{config.documents}: no document has facts in {config.facts!r} and a text in {config.text!r}, found "
            f"{format_counts(tally.counts) or 'none at all'}; name them in `fields` (or in `keep`) of the source"
        )
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _part_shard(config: StylesConfig, shard: Path) -> tuple[Parts, Tally]:
    parts: dict[str, list[Document]] = {part: [] for part in config.parts}
    tally = Tally()
    for document in read_shard(shard):
        facts, text = (str(document.value(name) or "").strip() for name in (config.facts, config.text))
        plain = verbalise(parse_facts(facts))
        if not plain or not text:
            tally.lose(f"no {config.text if plain else config.facts}", id=document.id, text=document.text[:200])
            continue
        for style, words in (("written", text), ("template", plain)):
            meta = {**document.meta, "style": style}
            parts[style].append(replace(document, text=words, fields=(), structure=None, meta=meta))
        tally.counts["documents"] += 1
    return parts, tally
