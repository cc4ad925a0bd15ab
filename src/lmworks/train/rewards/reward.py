"""What every reward is told and says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from lmworks.recipe import StepConfig


@dataclass(frozen=True)
class Answer:
    """An answer that was drawn, and what stands in the data."""

    text: str
    reference: str
    ended: bool
    """Whether the model ended it; else it was cut at the limit."""


class AnswerReward(StepConfig, ABC):
    """Base of every reward."""

    kind: str
    weight: float = Field(default=1.0, description="Of this reward in their sum; alone, its size does not matter.")

    @property
    def copies(self) -> bool:
        """Whether nothing is worth anything but the whole answer of the data."""
        return False

    @abstractmethod
    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """What each answer is worth, from 0 to 1 before the weight."""
