"""Splits by content: near-duplicates stay together, parts are balanced or by time, and leaks are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.data.contamination.leakage import Neighbours, describe_leaks
from lmworks.data.duplicates.join import Clusters
from lmworks.data.shards.records import Documents, read_shard
from lmworks.data.shards.steps import keep_beside
from lmworks.data.splits.balance import GroupCounts, assign_balanced, total_variation
from lmworks.data.splits.features import describe_shard, moment, read_features
from lmworks.data.splits.groups import SplitConfig, cut, hash_of, place, tell_what_moves
from lmworks.errors import GateRefused, UsageError
from lmworks.lazy import NDArray, np
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context

Names = Sequence[Sequence[str | None]]
"""The group of each document, shard by shard."""
RANDOM_SPLITS = 5
"""Number of random splits whose mean a balanced split is compared with."""


@dataclass
class Units:
    """Units that go into one part: groups, joined if near-duplicates connect them."""

    of: NDArray[np.int64]
    """The unit of each document [N], numbered from 0."""
    groups: list[list[str]]
    """The names of the groups in each unit."""
    trained: list[bool]
    """Whether each unit has a document without a group. Such units are trained on."""

    def order(self) -> list[int]:
        """Return the units that can be held out, in the order of the hash of their first group."""
        free = [unit for unit, groups in enumerate(self.groups) if groups and not self.trained[unit]]
        return sorted(free, key=lambda unit: hash_of(self.groups[unit][0]))

    def place(self, unit: int) -> float:
        """Return where the hash of a unit's first group lies between 0 and 1."""
        return place(hash_of(self.groups[unit][0]))


def assign_alike(
    config: SplitConfig, documents: Documents, names: Names, together: Mapping[int, str], out: Path, context: Context
) -> tuple[dict[str, str], list[Figure]]:
    """Return the part of each group that is held out, and how well the parts are balanced.

    `together` maps rows of documents to their cluster of near copies, even if their texts were changed afterwards.
    Raises GateRefused if a held-out document has a near-duplicate in train.
    """
    limits = [each.jaccard for each in (config.near_duplicates, config.leak_test) if each]
    neighbours = Neighbours(documents, min(limits), context) if limits else None
    units = _units(names, neighbours, together, config)
    if moved := sum(map(len, units.groups)) - sum(map(bool, units.groups)):
        context.log(f"{moved:,} groups stay together with another group, because they share a near copy")
    figures: list[Figure] = []
    if config.assign == "balance":
        parts, figures = _balance(config, documents, units, out, context)
    else:
        by_hash = config.assign == "hash"
        order = units.order() if by_hash else _latest_first(documents, units, context)
        places = [units.place(unit) for unit in order] if by_hash else []
        tell_what_moves(config, places, context.log)
        parts = {int(unit): part for unit, part in cut([str(unit) for unit in order], config, places).items()}
    if neighbours:
        figures.append(_refuse_leaks(config, neighbours, units, parts, min(limits)))
    return {name: part for unit, part in parts.items() for name in units.groups[unit]}, figures


def _units(names: Names, neighbours: Neighbours | None, together: Mapping[int, str], config: SplitConfig) -> Units:
    """Return units: groups in the order of their names, and single documents without one, joined by near copies."""
    flat = [name for shard in names for name in shard]
    known = {name: number for number, name in enumerate(sorted({name for name in flat if name is not None}))}
    alone = iter(range(len(known), len(known) + len(flat)))
    of = np.array([next(alone) if name is None else known[name] for name in flat], np.int64)
    if neighbours and config.near_duplicates:
        of = neighbours.join(of, config.near_duplicates.jaccard)[of]
    if together:
        firsts: dict[str, int] = {}
        groups_of = Clusters(int(of.max()) + 1)
        pairs = np.array([(of[row], of[firsts.setdefault(name, row)]) for row, name in together.items()], np.int64)
        groups_of.join(pairs[:, 0], pairs[:, 1])
        of = groups_of.roots[of]
    roots, numbered = np.unique(of, return_inverse=True)
    groups: list[list[str]] = [[] for _ in roots]
    trained = [False] * len(roots)
    for name, unit in dict(zip(flat, numbered.tolist(), strict=True)).items():
        if name is not None:
            groups[unit].append(name)
    for group in groups:
        group.sort()
    for name, unit in zip(flat, numbered.tolist(), strict=True):
        trained[unit] |= name is None
    return Units(numbered.astype(np.int64), groups, trained)


def _latest_first(documents: Documents, units: Units, context: Context) -> list[int]:
    """Return the units, latest first by their latest document, so that held-out groups end later than others."""
    latest = np.full(len(units.groups), -np.inf)
    moments = [moment(document.created) for shard in documents.shards() for document in read_shard(shard)]
    np.maximum.at(latest, units.of, [-np.inf if each is None else each for each in moments])
    order = [unit for unit in units.order() if latest[unit] > -np.inf]
    context.log(f"groups without a date that can be read, trained on: {len(units.order()) - len(order)}")
    if not order:
        raise UsageError("split: no document has a readable `created` (ISO 8601); set `assign` to hash or balance.")
    return sorted(order, key=lambda unit: -latest[unit])


def _balance(
    config: SplitConfig, documents: Documents, units: Units, out: Path, context: Context
) -> tuple[dict[int, str], list[Figure]]:
    """Return the part of each held-out unit. Write its total variation and that of random splits to `balance.json`."""
    found = read_features(keep_beside(documents.shards(), describe_shard, context, "described"))
    features = {name: codes for name, codes in found.items() if (codes != codes[0]).any()}
    table = GroupCounts.of(units.of, {"documents": np.zeros_like(units.of), **features})
    order = units.order()
    shares = _shares(config, len(order))
    fixed = dict.fromkeys(sorted(set(range(len(units.groups))) - set(order)), 0)
    ties = np.random.default_rng(config.seed).permutation(order).tolist()
    parts = assign_balanced(table, list(shares.values()), ties, fixed)
    listing = _compare_with_random(table, parts, order, list(shares))
    for part, record in listing.items():
        if not record["documents"]:
            raise UsageError(
                f"split: no group is small enough for {part}. Raise its share, or choose a `by` with more values."
            )
    write_atomically(out / "balance.json", (json.dumps(listing, indent=1) + "\n").encode())
    held_out = {part: record for part, record in listing.items() if part != "train"}
    figures = [
        _figure(part, name, values, record["documents"])
        for part, record in held_out.items()
        for name, values in record["features"].items()
    ]
    return {
        unit: part
        for number, part in enumerate(shares)
        if part in held_out
        for unit in np.flatnonzero(parts == number).tolist()
    }, figures


def _compare_with_random(
    table: GroupCounts, parts: NDArray[np.int64], order: Sequence[int], labels: Sequence[str]
) -> dict[str, Any]:
    """Return the documents of each part, and its total variation in each feature with the mean of random splits."""
    sizes = table.totals(parts, len(labels))[:, 0].tolist()
    mine = total_variation(table, parts, len(labels))
    others = [total_variation(table, _shuffle(parts, order, seed), len(labels)) for seed in range(RANDOM_SPLITS)]
    return {
        label: {
            "documents": sizes[number],
            "features": {
                name: {
                    "total_variation": round(mine[number][name], 6),
                    "random": round(sum(each[number][name] for each in others) / RANDOM_SPLITS, 6),
                }
                for name in table.features
                if name != "documents"
            },
        }
        for number, label in enumerate(labels)
    }


def _shares(config: SplitConfig, count: int) -> dict[str, float]:
    """Return the share of documents in each part. The training part comes first."""
    if config.folds:
        return dict.fromkeys(config.held_out(), 1 / config.folds)
    wanted = {"test": config.test, "validation": config.validation}
    shares = {label: share if share < 1 else share / max(1, count) for label, share in wanted.items() if share}
    left = 1 - sum(shares.values())
    if left <= 0:
        raise UsageError(
            f"split: test {config.test} and validation {config.validation} leave none of the {count} groups "
            f"by {config.by!r} to train on. Lower `test` and `validation`, or choose a `by` with more values."
        )
    return {"train": left, **shares}


def _shuffle(parts: NDArray[np.int64], order: Sequence[int], seed: int) -> NDArray[np.int64]:
    """Return the same number of groups in each part, drawn at random."""
    shuffled = parts.copy()
    shuffled[order] = np.random.default_rng(seed).permutation(parts[order])
    return shuffled


def _figure(part: str, feature: str, found: Mapping[str, float], documents: int) -> Figure:
    return Figure(
        name=f"{part} {feature} total variation",
        value=found["total_variation"],
        n=documents,
        chance=found["random"],
        method="half the sum of |share in the part − share in all documents| over the feature's values; "
        f"chance is the mean of {RANDOM_SPLITS} random splits of the same groups",
    )


def _refuse_leaks(
    config: SplitConfig, neighbours: Neighbours, units: Units, parts: Mapping[int, str], threshold: float
) -> Figure:
    labels = ("train", *config.held_out())
    numbers = np.zeros(len(units.groups), np.int64)
    for unit, part in parts.items():
        numbers[unit] = labels.index(part)
    documents = numbers[units.of]
    leaks = neighbours.leaks(documents, None if config.folds else 0, threshold)
    other = "in another fold" if config.folds else "that is trained on"
    if leaks:
        raise GateRefused(
            f"split: {len(leaks)} held-out documents repeat one {other} (Jaccard {threshold} or more): "
            f"{describe_leaks(leaks)}. Keep such texts together with `near_duplicates: {{jaccard: {threshold}}}`."
        )
    return Figure(
        name="leakage",
        value=0.0,
        n=max(1, int((documents > 0).sum())),
        method=f"share of held-out documents with a near-duplicate {other}: MinHash candidates, Jaccard ≥ {threshold}",
    )
