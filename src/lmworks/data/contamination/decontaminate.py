"""Decontaminate: what gives an evaluation set away is not learned from."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.contamination.index import (
    LONG_RUN_WORDS,
    METHODS,
    SHARED,
    SUREST,
    Match,
    Method,
    open_index,
    spans,
    write_index,
)
from lmworks.data.contamination.items import of_document, own_lines
from lmworks.data.contamination.plain import compared_in_turn
from lmworks.data.quality.filters import MIN_WORDS
from lmworks.data.records import Document, Documents, as_array, read_shard, write_json_lines
from lmworks.data.steps import Parts, Tally, counted, map_units, origins_of
from lmworks.data.tuning.conversations import Conversations, question_of
from lmworks.data.words import count_words
from lmworks.errors import LmworksError, format_counts
from lmworks.pipeline.files import canonical_json, digest_text, fingerprints, write_atomically
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.recipe.schema import BesideRecipe, Reference

DOCUMENTS_LISTED = 10
_MOST_CUTS = 3
"""Times that lines are cut from a document: cutting may join the rest to an item anew."""
_UNKNOWN = "not known, for other records share their words:"
_OFTEN = 0.05
"""Share of the documents from where on a short item that they hold is told by name."""


class DecontaminateConfig(BesideRecipe):
    """Drop or cut documents that hold items of evaluation sets."""

    makes: ClassVar[str] = "documents"
    kind: Literal["decontaminate"] = "decontaminate"
    documents: Reference = Field(alias="from", description="The documents to learn from.")
    against: list[Reference] = Field(default=[], description="Evaluation sets: steps with documents or conversations.")
    files: list[str] = Field(
        default=[], description="Evaluation sets as published: jsonl files, absolute or from the recipe's folder."
    )
    methods: list[Method] = Field(
        default=list(METHODS),
        min_length=1,
        description="All by default: each finds what the others miss. Leave out `13-gram` where boilerplate repeats.",
    )
    jaccard: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="From where on a document, or a passage of it as long as an item, is a near-duplicate of the item, "
        "as in `curate`.",
    )
    action: Literal["drop", "cut"] = Field(
        default="drop", description="`cut` keeps the other lines of a document: for long ones, of which little is lost."
    )
    fingerprints: list[str] = Field(default=[], description="sha256 of each file; set by `resolve`.")

    @model_validator(mode="after")
    def _has_a_set(self) -> Self:
        if not self.against and not self.files:
            raise ValueError("name an evaluation set: a step in `against`, or a jsonl file in `files`")
        return self

    def resolve(self, folder: Path) -> Self:
        """This config with the content of its files."""
        prints = fingerprints(map(folder.joinpath, self.files), "decontaminate", "files")
        return super().resolve(folder).model_copy(update={"fingerprints": prints})


@dataclass(frozen=True)
class Item:
    """One text of an evaluation set."""

    set: str
    record: str
    """The document's or conversation's id, or the number of the line."""
    text: str
    document: str | None = None
    """Id of the document that it is or was made from."""
    is_asked: bool = False
    """Whether it is what a record asks, whose layout may be another elsewhere."""


@stage(version=10, reads="documents", judges="against")
def decontaminate(
    config: DecontaminateConfig, documents: Documents, against: list[Handle], out: Path, context: Context
) -> Result:
    """Drop each document that holds an item, or cut the lines that do.

    `items.jsonl` lists every item with its verdict before the step; afterwards all are clean by the methods used, but
    those of which only words were found that other records of the set share: of these nothing is known.
    """
    tally = Tally()
    items = _with_lines([*_items_of_steps(config, against), *_items_of_files(config, tally)])
    if not items:
        raise LmworksError(f"decontaminate: the evaluation sets hold no text: {format_counts(tally.counts)}.")
    index, found = context.scratch / "index", context.beside / "found"
    write_index(index, [item.text for item in items], [(item.set, item.document or item.record) for item in items])
    open_index.cache_clear()
    _labels.cache_clear()
    write_atomically(index / "labels.json", json.dumps([(item.set, item.record) for item in items]).encode())
    work = partial(_clean_shard, config, index, found)
    shards = documents.shards()
    sought = digest_text(canonical_json([(item.set, item.record, item.document, item.text) for item in items]))
    origins = origins_of(shards, key_config(config), sought)
    tally.add(map_units(list(enumerate(shards)), work, out, context, origins=origins))
    listing = _verdicts(items, found, index)
    write_json_lines(out / "items.jsonl", listing)
    _tell_what_stands_everywhere(items, listing, tally)
    tally.counts["items"] = len(items)
    tally.counts["contaminated items"] = sum(record["method"] not in (None, SHARED) for record in listing)
    if unknown := sum(record["method"] == SHARED for record in listing):
        tally.counts[f"{_UNKNOWN} items"] = unknown
        context.log(
            f"WARNING: of {unknown} items nothing is known: what was found of them stands in other records of the set, "
            f"too, and tells of none (`{SHARED}` in {out / 'items.jsonl'}). Take records out that quote others"
        )
    if not tally.counts["documents"]:
        raise LmworksError(f"decontaminate: no document is left: {format_counts(tally.counts)}.")
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _tell_what_stands_everywhere(items: Sequence[Item], listing: Sequence[dict[str, Any]], tally: Tally) -> None:
    """Name a short item that a large share of the documents holds: it may be a phrase that no set should have."""
    number = sum(count for name, count in tally.counts.items() if name == "documents" or name in tally.losses)
    for item, record in zip(items, listing, strict=True):
        words = count_words(item.text)
        if record["method"] != SHARED and words < LONG_RUN_WORDS and record["documents"] > _OFTEN * number:
            name = f"documents with one item of {words} words ({item.set}, record {item.record})"
            tally.losses.add(name)
            tally.counts[name] = record["documents"]


def _items_of_steps(config: DecontaminateConfig, against: Sequence[Handle]) -> Iterator[Item]:
    for name, handle in zip(config.against, against, strict=True):
        if (handle.path / "conversations.jsonl").exists():
            for record in Conversations(handle.path, handle.digest).iterate():
                contents = [str(message["content"]) for message in record["messages"]]
                made_from, asked = record.get("document"), question_of(record)
                for text in _worth_seeking(contents):
                    yield Item(name, str(record["id"]), text, made_from, is_asked=text == asked)
        else:
            for document in Documents(handle.path, handle.digest).iterate():
                yield Item(name, document.id, document.text, document.id)
                if document.structure and (asked := of_document(document).question) != document.text:
                    yield Item(name, document.id, asked, document.id, is_asked=True)


def _with_lines(items: Sequence[Item]) -> list[Item]:
    """With lines of questions that stand in other layouts elsewhere."""
    asked = [item for item in items if item.is_asked]
    words = list(compared_in_turn([item.text for item in asked]))
    lines = own_lines([item.text for item in asked], words)
    return [*items, *(replace(asked[number], text=line) for number, line, _ in lines)]


def _items_of_files(config: DecontaminateConfig, tally: Tally) -> Iterator[Item]:
    for name in config.files:
        with (config.folder / name).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    tally.lose(f"unreadable line of {name}", line=number, detail=str(error)[:200])
                    continue
                yield from (Item(name, str(number), text) for text in _worth_seeking(list(_strings(record))))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _worth_seeking(texts: Sequence[str]) -> list[str]:
    """The texts of a record that are no mere label, and in any case the longest."""
    longest = sorted(texts, key=len)[-1:]
    return [
        text for text in dict.fromkeys(texts) if text.strip() and (count_words(text) >= MIN_WORDS or text in longest)
    ]


def _clean_shard(
    config: DecontaminateConfig, index: Path, found: Path, numbered: tuple[int, Path]
) -> tuple[Parts, Tally]:
    number, shard = numbered
    tally, kept, records = Tally(), [], list[tuple[int, str, str]]()
    documents = read_shard(shard)
    candidates = open_index(index).candidates(as_array([each.text for each in documents]))
    for document, candidate in zip(documents, candidates.tolist(), strict=True):
        clean, every = document, _matches(config, index, document.text) if candidate else []
        records += [(match.item, match.method, document.id) for match in every if match.method == SHARED]
        if matches := _telling(every):
            first = min(matches, key=lambda match: SUREST.index(match.method))
            records += [(match.item, match.method, document.id) for match in matches]
            rest = _cut(config, index, document) if config.action == "cut" else None
            reason = f"{'cut' if rest else 'dropped'}: {first.method} of an evaluation item"
            start, stop = spans(document.text, first.passages)[0]
            name, record = _labels(index)[first.item]
            tell = tally.note if rest else tally.lose
            tell(reason, id=document.id, set=name, record=record, text=_marked(document.text, start, stop))
            if rest is None:
                continue
            clean = rest
        kept.append(clean)
    tally.files.append(found / f"{number:05d}.json")
    write_atomically(tally.files[0], json.dumps(records).encode())
    return counted(kept, tally)


def _matches(config: DecontaminateConfig, index: Path, text: str) -> list[Match]:
    methods = [method for method in METHODS if method in config.methods]
    return open_index(index).matches(text, methods, config.jaccard)


def _telling(matches: Sequence[Match]) -> list[Match]:
    """Those by a method."""
    return [match for match in matches if match.method != SHARED]


@functools.lru_cache(maxsize=1)
def _labels(index: Path) -> list[tuple[str, str]]:
    """Set and record of each item."""
    return [(name, record) for name, record in json.loads((index / "labels.json").read_text())]


def _marked(text: str, start: int, stop: int) -> str:
    """A passage with a little of what stands around it."""
    return f"{text[max(0, start - 60) : start]}»{text[start : min(stop, start + 400)]}«{text[stop : stop + 60]}"


def _cut(config: DecontaminateConfig, index: Path, document: Document) -> Document | None:
    """A document without the lines that hold items; None if too little is left, or still an item after some cuts.

    Of a row of several texts nothing is left: half an answer teaches what is wrong.
    """
    if document.structure is not None:
        return None
    text = document.text
    for _ in range(_MOST_CUTS):
        if not (matches := _telling(_matches(config, index, text))):
            break
        lines, kept, end = text.splitlines(keepends=True), [], 0
        found = spans(text, [passage for match in matches for passage in match.passages])
        for line in lines:
            start, end = end, end + len(line)
            if not any(first < end and last > start for first, last in found):
                kept.append(line)
        text = "".join(kept)
    else:
        if _telling(_matches(config, index, text)):
            return None
    return replace(document, text=text.strip("\n")) if count_words(text) >= MIN_WORDS else None


def _verdicts(items: Sequence[Item], found: Path, index: Path) -> list[dict[str, Any]]:
    """Each item by set and record, with the surest method that found it and the documents that held it."""
    held: dict[int, list[tuple[str, str]]] = {}
    for path in sorted(found.glob("*.json")):
        for number, by, document in json.loads(path.read_text()):
            held.setdefault(number, []).append((by, document))
    listing = []
    for number, item in enumerate(items):
        matches = held.get(number, [])
        method = min((by for by, _ in matches), key=SUREST.index, default=None)
        documents = [document for by, document in matches if by != SHARED or method == SHARED]
        listing.append(
            {
                "set": item.set,
                "record": item.record,
                "document": item.document,
                "digest": digest_text(item.text),
                "method": method,
                "documents": len(documents),
                "first_documents": documents[:DOCUMENTS_LISTED],
                **({"shared_by": open_index(index).shared_by(number)} if method == SHARED else {}),
            }
        )
    return listing
