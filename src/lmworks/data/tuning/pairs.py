"""Pairs of source and target, from documents that hold both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from lmworks.data.personal.hidden import hide_all
from lmworks.data.shards.named import require_fields
from lmworks.data.shards.records import Document, Documents, write_ids
from lmworks.data.tuning.conversations import KEEP, Record, kept_of, write_conversations
from lmworks.errors import UsageError, format_counts
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig

PLACE = "{source}"


class PairsConfig(StepConfig):
    """Make pairs of a source and a target from documents."""

    makes: ClassVar[str] = "conversations"
    kind: Literal["pairs"] = "pairs"
    documents: Reference = Field(alias="from", description="Documents with a source and a target each.")
    source: str | Annotated[list[str], Field(min_length=2)] = Field(
        default="source",
        description="Source field, kept at ingest, or `text` for the text itself. Items of a list are joined by "
        "spaces. Several fields are written as `area: riverside, food: French`, without empty ones.",
    )
    target: str = Field(
        default="target", description="Field with the text to be written. Each item of a list is a right answer."
    )
    targets: Literal["each", "references"] = Field(
        default="each",
        description="Use of several targets of one source, in one document or several. `each` makes a pair for each "
        "target, to learn from. `references` keeps them together, to compare one answer with all of them.",
    )
    ask: str = Field(
        default=PLACE,
        description="Text of the question, with {source} in place of the source. An encoder-decoder or a tuned decoder "
        "needs only the source. An untuned chat model needs an instruction too.",
    )

    keep: list[str] = Field(default=[], description=KEEP)

    @field_validator("ask")
    @classmethod
    def _asks_for_the_source(cls, value: str) -> str:
        if value.count(PLACE) != 1:
            raise ValueError(f"{value!r} has {value.count(PLACE)} places for the source; expected {PLACE} once")
        return value


@stage(version=3, reads="documents")
def pairs(config: PairsConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Write conversations with the source as the question and the target as the answer.

    With them a decoder can be tuned (`sft`) on the data of an encoder-decoder. Documents without source or target are
    counted. With `references` a source makes one pair, with the id of its first document and all targets in the field
    `references`. Raises UsageError if no document has both.
    """
    told = [config.source] if isinstance(config.source, str) else config.source
    named = {
        **{f"source: {name}" if told[1:] else "source": name for name in told},
        "target": config.target,
        **{f"keep: {name}": name for name in config.keep},
    }
    require_fields(named, documents.iterate(), "pairs")
    counts: Counter[str] = Counter()
    found: list[tuple[Document, str, list[str]]] = []
    for document in documents.iterate():
        sides = {name: side for name in told if (side := " ".join(_side(document, name)))}
        source = ", ".join(f"{name}: {side}" for name, side in sides.items()) if told[1:] else "".join(sides.values())
        targets = _side(document, config.target)
        if source and targets:
            found.append((document, source, targets))
        else:
            counts[f"no {config.target if source else ', '.join(told)}"] += 1
    if not found:
        raise UsageError(
            f"{config.documents}: no document has both {config.source!r} and {config.target!r}, found "
            f"{format_counts(counts) or 'none at all'}; name them in `fields` (or in `keep`) of the source that is "
            "ingested"
        )
    made = list(_together(config, found) if config.targets == "references" else _apart(config, found))
    write_conversations(out, made)
    write_ids(out, sorted({document.id for document, _, _ in found}))  # of those that share a pair too
    counts["pairs"] = len(made)
    if config.targets == "references":
        counts["references"] = sum(len(each.get("references", "1")) for each in made)
    losses = {name for name in counts if name.startswith("no ")}
    return Result(counts=counts, losses=losses, examples=hide_all({"reason": "pair", **each} for each in made[:3]))


def _apart(config: PairsConfig, found: Sequence[tuple[Document, str, list[str]]]) -> list[Record]:
    return [
        _pair(config, document.id if len(targets) == 1 else f"{document.id}-{number}", document, source, [target])
        for document, source, targets in found
        for number, target in enumerate(targets)
    ]


def _together(config: PairsConfig, found: Sequence[tuple[Document, str, list[str]]]) -> list[Record]:
    first: dict[str, tuple[Document, list[str]]] = {}
    for document, source, targets in found:
        first.setdefault(source, (document, []))[1].extend(targets)
    return [
        _pair(config, document.id, document, source, list(dict.fromkeys(targets)))
        for source, (document, targets) in first.items()
    ]


def _pair(config: PairsConfig, name: str, document: Document, source: str, targets: Sequence[str]) -> Record:
    """Return a pair. It has the fields `source` and `references` only if they add to its messages."""
    question = config.ask.replace(PLACE, source)
    return {
        "id": name,
        "form": "pair",
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": targets[0]}],
        "document": document.id,
        **({"source": source} if source != question else {}),
        **({"references": targets} if len(targets) > 1 else {}),
        **({"meta": kept} if (kept := kept_of(document, config.keep)) else {}),
    }


def _side(document: Document, name: str) -> list[str]:
    value = document.text if name == "text" and document.structure is None else document.value(name)
    texts = [str(each).strip() for each in (value if isinstance(value, list) else [value]) if each is not None]
    return [text for text in texts if text]
