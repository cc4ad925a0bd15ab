"""Decontaminate: drop training documents that hold items of evaluation sets, or cut the lines that hold them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from lmworks.data.base.words import count_words
from lmworks.data.contamination.items import forms_of, items_of
from lmworks.data.contamination.join import LONG_RUN_WORDS, SHARED, SUREST, Form, Method, open_index, spans, write_index
from lmworks.data.quality.filters import MIN_WORDS
from lmworks.data.shards.records import Document, Documents, as_array, read_shard, write_json_lines
from lmworks.data.shards.steps import Parts, Tally, counted, map_units, origins_of
from lmworks.errors import LmworksError, format_counts
from lmworks.pipeline.files import canonical_json, digest_text, fingerprints
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.pipeline.units import unit_facts
from lmworks.recipe.schema import BesideRecipe, Reference

DOCUMENTS_LISTED = 10
_MOST_CUTS = 3
"""Maximum times that lines are cut from a document. Each cut can join other lines to an item."""
_UNKNOWN = "not known, for other records share their words: items"
_OFTEN = 0.05
"""Share of documents with a short item above which the item is counted by name."""


class DecontaminateConfig(BesideRecipe):
    """Drop or cut documents that hold items of evaluation sets."""

    makes: ClassVar[str] = "documents"
    kind: Literal["decontaminate"] = "decontaminate"
    documents: Reference = Field(alias="from", description="Documents to learn from.")
    against: list[Reference] = Field(default=[], description="Evaluation sets: steps with documents or conversations.")
    files: list[str] = Field(
        default=[], description="Published evaluation sets: paths of jsonl files, absolute or relative to the recipe."
    )
    action: Literal["drop", "cut"] = Field(
        default="drop", description="`drop` leaves the document out. `cut` keeps its other lines, for long documents."
    )
    fingerprints: list[str] = Field(default=[], description="sha256 of each file, set by `resolve`.")

    @model_validator(mode="after")
    def _has_a_set(self) -> Self:
        if not self.against and not self.files:
            raise ValueError("name an evaluation set: a step in `against`, or a jsonl file in `files`")
        return self

    def resolve(self, folder: Path) -> Self:
        """Return the config with the digests of its files."""
        prints = fingerprints(map(folder.joinpath, self.files), "decontaminate", "files")
        return super().resolve(folder).model_copy(update={"fingerprints": prints})


class _Record(NamedTuple):
    """A record of an evaluation set."""

    set: str
    name: str
    """Its id, or the number of its line."""
    texts: tuple[str, ...]
    is_question: bool = False


@stage(version=11, reads="documents", judges="against")
def decontaminate(
    config: DecontaminateConfig, documents: Documents, against: list[Handle], out: Path, context: Context
) -> Result:
    """Drop each document that holds an item, or cut the lines that do.

    `items.jsonl` lists every item with the method that found it. Afterwards all items are clean by these methods. The
    verdict is unknown for an item that was not found and shares nearly all its words with other records of the set.
    """
    tally = Tally()
    records = [*_records_of_steps(config, against), *_records_of_files(config, tally)]
    texts = [(record, text) for record in records for text in _worth_seeking(record.texts)]
    items = [Form(number, text, record.set, record.name) for number, (record, text) in enumerate(texts)]
    if not items:
        raise LmworksError(f"decontaminate: the evaluation sets hold no text: {format_counts(tally.counts)}.")
    forms = forms_of(items, [record.is_question for record, _ in texts])
    thin = write_index(context.scratch / "index", forms)
    open_index.cache_clear()
    shards = documents.shards()
    work = partial(_clean_shard, config.action, context.scratch / "index")
    origins = origins_of(shards, key_config(config), digest_text(canonical_json(forms)))
    tally.add(map_units(shards, work, out, context, origins=origins))
    listing = _verdicts(items, thin, context.beside)
    write_json_lines(out / "items.jsonl", listing)
    _name_frequent_items(items, listing, tally)
    tally.counts["items"] = len(listing)
    tally.counts["contaminated items"] = sum(record["method"] not in (None, SHARED) for record in listing)
    if unknown := sum(record["method"] == SHARED for record in listing):
        tally.counts[_UNKNOWN] = unknown
        context.log(
            f"WARNING: {unknown} items are neither contaminated nor clean: other records of the set share all but a "
            f"few of their words (`{SHARED}` in {out / 'items.jsonl'}). Take out records that quote others"
        )
    if not tally.counts["documents"]:
        raise LmworksError(f"decontaminate: no document is left: {format_counts(tally.counts)}.")
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _name_frequent_items(items: Sequence[Form], listing: Sequence[dict[str, Any]], tally: Tally) -> None:
    """Count each short item by name if many documents hold it, because it may be an everyday phrase."""
    number = sum(count for name, count in tally.counts.items() if name == "documents" or name in tally.losses)
    for item, record in zip(items, listing, strict=True):
        words = count_words(item.text)
        if record["method"] != SHARED and words < LONG_RUN_WORDS and record["documents"] > _OFTEN * number:
            name = f"documents with one item of {words} words ({item.set}, record {item.record})"
            tally.losses.add(name)
            tally.counts[name] = record["documents"]


def _records_of_steps(config: DecontaminateConfig, against: Sequence[Handle]) -> Iterator[_Record]:
    for name, handle in zip(config.against, against, strict=True):
        for item in items_of(handle):
            yield _Record(name, item.id, item[1:], is_question=bool(item.answer))


def _records_of_files(config: DecontaminateConfig, tally: Tally) -> Iterator[_Record]:
    for name in config.files:
        with (config.folder / name).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield _Record(name, str(number), tuple(_strings(json.loads(line))))
                except (ValueError, RecursionError) as error:
                    tally.lose(f"unreadable line of {name}", line=number, detail=str(error)[:200])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _worth_seeking(texts: Sequence[str]) -> list[str]:
    """Return the texts of a record that are longer than labels, and always the longest text."""
    longest = max(texts, key=len, default="")
    long = (text for text in dict.fromkeys(texts) if text == longest or count_words(text) >= MIN_WORDS)
    return [text for text in long if text.strip()]


def _clean_shard(action: str, index: Path, shard: Path) -> tuple[Parts, Tally]:
    """Return the documents of a shard that stay, and note the items that were found."""
    tally, kept, found = Tally(), [], list[tuple[int, str, str]]()
    documents = read_shard(shard)
    searched = open_index(index).search(as_array([document.text for document in documents]))
    for document, matches in zip(documents, searched, strict=True):
        found += [(match.item, match.method, document.id) for match in matches]
        if not matches:
            kept.append(document)
            continue
        first = min(matches, key=lambda match: SUREST.index(match.method))
        start, stop = spans(document.text, first)[0]
        rest = _cut(document, index) if action == "cut" else None
        note = tally.note if rest else tally.lose
        reason = f"{'cut' if rest else 'dropped'}: {first.method} of an evaluation item"
        note(reason, id=document.id, set=first.set, record=first.record, text=_marked(document.text, start, stop))
        kept += [rest] if rest else []
    tally.facts["found"] = found
    return counted(kept, tally)


def _marked(text: str, start: int, stop: int) -> str:
    """Return a passage between brackets, with a little of the text around it."""
    return f"{text[max(0, start - 60) : start]}»{text[start : min(stop, start + 400)]}«{text[stop : stop + 60]}"


def _cut(document: Document, index: Path) -> Document | None:
    """Return a document without the lines that hold items. None if too little is left, or an item after all cuts.

    A row of several texts is never cut, because half an answer teaches wrong things.
    """
    text = document.text
    for _ in range(_MOST_CUTS + 1 if document.structure is None else 0):
        (matches,) = open_index(index).search(as_array([text]))
        if not matches:
            return replace(document, text=text.strip("\n")) if count_words(text) >= MIN_WORDS else None
        taken, kept, end = [span for match in matches for span in spans(text, match)], [], 0
        for line in text.splitlines(keepends=True):
            start, end = end, end + len(line)
            if not any(first < end and last > start for first, last in taken):
                kept.append(line)
        text = "".join(kept)
    return None


def _verdicts(items: Sequence[Form], thin: Set[int], beside: Path) -> list[dict[str, Any]]:
    """Return each item with the surest method that found it and the documents that hold it."""
    held: dict[int, dict[str, Method]] = {}
    for facts in unit_facts(beside):
        for number, method, document in facts["found"]:
            known = held.setdefault(number, {})
            known[document] = min(known.get(document, method), method, key=SUREST.index)
    return [
        {
            "set": item.set,
            "record": item.record,
            "digest": digest_text(item.text),
            "method": min(by.values(), key=SUREST.index, default=SHARED if number in thin else None),
            "documents": len(by),
            "first_documents": list(by)[:DOCUMENTS_LISTED],
        }
        for number, item in enumerate(items)
        for by in [held.get(number, {})]
    ]
