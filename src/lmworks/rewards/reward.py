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
    """An answer drawn from a model, with the data's answer."""

    text: str
    reference: str
    ended: bool
    """Whether the model ended the answer. Otherwise it was cut at the limit."""
    prompt: Sequence[Message] = ()
    """The turns before the answer."""
    written: str = ""
    """The text with the thoughts before it, if the model's thoughts are kept apart."""


class Unscored(float):
    """Score 0 for an answer on which a reward failed, with the reason. Only this answer gets it, and it is counted."""

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
    """Return a name for each reward. Rewards of the same name get a number."""
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
        """Name of the reward in the history."""
        return self.kind

    @property
    def told(self) -> str:
        """Name of the reward beside figures."""
        return self.name

    @abstractmethod
    def opened(self, judges: Mapping[str, ModelFolder], device: str) -> Scorer:
        """Return an object that scores, with the recipe's models that the reward names, on the learner's device."""


class AnswerReward(Reward):
    """Base of rewards that need no model."""

    @property
    def copies(self) -> bool:
        """Whether only the whole answer of the data gets a value."""
        return False

    def opened(self, judges: Mapping[str, ModelFolder], device: str) -> Scorer:
        return self

    @abstractmethod
    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """Return the value of each answer, from 0 to 1 before the weight. Raises LmworksError if there is none."""

    def unjudged(self, reference: str) -> str:
        """Return why no answer can get a value by this answer of the data. Empty if some answers can."""
        return ""


def count_unjudged(rewards: Sequence[Reward], references: Sequence[str]) -> dict[str, int]:
    """Return by reward how many of the data's answers it cannot use to judge. Rewards that can use all are left out.

    Raises LmworksError for a reward that can use none, or that cannot run on this system, before answers are drawn.
    """
    counts = dict[str, int]()
    for reward in rewards:
        if isinstance(reward, AnswerReward):
            reward.scores([])
            reasons = Counter(filter(None, map(reward.unjudged, references)))
            if reasons and reasons.total() == len(references):
                (reason, count), *_ = reasons.most_common(1)
                raise LmworksError(
                    f"{reward.kind}: none of the data's {len(references)} answers can judge another; for {count} of "
                    f"them, {reason}. docs/policy.md says which answers can"
                )
            counts |= {f"unjudged by {reward.kind}": reasons.total()} if reasons else {}
    return counts
