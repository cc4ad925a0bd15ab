"""Rehearsal of an evaluation before its models are trained, with everything except the models.

Reading the data, building prompts and judging answers all run, with stand-ins for the models (`engines/rehearsal.py`).
So a fault that would end a build after its trainings ends it before them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, SerializeAsAny

from lmworks.engines.open import REHEARSAL
from lmworks.errors import BeyondContext, GateRefused, LmworksError
from lmworks.evaluate.items import LOST, Item, Scored, alike
from lmworks.evaluate.scoring import Scoring
from lmworks.evaluate.tasks.task import Task
from lmworks.model.config import Family
from lmworks.model.folder import ENGINE, FAMILY, copy_tokenizer, write_json
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.stage import Context, Handle, Result, Stage, stage
from lmworks.pipeline.statistics import detectable, items_needed
from lmworks.recipe.schema import Reference, StepConfig

UNLIMITED = 2**40
"""Context length in tokens of a model whose context has no limit."""


class StandIn(StepConfig):
    """Facts of a model before it is trained."""

    parameter: str = Field(description="Parameter of the stage that gets it.")
    tokenizer: int = Field(description="Number of its tokenizer in the rehearsal.")
    context_length: int | None = Field(description="Tokens that it will read. None for any number.")
    family: Family | None = Field(description="Family of the model: an encoder-decoder reads texts without a frame.")


class Trial(StepConfig):
    """One stage of a task, tried once for all models for which the trial is the same."""

    systems: list[str] = Field(description="Names of the models for which the stage is tried.")
    task: int = Field(description="Number of its task in the rehearsal.")
    stage: str = Field(description="Name of the stage.")
    stand_ins: list[StandIn] = Field(description="Stand-ins for its models.")
    most: float = Field(description="Largest share of items that may be too long.")
    mend: str = Field(description="Advice on a change other than to the data.")


class RehearsalConfig(StepConfig):
    """Trials of a task; made by the graph."""

    label: str = Field(description="Label of the task.")
    read: list[Reference] = Field(description="Inputs of its stages except models.")
    parameters: list[str] = Field(description="Names of these inputs, in the same order.")
    tokenizers: list[Reference] = Field(description="Tokenizers of the models.")
    tasks: list[SerializeAsAny[StepConfig]] = Field(description="The task's settings, once per prompt form.")
    trials: list[Trial] = Field(description="Trials to make.")
    declared: Any = Field(default=None, exclude=True, description="The task.")


class _Asked(Exception):
    """Signal that everything is asked and judged. The figures would be of answers that no model gave."""

    def __init__(self, items: Sequence[Item]) -> None:
        super().__init__(len(items))
        self.items = items


@dataclass(frozen=True)
class _Trying(Scoring):
    """Scoring that ends where items would be written."""

    def written(self, items: Sequence[Item], conditions: Conditions | None = None) -> Scored:
        raise _Asked(alike(items))


class _Forgetful:
    """Journal that keeps nothing, because a rehearsal is never resumed."""

    def records(self) -> list[dict[str, Any]]:
        return []

    def append(self, record: Mapping[str, Any]) -> None: ...


@stage(version=3, measures=("read", "tokenizers"))
def rehearse(
    config: RehearsalConfig, read: list[Handle], tokenizers: list[Handle], out: Path, context: Context
) -> Result:
    """Try a task without its models. Raises GateRefused with all faults that would end it, and their remedies.

    Items that are longer than a context are counted. Up to the allowed share, they are only left out.
    """
    faults: list[str] = []
    lost: dict[str, int] = {}
    asked: Sequence[Item] = ()
    task: Task = config.declared
    stages = {each.name: each for each in (task.stage, *task.baselines.values())}
    for number, trial in enumerate(config.trials):
        given = dict(zip(config.parameters, read, strict=True))
        folders = {
            each.parameter: _stand_in(each, tokenizers, context.scratch / str(number)) for each in trial.stand_ins
        }
        found = dict(_tried(task, stages[trial.stage], config.tasks[trial.task], {**given, **folders}, number, context))
        for each in _faults(trial, found):
            for name, handle in zip(config.read, read, strict=True):
                each = each.replace(f"{handle.path}", name)
            faults.append(f"- {', '.join(trial.systems)}: {each}")
        if trial.stage == task.stage.name:
            asked = max(asked, found.get("asked", ()), key=len)
        if count := found.get("lost"):
            lost[f"{LOST} of {', '.join(trial.systems)}"] = count
    if faults:
        raise GateRefused("\n".join([f"the check of {config.label} refuses, before anything is trained:", *faults]))
    for name, count in lost.items():
        context.log(f"{count} {name} will be left out")
    if asked and task.metrics and task.metrics[0].is_share:
        context.log(f"{config.label} asks {power(asked)}")
    out.mkdir(parents=True, exist_ok=True)
    return Result(counts={"trials": len(config.trials), "items": len(asked), **lost}, losses=lost.keys())


def power(items: Sequence[Item]) -> str:
    """Return how many items there are, and which difference between two models they can show, in words."""
    sizes = [*Counter(str(item["cluster"]) for item in items).values()]
    is_grouped = len(sizes) < len(items)
    groups = f" in {len(sizes)} groups (of one `cluster`, or nearly the same question), each counted as one item"
    groups += " as its answers may all be alike"
    least = detectable(sizes)
    found = f"a true difference of {100 * least:.1f} points" if least else "with so few items no true difference"
    return (
        f"{len(items)} items{groups if is_grouped else ''}: if two models differ in one answer of five, {found} is "
        f"found in 4 of 5 cases; 2 points need {items_needed(0.02):,} {'groups' if is_grouped else 'items'}"
    )


def _stand_in(known: StandIn, tokenizers: Sequence[Handle], folder: Path) -> Path:
    """Return a folder that stands for a model and that the rehearsing engine opens."""
    made = folder / known.parameter
    made.mkdir(parents=True, exist_ok=True)
    copy_tokenizer(tokenizers[known.tokenizer].path, made)
    room = known.context_length or UNLIMITED
    write_json(made / "config.json", {ENGINE: REHEARSAL, FAMILY: known.family, "context_length": room})
    return made


def _tried(
    task: Task, tried: Stage, config: StepConfig, given: Mapping[str, Any], number: int, context: Context
) -> Iterator[tuple[str, Any]]:
    """Yield findings: number of items, the items, number of too long items, the longest one, and the fault."""
    out = context.scratch / f"out-{number}"
    out.mkdir(exist_ok=True)
    quiet = replace(context, scratch=out, journal=_Forgetful(), log=lambda line: None)
    scoring = _Trying(out, quiet)
    handles = {
        name: None if given.get(name) is None else _handle(each.handle, given[name])
        for name, each in tried.inputs.items()
        if name != "contamination"
    }
    try:
        if task.asks and tried is task.stage:
            scoring.written(task.asks(config, handles["data"]))
        elif "scoring" in tried.together:
            tried.function(config, **handles, scoring=scoring)
    except _Asked as asked:
        yield "items", len(asked.items) + len(scoring.lost)
        yield "asked", asked.items
    except BeyondContext:
        yield "items", len(scoring.lost)
    except LmworksError as error:
        yield "fault", str(error)
    if scoring.lost:
        yield "lost", len(scoring.lost)
        yield (
            "longest",
            max((error.tokens, _id(unit)) for unit, error in zip(scoring.lost.values(), scoring.beyond, strict=True)),
        )


def _id(unit: Any) -> str:
    """Return the id of a question, a document or a pair of answers, also if it is in a tuple with a result."""
    unit = unit[0] if isinstance(unit, tuple) else unit
    return str(unit["id"] if isinstance(unit, Mapping) else unit.id)


def _handle(kind: type[Handle], given: Handle | Path) -> Handle:
    return kind(given.path, given.digest) if isinstance(given, Handle) else kind(given, "")


def _faults(trial: Trial, found: Mapping[str, Any]) -> Iterator[str]:
    if "fault" in found:
        yield found["fault"]
    lost, items = found.get("lost", 0), found.get("items", 0)
    if lost > trial.most * items:
        tokens, item = found["longest"]
        context_length = min(each.context_length or UNLIMITED for each in trial.stand_ins)
        yield (
            f"{lost} of {items} {LOST} of {context_length} tokens, more than {trial.most:.0%}; the longest takes "
            f"{tokens} ({item}). {trial.mend}, shorten the items, or set largest_lost_share in the task"
        )
