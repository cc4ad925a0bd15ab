"""Compare models of different families on one labelled task, at equal time, data and tries.

Which family is best on a task is mostly told by habit. Here each candidate of a recipe is trained for the same time on
the machine at hand, with as many learning rates tried by its validation loss alone; then each is asked the test items
once, and tested against each other pair by pair, beside the task's baselines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.errors import UsageError
from lmworks.evaluate.compare import CompareConfig, metric_named
from lmworks.fitting import bases, known_models
from lmworks.pipeline.build import Display
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.store import Artifact
from lmworks.release.render.charts import Bar, interval_chart
from lmworks.release.render.words import interval_of, value_of
from lmworks.search.runs import Outcome, Runs, write_report
from lmworks.train.configs.train import TrainConfig
from lmworks.workspace import Workspace, open_workspace, run

PROBE_STEPS = 8
"""Of the run that times a step, by its median."""
RATES = (1 / 3, 1.0, 3.0)
"""Times the recipe's own learning rate: an order of magnitude, in which the best of most families lies."""


EQUAL = 1.25
"""Longest training over the shortest, above which families have not had equal time."""


@dataclass(frozen=True)
class Tuned:
    """A candidate with the rate that validation chose."""

    settings: Sequence[str]
    steps: int
    learning_rate: float
    loss: float
    """On validation data, in the candidate's own unit: it chose the rate, and is not compared between families."""
    seconds: float
    parameters: int
    is_edge: bool
    """Whether the best rate is the least or the greatest tried: another may be better."""


def families(
    path: Path, settings: Sequence[str], store: Path | None, show: Display, *, minutes: float, task: str | None
) -> Outcome:
    """Train each model that a task of `evaluate` asks for so many minutes a try, and compare them on its items.

    Raises UsageError for a recipe without two to compare, or without validation data to choose rates by.
    """
    plain = open_workspace(path, settings, store, measure=True)
    label, names = _candidates(plain, task)
    trained = [name for name in names if isinstance(plain.recipe.models[name], TrainConfig)]
    tuned = {name: _tuned(Runs(path, settings, store, name, show), 60 * minutes) for name in trained}
    chosen = [each for found in tuned.values() for each in found.settings]
    workspace = open_workspace(path, [*settings, *dict.fromkeys(chosen)], store)
    workspace.build.nodes = [each for each in workspace.build.nodes if not each.name.startswith("gates")]
    artifacts = run(workspace, show, until=f"evaluate/{label}", remember=False)
    record = json.loads((artifacts[f"evaluate/{label}"].payload / "comparison.json").read_text("utf-8"))
    entries = [
        _entry(workspace, artifacts, label, name, tuned.get(name))
        for name in _systems(workspace, label)
        if f"evaluate/{label}/{name}" in artifacts
    ]
    lead = entries[0]["figure"]["name"]
    metric = metric_named(lead)
    entries.sort(key=lambda each: each["figure"]["value"], reverse=metric is None or metric.higher_is_better)
    words = [unequal(tuned), *_words(label, lead, entries, tuned, minutes), *record["verdicts"]]
    bars = [Bar(each["name"], each["figure"]["value"], each["interval"], each["value"]) for each in entries]
    figures = {"task": label, "minutes": minutes, "entries": entries, "pairs": record["pairs"]}
    figures["verdicts"] = [*filter(None, words[:1]), *record["verdicts"]]
    picture = interval_chart(f"Families at equal time: {label}", lead, bars)
    written = write_report(workspace, f"{label}-bakeoff", picture, figures)
    return Outcome(figures, "\n".join(filter(None, words)), written)


def _candidates(plain: Workspace, task: str | None) -> tuple[str, list[str]]:
    """The label of the task, and the models of the recipe that it asks."""
    compared = [each.name for each in plain.build.nodes if isinstance(each.config, CompareConfig)]
    labels = [name.removeprefix("evaluate/") for name in compared]
    if not labels or (task and task not in labels):
        raise UsageError(
            f"{plain.path}: found {f'no task {task!r}' if labels else 'no task'}; expected one of "
            f"{', '.join(labels) or 'evaluate.tasks, on which its models are compared'}"
        )
    label = task or labels[0]
    names = [name for name in _systems(plain, label) if name in plain.recipe.models]
    if len(_systems(plain, label)) < 2 or not names:
        raise UsageError(
            f"{plain.path}: the task {label} asks {', '.join(names) or 'no model'}; expected two to compare: name "
            "models of several families in evaluate.models, and `train` in the task, which brings its baselines"
        )
    return label, names


def _systems(workspace: Workspace, label: str) -> list[str]:
    (compared,) = (each.config for each in workspace.build.nodes if each.name == f"evaluate/{label}")
    return list(compared.labels) if isinstance(compared, CompareConfig) else []


def _tuned(runs: Runs, seconds: float) -> Tuned:
    """The best of some learning rates by validation loss; each trained as long."""
    own: dict[str, object] = {"watch": None}
    probe = runs.train({**own, "steps": PROBE_STEPS, "validation_steps": PROBE_STEPS})
    steps = max(1, round(seconds / (probe.seconds / PROBE_STEPS)))
    changes: list[Mapping[str, object]] = [
        {**own, "steps": steps, "validation_steps": steps, "learning_rate": float(f"{times * rate:.3g}")}
        for rate in [float(runs.config.learning_rate)]
        for times in RATES
    ]
    found = [runs.train(changed) for changed in changes]
    best = min(range(len(found)), key=lambda number: found[number].loss)
    changed, one = changes[best], found[best]
    settings = [*runs.settings, *(runs.setting(*item) for item in changed.items())]
    rate = float(str(changed["learning_rate"]))
    is_edge = best in (0, len(found) - 1)
    return Tuned(settings, steps, rate, one.loss, one.seconds, one.parameters, is_edge)


def _entry(
    workspace: Workspace, artifacts: Mapping[str, Artifact], label: str, name: str, tuned: Tuned | None
) -> dict[str, Any]:
    evaluation = artifacts[f"evaluate/{label}/{name}"].manifest
    figure: Figure = evaluation.figures[0]
    models = workspace.recipe.models
    before = sum(
        artifacts[each].manifest.run.seconds
        for each in (bases(name, models) if name in models else ())
        if isinstance(models.get(each), TrainConfig) and each in artifacts
    )
    first = next(iter(bases(name, models)), name) if name in models else name
    family = getattr(known_models(workspace.recipe, workspace.folder).get(first), "family", None) or "baseline"
    entry: dict[str, Any] = {
        "name": name,
        "family": family,
        "figure": figure.as_json(),
        "value": value_of(figure),
        "interval": figure.interval,
        "seconds_of_bases": round(before, 1),
    }
    if tuned:
        told = ("steps", "learning_rate", "loss", "seconds", "parameters", "is_edge")
        entry |= {each: getattr(tuned, each) for each in told}
    return entry


def unequal(tuned: Mapping[str, Tuned]) -> str:
    """Said first where the machine gave one family more time than another; empty where it did not."""
    spent = {name: each.seconds for name, each in tuned.items()}
    longest, shortest = (pick(spent, key=spent.__getitem__, default="") for pick in (max, min))
    if not spent or spent[longest] <= EQUAL * spent[shortest]:
        return ""
    return (
        f"not at equal time: {longest} trained for {spent[longest]:.0f} s, {shortest} for {spent[shortest]:.0f} s; the "
        "machine was busier in one than in the other. Let nothing else run, and repeat in another --store"
    )


def _words(
    label: str, lead: str, entries: Sequence[Mapping[str, Any]], tuned: Mapping[str, Tuned], minutes: float
) -> Iterator[str]:
    yield f"{label}: {minutes:g} min of training a try, {len(RATES)} learning rates each, chosen by validation loss"
    names = f"{'model':24} {'begins with':20} {'parameters':>11} {'seconds':>8} {'steps':>7} {'rate':>9}"
    yield f"{names}  {lead}, 95 % interval"
    for each in entries:
        one = tuned.get(each["name"])
        spent = f"{one.parameters:>11,} {one.seconds:8.1f} {one.steps:>7} {one.learning_rate:9.3g}" if one else " " * 38
        interval = interval_of(Figure.from_json(each["figure"]))
        yield f"{each['name']:24} {each['family']:20} {spent}  {each['value']} ({interval})"
    for each in entries:
        if each["seconds_of_bases"]:
            yield f"{each['name']} began with what this recipe trained in {each['seconds_of_bases']:.0f} s, beside this"
        if each.get("is_edge"):
            yield f"{each['name']}: the best rate lies at the end of those tried; one beyond it may be better"
