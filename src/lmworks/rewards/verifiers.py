"""Rewards by comparison with the answer of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lmworks.recipe.patterns import Pattern, PatternText
from lmworks.rewards.reward import Answer, AnswerReward


class ExactAnswerReward(AnswerReward):
    """1 for the answer of the data, to the letter; an answer that was cut is none."""

    kind: Literal["exact-answer"] = "exact-answer"
    pattern: PatternText | None = Field(
        default=None,
        description="Finds the result in an answer that says more: its first group, where it matches last, such as "
        "`#### (.+)`. Unset, the whole answer is the result.",
    )

    @property
    def copies(self) -> bool:
        return self.pattern is None

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        return [float(each.ended and self._is_right(each)) for each in answers]

    def _is_right(self, answer: Answer) -> bool:
        found, wanted = self._result(answer.text), self._result(answer.reference)
        return found is not None and found == (answer.reference.strip() if wanted is None else wanted)

    def _result(self, text: str) -> str | None:
        """None if the pattern finds none."""
        if self.pattern is None:
            return text.strip()
        found = Pattern(self.pattern).last_found(text)
        return None if found is None else found.strip()
