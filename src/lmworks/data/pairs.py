"""Pairs of source and target, from documents that hold both."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.conversations import Conversation, write_conversations
from lmworks.data.documents import Document, Documents
from lmworks.errors import UsageError
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import Reference, StepConfig


class PairsConfig(StepConfig):
    """Make pairs of documents."""

    kind: Literal["pairs"] = "pairs"
    documents: Reference = Field(alias="from", description="Documents that hold a source and a target each.")
    source: str = Field(
        default="source", description="Field of `meta`, kept at ingest, that is rewritten; `text` for the text itself."
    )
    target: str = Field(default="target", description="Field that is to be written.")


@stage(version=1)
def pairs(config: PairsConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Write conversations of one question, the source, and one answer, the target.

    So a decoder can be tuned (`sft`) on what an encoder-decoder is trained on. Documents without either are counted.
    Raises UsageError if none has both.
    """
    counts: Counter[str] = Counter()
    made = []
    for document in documents.iterate():
        source, target = (_side(document, name) for name in (config.source, config.target))
        if not source or not target:
            counts[f"no {config.target if source else config.source}"] += 1
            continue
        made.append(
            Conversation(id=document.id, form="pair", question=source, answer=target, document=document.id, phrasing=0)
        )
    if not made:
        raise UsageError(
            f"{config.documents}: no document has both {config.source!r} and {config.target!r}, found "
            f"{dict(counts) or 'none at all'}; name them in `keep` of the source that is ingested"
        )
    write_conversations(out, made)
    counts["pairs"] = len(made)
    return Result(counts=counts, examples=[{"reason": "pair", **each.as_json()} for each in made[:3]])


def _side(document: Document, name: str) -> str:
    return str(document.text if name == "text" else document.meta.get(name) or "").strip()
