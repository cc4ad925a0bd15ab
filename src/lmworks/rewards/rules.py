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
    """1 for an answer of a form, such as `[0-9]+`, alone or with its thoughts: `<think>.*</think> [0-9]+`."""

    kind: Literal["regex"] = "regex"
    pattern: PatternText = Field(
        description="What the whole answer must match; `.` is any character, ends of lines too."
    )

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        pattern = Pattern(self.pattern)
        return [float(any(map(pattern.matches, {each.text, each.written or each.text}))) for each in answers]


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
        description="Words and phrases, without regard to case and Unicode's forms, letters apart as one word; stupid* "
        "stands for all that begin so. Or a file with one a line, beside the recipe.",
    )
    source: str = Field(
        default="",
        description="Where a file's list comes from and its licence, or who made it: `LDNOOBW, CC-BY-4.0`. Whom a word "
        "hurts depends on who speaks to whom. It is told with the figures.",
    )
    accents: bool = Field(
        default=False, description="Whether é is another letter than e: stüpid is avoided with stupid."
    )

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if isinstance(self.avoid, str) and not self.source.strip():
            raise ValueError(
                f"found the list {self.avoid} and no `source`; say where it comes from and its licence, or who made it"
            )
        return self

    @property
    def told(self) -> str:
        return f"{self.kind} ({len(self.avoid)} of {self.source})" if self.source else self.kind

    def resolve(self, folder: Path) -> Self:
        """With the words of the file."""
        return self.model_copy(update={"avoid": read_list(folder, self.avoid)})

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        avoided = tuple(self.avoid)
        return [float(share_listed(each.text, avoided, accents=self.accents)[0] == 0) for each in answers]
