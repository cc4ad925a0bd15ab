"""What every reward is told and says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import Field

from lmworks.model.folder import ModelFolder
from lmworks.recipe.schema import StepConfig
from lmworks.tokens.tokenizer import Message


@dataclass(frozen=True)
class Answer:
    """An answer that was drawn, and what stands in the data."""

    text: str
    reference: str
    ended: bool
    """Whether the model ended it; else it was cut at the limit."""
    prompt: Sequence[Message] = ()
    """The turns before it."""


class Scorer(Protocol):
    """What tells the worth of answers."""

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """What each answer is worth, before the weight."""


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
        """What each answer is worth, from 0 to 1 before the weight."""
