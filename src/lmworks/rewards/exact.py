"""Comparison of an answer with the data's answer: numbers by value, words by their letters in one form."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lmworks.data.base.text import one_form
from lmworks.recipe.patterns import Pattern, PatternText
from lmworks.recipe.schema import StepConfig
from lmworks.rewards.numbers import last_number, number_of
from lmworks.rewards.reward import Answer, AnswerReward

_QUOTES = " \n\r\t\"'`*_«»„“”‚‘’‹›"
_BEFORE, _BEHIND = _QUOTES + "¡¿", _QUOTES + "!.,;:?…。、？！：；؟،।"
"""Characters around an answer that do not belong to it: quotation marks, Markdown's signs, ends of sentences."""


class Comparison(StepConfig):
    """Fields of the comparison with the right answer."""

    pattern: PatternText | None = Field(
        default=None,
        description="Pattern that finds the result in a longer answer: the first group of its last match, such as "
        "`#### (.+)`. By default the whole answer is the result.",
    )
    compare: Literal["value", "letters", "squad"] = Field(
        default="value",
        description="`value` compares numbers by value, so that 1,000 equals 1000.0. For words it ignores case, "
        "Unicode forms, and punctuation and quotation marks at their ends. `letters` compares exactly, as codes and "
        "versions need (1.10 is not 1.1). `squad` compares as SQuAD: lower case, without ASCII punctuation and the "
        "articles a, an, the.",
    )
    language: str = Field(
        default="en",
        pattern=r"^[a-z]{2,3}(-([A-Z]{2}|[0-9]{3}))?$",
        description="Language of the answers, such as `de` or `de-CH`. It decides the value of 1,500.",
    )
    accents: bool = Field(default=True, description="Whether é and e are different letters. If not, año equals ano.")

    def is_right(self, text: str, reference: str) -> bool:
        """Return whether the result of an answer equals the result of the data's answer."""
        found, wanted = self._result(text), self._result(reference)
        return found is not None and self._alike(found, reference.strip() if wanted is None else wanted)

    def ends_right(self, text: str, reference: str) -> bool:
        """Return whether an answer's last number, or its last line if no number is wanted, equals what is wanted. The
        answer need not match the pattern: this is the most flexible reading.
        """
        wanted = self._result(reference)
        wanted = reference.strip() if wanted is None else wanted
        is_number = number_of(bare(wanted), self.language)
        found = [last_number(text, self.language)] if is_number else text.strip().splitlines()
        return bool(found) and self._alike(found[-1].strip(), wanted)

    def _alike(self, found: str, wanted: str) -> bool:
        if found == wanted or self.compare == "letters":
            return found == wanted
        if self.compare == "squad":
            return squad_form(found) == squad_form(wanted)
        found, wanted = bare(found), bare(wanted)
        numbers = number_of(found, self.language), number_of(wanted, self.language)
        if numbers[0] and numbers[1]:
            return numbers[0].equals(numbers[1])
        return one_form(found, accents=self.accents) == one_form(wanted, accents=self.accents)

    def _result(self, text: str) -> str | None:
        """Return the result in a text. None if the pattern finds nothing."""
        if self.pattern is None:
            return text.strip()
        found = Pattern(self.pattern).last_found(text)
        return None if found is None else found.strip()


def squad_form(text: str) -> str:
    """Return a text as SQuAD 1.1's `normalize_answer` normalises it (Rajpurkar et al. 2016)."""
    letters = "".join(sign for sign in text.lower() if sign not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", letters).split())


class ExactAnswerReward(AnswerReward, Comparison):
    """1 for the answer of the data, else 0. An answer that was cut gets 0."""

    kind: Literal["exact-answer"] = "exact-answer"

    @property
    def copies(self) -> bool:
        return self.pattern is None

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        return [float(each.ended and self.is_right(each.text, each.reference)) for each in answers]


def bare(text: str) -> str:
    """Return a text without the marks around it, or the text as it is if it has nothing else."""
    begun = text.lstrip(_BEFORE)
    rest = begun.rstrip(_BEHIND)
    is_factorial = rest[-1:].isdigit() and begun[len(rest) :].startswith("!")  # 5! is not 5
    return (f"{rest}!" if is_factorial else rest) or text
