"""Cut lines: take out of web pages the lines and marks that are no running text."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.quality.published_rules import running_text
from lmworks.data.records import Document, Documents
from lmworks.data.steps import Parts, Tally, counted, map_shards
from lmworks.errors import LmworksError, format_counts
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig


class CutLinesConfig(StepConfig):
    """Cut menus, notices and citation marks out of web pages, before filters judge them."""

    makes: ClassVar[str] = "documents"
    kind: Literal["cut-lines"] = "cut-lines"
    documents: Reference = Field(alias="from", description="The documents to cut.")
    rules: Literal["c4"] = Field(
        default="c4",
        description="Lines that end no sentence, have fewer than 5 words, or speak of JavaScript, terms of use, "
        "privacy or cookies, and citation marks (Raffel et al. 2020, section 2.2). Headings, lists and code go, too.",
    )


@stage(version=2, reads="documents")
def cut_lines(config: CutLinesConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Every document without such lines, each text of a row by itself; one that nothing is left of goes."""
    tally = map_shards(documents, _cut_shard, config, out, context)
    if not tally.counts["documents"]:
        raise LmworksError(f"cut-lines: no document is left: {format_counts(tally.counts)}.")
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _cut_shard(config: CutLinesConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    tally, kept = Tally(), []
    for document in documents:
        rest = document.changed(partial(_cut, document, tally))
        if not rest.lacks_all_of(document):
            kept.append(rest)
        else:
            tally.lose("nothing left", id=document.id, text=document.text[:200])
    return counted(kept, tally)


def _cut(document: Document, tally: Tally, text: str) -> str:
    rest, pieces = running_text(text)
    for reason, piece in pieces:
        tally.note(reason, id=document.id, text=piece[:200])
    return rest
