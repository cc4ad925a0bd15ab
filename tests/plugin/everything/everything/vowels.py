"""A reward and a metric: the share of letters that are vowels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lmworks.evaluate.items import Metric
from lmworks.evaluate.text_metrics.metric import Judge, Known, TextMetric
from lmworks.rewards.reward import Answer, AnswerReward


def share(text: str) -> float:
    """0 for a text without letters."""
    letters = [letter for letter in text.lower() if letter.isalpha()]
    return sum(letter in "aeiou" for letter in letters) / max(1, len(letters))


class VowelsReward(AnswerReward):
    """Worth its share of vowels."""

    kind: Literal["vowels"] = "vowels"

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        return [share(answer.text) for answer in answers]


def judge(known: Known) -> Judge:
    """Looks at answers alone."""
    return Judge(lambda text: {"vowels": share(text.answer)}, ["share of the letters that are vowels"])


VOWELS = TextMetric([Metric(name="vowels", label="vowels", value="vowels")], judge)
