"""The one question that a recipe states before anything is measured, and its answer.

It has the whole 5 % error of a build: all other figures are exploration. Beside several opponents a model is better
only if it is better than each of them, so that no opponent is chosen by the figures that judge it (Berger 1982).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.errors import LmworksError
from lmworks.evaluate.compare import answers_alike, metric_named, paired, unlike
from lmworks.evaluate.groups import by_groups, new_to_both
from lmworks.evaluate.items import Evaluation, Metric
from lmworks.pipeline.conditions import Condition
from lmworks.pipeline.figure import Figure, Interval
from lmworks.pipeline.files import canonical_json, write_atomically
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig

NODE = "primary/answer"
"""The step of a build that answers its primary question."""
FILE = "answer.json"


class AskedConfig(StepConfig):
    """The primary question with what it looks at; made by the graph."""

    evaluations: list[Reference] = Field(min_length=2, description="Of the model, and then of each opponent.")
    task: str = Field(description="Label of the task.")
    model: str = Field(description="Label of the model.")
    opponents: list[str] = Field(min_length=1, description="Label of each opponent, in the order of the evaluations.")
    baselines: list[str] = Field(default=[], description="Opponents that are no models.")
    figure: str | None = Field(None, description="Name of the figure; unset, the first of the task.")
    margin: float = Field(0, ge=0, description="By how much the model may be worse; at 0 it must be better.")
    may_differ: list[Condition] = Field(default=[], description="Between the two, by what they are.")


@dataclass(frozen=True)
class Versus:
    """The model beside one opponent, on the items that neither learned from."""

    opponent: str
    is_baseline: bool
    value: float
    """The mean of the groups' scores of the model."""
    beside: float
    """That of the opponent."""
    interval: Interval
    """95 % interval of the lead: above 0, the model is better."""
    groups: int
    ahead: int
    """Groups in which the model is better."""
    behind: int
    """Groups in which it is worse."""
    items: int


@dataclass(frozen=True)
class PrimaryAnswer:
    """The answer to the primary question."""

    said: Literal["yes", "no", "open"]
    sentence: str
    task: str
    model: str
    label: str
    """Of the figure, in sentences."""
    margin: float
    versus: Sequence[Versus]
    """Strongest opponent first; empty where none could be compared."""


@stage(version=2, measures="evaluations")
def answer_primary(config: AskedConfig, evaluations: list[Evaluation], out: Path, context: Context) -> Result:
    """Answer the primary question, and write the answer."""
    found = answered(config, evaluations)
    write_atomically(out / FILE, canonical_json(asdict(found)) + "\n")
    context.log(found.sentence)
    return Result(examples=[{"reason": "primary question", "text": found.sentence}])


def read_answer(path: Path) -> PrimaryAnswer:
    """Return the answer that `answer_primary` wrote into a file."""
    record = json.loads(path.read_text(encoding="utf-8"))
    versus = [Versus(**{**each, "interval": tuple(each["interval"])}) for each in record.pop("versus")]
    return PrimaryAnswer(**record, versus=versus)


def answered(config: AskedConfig, evaluations: Sequence[Evaluation]) -> PrimaryAnswer:
    """Return the answer that the evaluations give: of the model first, and then of each opponent."""
    ours, *theirs = evaluations
    name = config.figure or ours.figures()[0].name
    metric, figure = metric_named(name), _figure(ours, name)
    found: list[Versus] = []
    obstacles: dict[str, list[str]] = {}
    """The opponents that cannot be compared, by the reason."""
    if metric is None or figure is None:
        obstacles[f"{name} is not compared item by item"] = config.opponents
    else:
        for opponent, evaluation in zip(config.opponents, theirs, strict=True):
            one = _versus(config, metric, figure, ours, opponent, evaluation)
            if isinstance(one, Versus):
                found.append(one)
            elif one:
                obstacles.setdefault(one, []).append(opponent)
    found.sort(key=lambda each: each.interval[0])
    differ = len(obstacles) + len(found) > 1
    reasons = [f"{why} ({', '.join(names)})" if differ else why for why, names in obstacles.items()]
    said, sentence = _sentence(config, metric, found, reasons)
    label = metric.label if metric else name.replace("_", " ")
    return PrimaryAnswer(said, sentence, config.task, config.model, label, config.margin, found)


def _figure(evaluation: Evaluation, name: str) -> Figure | None:
    return next((each for each in evaluation.figures() if each.name == name), None)


def _versus(
    config: AskedConfig, metric: Metric, figure: Figure, ours: Evaluation, opponent: str, theirs: Evaluation
) -> Versus | str:
    """The comparison with one opponent, or why there is none; empty for a baseline that is the model itself."""
    other = _figure(theirs, metric.name)
    if other is None:
        return f"it has no figure {metric.name}"
    if because := unlike(figure, other, config.may_differ):
        return because
    pairs, _ = paired(ours.items(), theirs.items())
    if not pairs:
        return "no item was scored of both"
    is_baseline = opponent in config.baselines
    if is_baseline and answers_alike(metric, pairs):
        return ""
    if not (new := new_to_both(pairs)):
        return f"too few of the {len(pairs)} items are new to both"
    try:
        result = by_groups(metric, new)
    except LmworksError as error:
        return str(error)
    if result.interval is None:
        return result.untested
    return Versus(
        opponent,
        is_baseline,
        value=result.value,
        beside=result.beside,
        interval=result.interval,
        groups=result.groups,
        ahead=result.ahead,
        behind=result.behind,
        items=len(new),
    )


def _sentence(
    config: AskedConfig, metric: Metric | None, found: Sequence[Versus], obstacles: Sequence[str]
) -> tuple[Literal["yes", "no", "open"], str]:
    """The answer, and the sentence that every screen begins with."""
    asked = f"whether {config.model} is {_relation(config)} {' and '.join(config.opponents)} in {config.task}"
    if not found or metric is None:
        why = "; ".join(obstacles) or "each opponent answers as it does"
        return "open", f"It is not known {asked}: {why}."
    evidence = f"{_relation(config)} {_evidence(config.model, found[0], metric, found)}"
    if worse := [each for each in found if each.interval[1] < -config.margin]:
        return "no", f"No: {config.model} is worse than {_evidence(config.model, worse[0], metric, found)}"
    if obstacles:
        return "open", f"It is not known {asked}: {'; '.join(obstacles)}."
    if found[0].interval[0] > -config.margin:
        return "yes", f"Yes: {config.model} is {evidence}"
    return "open", f"It is not shown that {config.model} is {evidence}"


def _relation(config: AskedConfig) -> str:
    margin = config.margin
    return f"at most {margin:g} worse than" if margin else "better than"


def _evidence(model: str, one: Versus, metric: Metric, found: Sequence[Versus]) -> str:
    """Return the opponent, in how many groups the model is better and worse, and the two values."""
    kind = "baseline" if all(each.is_baseline for each in found) else "opponent"
    name = f"the {kind} {one.opponent}" if len(found) == 1 else f"{one.opponent}, the best of {len(found)} {kind}s"
    has_groups = one.items != one.groups
    of, mean = f"{one.items} items", ""
    if has_groups:
        of, mean = f"{one.groups} groups of items", ", the mean of the groups"
    equal = f", as good in {alike}" if (alike := one.groups - one.ahead - one.behind) else ""
    return (
        f"{name}: {one.value:.3f} against {one.beside:.3f} {metric.label}{mean}. Of {of}, {model} is better in "
        f"{one.ahead}{equal} and worse in {one.behind}."
    )
