"""Rewards by rules that a program checks on an answer alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from lmworks.data.quality.word_list import read_list, share_listed
from lmworks.recipe.patterns import Pattern, PatternText
from lmworks.rewards.reward import Answer, AnswerReward


class RegexReward(AnswerReward):
    """1 for an answer that matches a pattern, such as `[0-9]+`, or with thoughts `<think>.*</think> [0-9]+`."""

    kind: Literal["regex"] = "regex"
    pattern: PatternText = Field(
        description="Pattern that the whole answer must match. `.` also matches ends of lines."
    )

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        pattern = Pattern(self.pattern)
        return [float(any(map(pattern.matches, {each.text, each.written or each.text}))) for each in answers]


class LengthReward(AnswerReward):
    """1 for an answer whose number of words is within limits."""

    kind: Literal["length"] = "length"
    least: int = Field(default=1, ge=0, description="Least number of words. By default an empty answer gets 0.")
    most: int = Field(ge=1, description="Greatest number of words.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"`least` {self.least} is above `most` {self.most}, so no answer is right: lower `least`")
        return self

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        return [float(self.least <= len(each.text.split()) <= self.most) for each in answers]


class WordsReward(AnswerReward):
    """1 for an answer without certain words or phrases, such as insults."""

    kind: Literal["words"] = "words"
    avoid: list[str] | str = Field(
        min_length=1,
        description="Words and phrases to avoid, without regard to case and Unicode forms, also with spaced letters. "
        "stupid* means all words that begin with stupid. Or a file beside the recipe with one per line.",
    )
    source: str = Field(
        default="",
        description="Origin and licence of a file's list, or its author: `LDNOOBW, CC-BY-4.0`. It is shown with the "
        "figures, because which words hurt depends on the speakers.",
    )
    accents: bool = Field(
        default=False, description="Whether é and e are different letters. If not, stüpid is avoided with stupid."
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
        """Return the reward with the words of its file."""
        return self.model_copy(update={"avoid": read_list(folder, self.avoid)})

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        avoided = tuple(self.avoid)
        return [float(share_listed(each.text, avoided, accents=self.accents)[0] == 0) for each in answers]
