"""Reward for a program that passes the tests of the data, run where it can do no harm."""

from __future__ import annotations

import platform
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.errors import LmworksError
from lmworks.rewards.held import NOT_HELD
from lmworks.rewards.reward import Answer, AnswerReward

PRINTED_BYTES = 1 << 20
SPARE_SECONDS = 5.0
"""Beside its processor time, for a busy machine to start it."""


class UnitTestsReward(AnswerReward):
    """1 for a Python program that the tests of the data, which stand behind it, do not stop."""

    kind: Literal["unit-tests"] = "unit-tests"
    seconds: int = Field(default=4, ge=1, description="Processor time: tests of small functions take milliseconds.")
    megabytes: int = Field(default=256, ge=32, description="An interpreter takes some 20.")

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        return [float(each.ended and self.passes(program_of(each.text), each.reference)) for each in answers]

    def passes(self, program: str, tests: str) -> bool:
        """Whether the tests are reached and run to their end. Raises LmworksError where programs cannot be held."""
        word = secrets.token_hex(16)  # printed behind the tests: a program that ends before them passes none
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "program.py"
            path.write_text(f"{program}\n\n{tests}\n\nprint()\nprint({word!r})\n", encoding="utf-8", errors="replace")
            limits = [str(self.seconds), str(self.megabytes << 20), str(PRINTED_BYTES)]
            command = [sys.executable, "-I", "-S", "-B", str(Path(__file__).with_name("held.py")), *limits, str(path)]
            with (Path(folder) / "printed").open("w+b") as printed:
                try:
                    code = subprocess.run(  # noqa: S603
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=printed,
                        stderr=subprocess.DEVNULL,
                        cwd=folder,
                        env={},
                        timeout=self.seconds + SPARE_SECONDS,
                        check=False,
                    ).returncode
                except subprocess.TimeoutExpired:
                    return False
                printed.seek(0)
                lines = printed.read().splitlines()
        if code == NOT_HELD:
            raise LmworksError(
                f"unit-tests: {platform.system()} on {platform.machine()} cannot keep programs from the network; "
                "Linux on x86_64 with seccomp can. Take another reward here"
            )
        return code == 0 and lines[-1:] == [word.encode()]


def program_of(text: str) -> str:
    """What stands in the last fence of an answer, or all of it."""
    fenced = re.findall(r"```(?:python|py)?\n(.*?)```", text, re.DOTALL)
    return str(fenced[-1]) if fenced else text
