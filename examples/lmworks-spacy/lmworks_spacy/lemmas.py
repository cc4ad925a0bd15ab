"""A step that writes each word as its lemma: for classic models, and for vocabularies of small languages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.shards.records import Document, Documents
from lmworks.data.shards.steps import Parts, Tally, map_shards
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig
from lmworks_spacy.pipelines import lemmatiser


class LemmasConfig(StepConfig):
    """Write each word as its lemma."""

    kind: Literal["lemmas"] = "lemmas"
    documents: Reference = Field(alias="from", description="Documents of one language.")
    language: str = Field(default="en", description="spaCy's code; English has the largest table of lemmas.")


@stage(version=1, reads="documents")
def lemmas(config: LemmasConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Write the documents again; what stands between words stays as it is. Counts the words that changed."""
    lemmatiser(config.language)  # what is missing is told before workers start
    tally = map_shards(documents, lemmatised, config, out, context)
    return Result(counts=tally.counts, examples=tally.examples)


def lemmatised(config: LemmasConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    """One shard, a pure function of it."""
    tally, written = Tally(), []
    for document, words in zip(
        documents, lemmatiser(config.language).pipe(each.text for each in documents), strict=True
    ):
        text = "".join((word.lemma_ or word.text) + word.whitespace_ for word in words)
        changed = sum(word.lemma_ not in ("", word.text) for word in words)
        tally.counts["words changed"] += changed
        tally.counts["documents"] += 1
        written.append(replace(document, text=text))
    return {"": written}, tally
