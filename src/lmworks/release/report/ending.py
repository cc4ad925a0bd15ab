"""The end of a build: one box with the verdict, at most three numbers, the report and the next command."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built
from lmworks.release.gates import served, stands_in
from lmworks.release.inspect.verdicts import Measured, measured, trainings_in_doubt
from lmworks.release.report.manager import UNPROVED, allowed, not_found

NUMBERS = 3
"""Most figures shown, because nobody reads more."""


@dataclass(frozen=True)
class Ending:
    """Result of a build, as its last screen shows it."""

    verdict: str
    numbers: Sequence[str]
    caveat: str
    report: Path
    next: str

    def lines(self, columns: int, most: int) -> list[str]:
        """Return the lines of the box, with as many numbers as fit into `most` lines."""
        ends = [f"report: {self.report}", f"next: {self.next}"]
        verdict, caveat = (textwrap.wrap(text, columns) for text in (self.verdict, self.caveat))
        told: list[str] = []
        for text in self.numbers:
            lines = textwrap.wrap(text, columns, initial_indent="  ", subsequent_indent="    ")
            if len([*verdict, *told, *lines, *caveat, *ends]) <= most:
                told += lines
        return [*verdict, *told, *caveat, *ends]


def ending(built: Built, report: Path, failed: Sequence[str], until: str | None = None) -> Ending:
    """Return what is shown at a build's end. `failed` are the gates that the served model failed."""
    if until or not (built.models or built.missing or served(built)):
        verdict = f"Built up to {until}." if until else "Built: the recipe has no model."
        return Ending(verdict, [], "", report, built.command if until else "lmworks open")
    serves = served(built)
    results = measured(built, serves)
    doubted = ", ".join(dict.fromkeys(each.model for each in trainings_in_doubt(built)))
    caveat = stands_in(built) or (f"The training of {doubted} is in doubt: the report says why." if doubted else "")
    verdict = str(allowed(built, results)[0])
    numbers = [*map(_number, results), *not_found(built)][:NUMBERS]
    return Ending(verdict, numbers, caveat, report, _next(built, serves, verdict, bool(failed)))


def unmeasured(built: Built, names: Sequence[str]) -> list[str]:
    """Return those of some models that no task has measured."""
    models: dict[str, Artifact] = {name: each for name, each in built.models.items() if name in names}
    return [name for name, each in models.items() if not built.measures(each)]


def _next(built: Built, serves: Sequence[str], verdict: str, failed: bool) -> str:
    look = "lmworks open  (the report says what to do)"
    if failed or not serves or built.missing:
        return look if failed else "lmworks open"
    if unknown := unmeasured(built, serves):
        recipe = shlex.quote(str(built.recipe))
        return f"measure {unknown[0]}: name it under `evaluate: models:` in {recipe}"
    return look if verdict.startswith(UNPROVED) else "lmworks serve"


def _number(each: Measured) -> str:
    """Return one figure and that of the best baseline, with two decimals."""
    said = f"{_title(each.task)}: {each.model} {each.figure.value:.2f} {each.label}"
    if each.baseline_value is None:
        return f"{said}, without a baseline"
    verdict = "ahead" if each.is_better else "behind" if each.baseline_wins else "no significant difference"
    return f"{said}, {each.baseline} (baseline) {each.baseline_value:.2f}: {verdict}"


def _title(task: str) -> str:
    return task.replace("-", " ").capitalize()
