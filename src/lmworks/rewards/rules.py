"""Rewards by rules that a program checks: of an answer alone, or beside the answer of the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from lmworks.data.quality.word_list import read_list, share_listed
from lmworks.recipe.patterns import Pattern, PatternText
from lmworks.rewards.reward import Answer, AnswerReward


class RegexReward(AnswerReward):
    """1 for an answer of a form, such as `<think>.*</think> [0-9]+`."""

    kind: Literal["regex"] = "regex"
    pattern: PatternText = Field(
        description="What the whole answer must match; `.` is any character, ends of lines too."
    )

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        pattern = Pattern(self.pattern)
        return [float(pattern.matches(each.text)) for each in answers]


class LengthReward(AnswerReward):
    """1 for an answer of a number of words."""

    kind: Literal["length"] = "length"
    least: int = Field(default=1, ge=0, description="Words; an empty answer is worth nothing.")
    most: int = Field(ge=1, description="Words.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"least {self.least} is more than most {self.most}: no answer has such a length")
        return self

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        return [float(self.least <= len(each.text.split()) <= self.most) for each in answers]


class WordsReward(AnswerReward):
    """1 for an answer with none of some words or phrases, such as those of a list of insults."""

    kind: Literal["words"] = "words"
    avoid: list[str] | str = Field(
        min_length=1,
        description="Words and phrases, compared without regard to case; or a file with one a line, beside the recipe.",
    )

    def resolve(self, folder: Path) -> Self:
        """With the words of the file."""
        return self.model_copy(update={"avoid": read_list(folder, self.avoid)})

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        return [float(share_listed(each.text, tuple(self.avoid))[0] == 0) for each in answers]


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
