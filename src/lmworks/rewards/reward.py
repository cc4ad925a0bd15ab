"""Input and output of every reward."""

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
    """A drawn answer with the data's answer."""

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
    """Base of objects that give answers a value."""

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """Return the value of each answer before the weight, or Unscored if there is none."""


def names_of(rewards: Sequence[Reward]) -> list[str]:
    """By which each is told from the others; numbered where several have one name."""
    seen = Counter[str]()
    names = []
    for reward in rewards:
        seen[reward.name] += 1
        names.append(reward.name if seen[reward.name] == 1 else f"{reward.name} {seen[reward.name]}")
    return names


def unscored(scores: Iterable[float]) -> list[str]:
    """Return the reasons of all answers on which a reward failed."""
    return [each.reason for each in scores if isinstance(each, Unscored)]


class Reward(StepConfig, ABC):
    """Fields of every reward."""

    kind: str
    weight: float = Field(
        default=1.0, description="Weight of this reward in the sum. A reward of weight 0 is only shown."
    )

    @property
    def name(self) -> str:
        """By which the history tells it."""
        return self.kind

    @property
    def told(self) -> str:
        """Name of the reward beside figures."""
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
        """Return the value of each answer, from 0 to 1 before the weight. Raises LmworksError if there is none."""

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
