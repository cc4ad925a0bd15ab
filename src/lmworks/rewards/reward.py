"""What every reward is told and says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from pydantic import Field

from lmworks.errors import LmworksError
from lmworks.model.folder import ModelFolder
from lmworks.recipe.schema import StepConfig
from lmworks.tokens.answers import Message


@dataclass(frozen=True)
class Answer:
    """An answer that was drawn, and what stands in the data."""

    text: str
    reference: str
    ended: bool
    """Whether the model ended it; else it was cut at the limit."""
    prompt: Sequence[Message] = ()
    """The turns before it."""
    written: str = ""
    """The text with the thoughts before it, where a model's stand apart."""


class Unscored(float):
    """0, for an answer on which a reward failed, and why: it costs this answer alone, and is counted and named."""

    reason: str

    def __new__(cls, reason: str) -> Self:
        found = super().__new__(cls, 0.0)
        found.reason = reason
        return found


class Scorer(Protocol):
    """What tells the worth of answers."""

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """What each answer is worth, before the weight; Unscored where it cannot be told."""


def names_of(rewards: Sequence[Reward]) -> list[str]:
    """By which each is told from the others; numbered where several have one name."""
    seen = Counter[str]()
    names = []
    for reward in rewards:
        seen[reward.name] += 1
        names.append(reward.name if seen[reward.name] == 1 else f"{reward.name} {seen[reward.name]}")
    return names


def unscored(scores: Iterable[float]) -> list[str]:
    """Of each answer on which a reward failed, the reason."""
    return [each.reason for each in scores if isinstance(each, Unscored)]


class Reward(StepConfig, ABC):
    """Base of every reward."""

    kind: str
    weight: float = Field(
        default=1.0,
        description="Of this reward in their sum; alone, its size does not matter. One of weight 0 teaches nothing and "
        "is shown.",
    )

    @property
    def name(self) -> str:
        """By which the history tells it."""
        return self.kind

    @property
    def told(self) -> str:
        """What figures say of it."""
        return self.name

    @abstractmethod
    def opened(self, judges: Mapping[str, ModelFolder], device: str) -> Scorer:
        """Ready to score, with the models of the recipe that it names, where the model is that learns."""


class AnswerReward(Reward):
    """Base of rewards that need no model."""

    @property
    def copies(self) -> bool:
        """Whether nothing is worth anything but the whole answer of the data."""
        return False

    def opened(self, judges: Mapping[str, ModelFolder], device: str) -> Scorer:
        return self

    @abstractmethod
    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """What each answer is worth, from 0 to 1 before the weight. Raises LmworksError where this cannot be told."""

    def unjudged(self, reference: str) -> str:
        """Why every answer is worth nothing beside this answer of the data; empty if some can be worth more."""
        return ""


def count_unjudged(rewards: Sequence[Reward], references: Sequence[str]) -> dict[str, int]:
    """By reward, for how many answers of the data it cannot judge any other; rewards that judge all are left out.

    Raises LmworksError where one judges none, or cannot be computed on this system: before answers are drawn for it.
    """
    counts = dict[str, int]()
    for reward in rewards:
        if isinstance(reward, AnswerReward):
            reward.scores([])
            reasons = Counter(filter(None, map(reward.unjudged, references)))
            if reasons and reasons.total() == len(references):
                (reason, count), *_ = reasons.most_common(1)
                raise LmworksError(
                    f"{reward.kind}: none of the data's {len(references)} answers can judge another; {count} of them "
                    f"{reason}. docs/policy.md says which can"
                )
            counts |= {f"unjudged by {reward.kind}": reasons.total()} if reasons else {}
    return counts
