"""Two models of any builds, stores and folders, compared on what both were asked.

A model that no build measured is asked what the other was: as one more model of that one's recipe, in a build that is
not remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.errors import UsageError
from lmworks.evaluate.compare import CompareConfig, concluded, paired
from lmworks.evaluate.items import Evaluation
from lmworks.evaluate.tasks import TASKS
from lmworks.pipeline.build import Display
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built, measures_model
from lmworks.workspace import find_one, open_store, open_workspace, run

NOT_STATED = "LicenseRef-not-stated"


@dataclass(frozen=True)
class Measured:
    """A model, and what it was asked: task and system, as in its build, → evaluation."""

    label: str
    evaluations: Mapping[str, Artifact]


@dataclass(frozen=True)
class Compared:
    """What two models come to on one task."""

    task: str
    verdicts: Sequence[str]
    record: Mapping[str, Any] | None
    """As a build's `comparison.json` has it; None where one alone was asked."""


def compare_models(first: str, second: str, store: Path | None, display: Display) -> list[Compared]:
    """What the evaluations of two models say. Each is a step, `RECIPE.yaml:STEP`, `STORE:STEP`, or a model's folder.

    Raises UsageError where neither was measured in a build, and for what is not built.
    """
    folders = [_is_folder(name) for name in (first, second)]
    if all(folders):
        raise UsageError(
            f"{first} and {second} are folders: nobody has said what they are to be asked. Name a step of a build "
            "first, whose tasks the other is asked, too"
        )
    if any(folders):
        named, folder = (second, first) if folders[0] else (first, second)
        one, other = _asked_alike(*_find(named, store), Path(folder), display)
        one, other = (other, one) if folders[0] else (one, other)
    else:
        one, other = (_measured(name, *_find(name, store)) for name in (first, second))
        if one.label == other.label:
            one, other = Measured(first, one.evaluations), Measured(second, other.evaluations)
    return list(_compared(one, other))


def as_text(found: Sequence[Compared]) -> str:
    """Task by task, what is found."""
    return "\n".join(line for each in found for line in (each.task, *(f"  {said}" for said in each.verdicts)))


def _is_folder(name: str) -> bool:
    return (Path(name) / "config.json").is_file() or name.endswith(".gguf")


def _find(name: str, store: Path | None) -> tuple[Store, Artifact]:
    """A step of a build, of whatever recipe or store."""
    place, colon, step = name.rpartition(":")
    if not colon:
        return find_one([name], store)
    if not Path(place).exists():
        raise UsageError(f"{name}: {place} is not there; expected a recipe's file or a store before the colon")
    opened = open_store(store, Path(place)) if place.endswith((".yaml", ".yml")) else open_store(Path(place))
    return opened, opened.named(step)


def _measured(name: str, store: Store, artifact: Artifact) -> Measured:
    built = Built.holding(store, artifact)
    label = built.step_of(artifact) or artifact.manifest.step
    found = dict(_evaluations(built, artifact.digest()))
    if not found:
        raise UsageError(
            f"{name}: no task of {built.name} asks it: name it in `evaluate.models` and build, {built.command}"
        )
    return Measured(label, found)


def _evaluations(built: Built, digest: str) -> Iterator[tuple[str, Artifact]]:
    for task, systems in built.evaluations().items():
        for system, evaluation in systems.items():
            if system and measures_model(evaluation) and evaluation.manifest.inputs["model"][0].digest == digest:
                yield f"{task}/{system}", evaluation


def _asked_alike(store: Store, artifact: Artifact, folder: Path, display: Display) -> tuple[Measured, Measured]:
    """A step that was measured, and a folder that is asked the same."""
    built = Built.holding(store, artifact)
    mine = _measured(artifact.manifest.step, store, artifact)
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().stem.lower()).strip("-") or "folder"
    while name in built.record.nodes:
        name = f"other-{name}"
    fields = {"objective": "pretrained", "path": str(folder.resolve()), "licence": NOT_STATED}
    added = [f"models.{name}.{field}={value}" for field, value in fields.items()]
    settings = [*built.record.settings, *added, f"evaluate.models=[{mine.label}, {name}]", "evaluate.gates=[]"]
    workspace = open_workspace(built.recipe, settings, store.root)
    own = (name, "evaluate", "rehearsal", "contamination")
    before = [node for node in workspace.build.nodes if node.name.partition("/")[0] not in own]
    if stale := [node.name for node in before if not workspace.build.look(node)[0]]:
        raise UsageError(f"{built.recipe}: {stale[0]} is not built as the recipe has it now: {built.command}")
    made = run(workspace, display, until="evaluate", remember=False)
    found = {
        each.removeprefix("evaluate/"): artifact
        for each, artifact in made.items()
        if measures_model(artifact) and artifact.manifest.inputs["model"][0].digest == made[name].digest()
    }
    return mine, Measured(name, found)


def _compared(one: Measured, other: Measured) -> Iterator[Compared]:
    """p-values and intervals are adjusted for the number of tasks, as in a build."""
    tasks = len(one.evaluations)
    for name, evaluation in one.evaluations.items():
        task = name.partition("/")[0]
        alike = [each for each in other.evaluations.values() if each.stage == evaluation.stage]
        ours = Evaluation(evaluation.payload, evaluation.digest())
        theirs = [Evaluation(each.payload, each.digest()) for each in alike]
        shared = [len(paired(ours.items(), each.items())[0]) for each in theirs]
        if not any(shared):
            yield Compared(task, [f"{one.label} alone was asked this, on these items"], None)
            continue
        kind = next((each for _, each in TASKS.loadable() if each.stage.name == evaluation.stage), None)
        config = CompareConfig(
            may_differ=list(kind.may_differ) if kind else [],
            evaluations=["first", "second"],
            labels=[one.label, other.label],
            comparisons_in_build=tasks,
        )
        records = [concluded(config, [ours, each])[0] for each in theirs]
        best = max(range(len(records)), key=lambda number: (not records[number]["refused"], shared[number]))
        yield Compared(task, records[best]["verdicts"], records[best])
