"""Reward for a program that passes the tests of the data, run where it can do no harm."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from lmworks.rewards.reward import Answer, AnswerReward
from lmworks.sandbox.calls import Unjudged, calls_of
from lmworks.sandbox.run import Sandbox

WALL_TIMES = 8
"""Wall-clock seconds per processor second: programs wait on a busy machine, and their own time decides."""
PYTHON = re.compile(r"\{?\.?py(thon)?[\d.]*\}?", re.IGNORECASE)
FENCE = re.compile(r"([ \t]*+)(`{3,}+|~{3,}+)([^`]*+)")  # gives nothing back, or lines of one character take for ever


class ConfinedReward(AnswerReward):
    """Fields of rewards that run untrusted programs."""

    seconds: int = Field(
        default=4, ge=1, description="Processor seconds per answer. Small functions take milliseconds."
    )
    megabytes: int = Field(default=256, ge=32, description="Megabytes of memory beyond the interpreter's.")

    def sandbox(self) -> Sandbox:
        """Return the sandbox in which the programs run, as a context."""
        wall = float(self.seconds * WALL_TIMES)
        return Sandbox(seconds=self.seconds, megabytes=self.megabytes, wall_seconds=wall)


class UnitTestsReward(ConfinedReward):
    """1 for a Python program that passes the tests of the data, which are assert statements about its functions.

    Program and tests run in separate processes, and only literal values cross between them.
    """

    kind: Literal["unit-tests"] = "unit-tests"

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """Return each answer's score, 0 if its tests cannot run. Raises LmworksError if programs cannot be confined."""
        programs = [(program_of(each.text), each.reference) for each in answers if each.ended]
        with self.sandbox() as sandbox:
            verdicts = iter(sandbox.verdicts(programs))
        return [float(each.ended and next(verdicts).kind == "passed") for each in answers]

    def unjudged(self, reference: str) -> str:
        try:
            calls_of(reference)
        except Unjudged as error:
            return str(error)
        return ""


def program_of(text: str) -> str:
    """Return the last Python code block of an answer, or else the last code block, or else the whole answer."""
    fences = list(_fences(text))
    python = [program for language, program in fences if PYTHON.fullmatch(language)]
    return (python or [program for _, program in fences] or [text])[-1]


def _fences(text: str) -> Iterator[tuple[str, str]]:
    """Yield language and content of each fence (CommonMark 4.5). A fence that is not closed goes to the end."""
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        if opening := FENCE.fullmatch(line):
            indent, fence, language = opening.groups()
            content = list[str]()
            for each in lines:
                closing = each.strip()
                if len(closing) >= len(fence) and set(closing) == {fence[0]}:
                    break
                content.append(each.removeprefix(indent))
            yield (language.split() or [""])[0], "\n".join([*content, ""])
