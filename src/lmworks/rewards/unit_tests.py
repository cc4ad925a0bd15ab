"""Reward for a program that passes the tests of the data, run where it can do no harm."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lmworks.rewards.reward import Answer, AnswerReward
from lmworks.sandbox.calls import Unjudged, calls_of
from lmworks.sandbox.run import Sandbox

SPARE_SECONDS = 5.0
"""Beside its processor time, for a busy machine to start it."""


class UnitTestsReward(AnswerReward):
    """1 for a Python program that passes the tests of the data: asserts about what its functions return.

    Program and tests run in processes of their own, between which literal values cross and nothing else.
    """

    kind: Literal["unit-tests"] = "unit-tests"
    seconds: int = Field(default=4, ge=1, description="Processor time: tests of small functions take milliseconds.")
    megabytes: int = Field(default=256, ge=32, description="Of memory, beside the interpreter's.")

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """Of each answer; 0 where its tests cannot be judged. Raises LmworksError where programs cannot be held."""
        programs = [(program_of(each.text), each.reference) for each in answers if each.ended]
        wall = self.seconds + SPARE_SECONDS
        with Sandbox(seconds=self.seconds, megabytes=self.megabytes, wall_seconds=wall) as sandbox:
            verdicts = iter(sandbox.verdicts(programs))
        return [float(each.ended and next(verdicts).kind == "passed") for each in answers]

    def unjudged(self, reference: str) -> str:
        try:
            calls_of(reference)
        except Unjudged as error:
            return str(error)
        return ""


def program_of(text: str) -> str:
    """What stands in the last fence of an answer, or all of it."""
    fenced = re.findall(r"```(?:python|py)?\n(.*?)```", text, re.DOTALL)
    return str(fenced[-1]) if fenced else text
