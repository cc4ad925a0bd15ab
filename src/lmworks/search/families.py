"""Compare models of different families on one labelled task, at equal time, data and tries.

Each model of a recipe is trained for the same time on this machine, at several learning rates. The validation loss
picks one. Then each is evaluated once on the test items, with the task's baselines, and tested pair by pair.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lmworks.errors import UsageError
from lmworks.evaluate.compare import CompareConfig, metric_named
from lmworks.pipeline.store import Artifact
from lmworks.recipe.references import bases, with_files
from lmworks.release.render.charts import Bar, interval_chart
from lmworks.release.render.words import interval_of, value_of
from lmworks.search.runs import Changed, Outcome, Quiet, Runs, report, table
from lmworks.train.configs.train import TrainConfig
from lmworks.workspace import Workspace, open_workspace, run

PROBE_STEPS = 8
"""Steps of the run that measures the median time per step."""
RATES = (1 / 3, 1.0, 3.0)
"""Learning rates, as multiples of the recipe's. This order of magnitude holds the best rate of most families."""
SHOWN = {"name": "", "family": "", "parameters": ",", "seconds": ".1f", "steps": "d", "learning_rate": ".3g"}
"""Fields of an entry that are printed before its figure, with their formats."""
EQUAL = 1.25
"""Ratio of the longest to the shortest training, above which families have not had equal time."""


def families(path: Path, settings: Sequence[str], store: Path | None, *, minutes: float, task: str | None) -> Outcome:
    """Train each model of a task of `evaluate` for so many minutes per trial, and compare them on its items.

    Raises UsageError for a recipe without two systems to compare, or without validation data to choose rates by.
    """
    plain = open_workspace(path, settings, store, measure=True)
    label, names = _candidates(plain, task)
    tuned, chosen = dict[str, dict[str, Any]](), list[str]()
    for name in names:
        if isinstance(plain.recipe.models[name], TrainConfig):
            runs = Runs(path, settings, store, name)
            changed, tuned[name] = _tuned(runs, 60 * minutes)
            chosen += [*runs.settings, *(runs.setting(*item) for item in changed.items())]
    workspace = open_workspace(path, [*settings, *dict.fromkeys(chosen)], store)
    workspace.build.nodes = [node for node in workspace.build.nodes if not node.name.startswith(("gates", "primary"))]
    made = run(workspace, Quiet(), until=f"evaluate/{label}", remember=False)
    record = json.loads((made[f"evaluate/{label}"].payload / "comparison.json").read_text("utf-8"))
    systems = [name for name in _systems(workspace, label) if f"evaluate/{label}/{name}" in made]
    entries = [{"name": name, **_entry(workspace, made, label, name), **tuned.get(name, {})} for name in systems]
    lead = entries[0]["figure"]["name"]
    metric = metric_named(lead)
    entries.sort(key=lambda entry: entry["figure"]["value"], reverse=metric is None or metric.higher_is_better)
    late = unequal(tuned)
    words = [late, *_words(label, lead, entries, minutes), *record["verdicts"]]
    bars = [Bar(entry["name"], entry["figure"]["value"], entry["interval"], entry["value"]) for entry in entries]
    figures = {"task": label, "minutes": minutes, "entries": entries, "pairs": record["pairs"]}
    figures["verdicts"] = [*filter(None, [late]), *record["verdicts"]]
    picture = interval_chart(f"Families at equal time: {label}", lead, bars)
    return report(workspace, f"{label}-bakeoff", figures, [*filter(None, words)], picture)


def _candidates(plain: Workspace, task: str | None) -> tuple[str, list[str]]:
    """Return the label of the task, and the models of the recipe that it evaluates."""
    compared = [node.name for node in plain.build.nodes if isinstance(node.config, CompareConfig)]
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
            f"{plain.path}: the task {label} evaluates {', '.join(names) or 'no model'}; expected two systems: name "
            "models of several families in evaluate.models, and `train` in the task, which brings its baselines"
        )
    return label, names


def _systems(workspace: Workspace, label: str) -> list[str]:
    (compared,) = (node.config for node in workspace.build.nodes if node.name == f"evaluate/{label}")
    return list(compared.labels) if isinstance(compared, CompareConfig) else []


def _tuned(runs: Runs, seconds: float) -> tuple[Changed, dict[str, Any]]:
    """Return changed fields and entry of the learning rate with the best validation loss. All train for equal time."""
    probe = runs.train({"watch": None, "steps": PROBE_STEPS, "validation_steps": PROBE_STEPS})
    steps = max(1, round(seconds / (probe.seconds / PROBE_STEPS)))
    rates = [float(f"{times * float(runs.config.learning_rate):.3g}") for times in RATES]
    same = {"watch": None, "steps": steps, "validation_steps": steps}
    table: dict[str, Changed] = {str(rate): {**same, "learning_rate": rate} for rate in rates}
    entries = runs.vary(table)
    best = min(entries, key=lambda rate: entries[rate]["loss"])
    is_edge = best in (str(rates[0]), str(rates[-1]))
    return table[best], {**entries[best], "steps": steps, "learning_rate": float(best), "is_edge": is_edge}


def _entry(workspace: Workspace, made: Mapping[str, Artifact], label: str, name: str) -> dict[str, Any]:
    figure = made[f"evaluate/{label}/{name}"].manifest.figures[0]
    models = with_files(workspace.recipe, workspace.folder).models
    below = [*bases(name, models)]
    trained = [base for base in below if isinstance(models.get(base), TrainConfig) and base in made]
    return {
        "family": getattr(models.get([*below, name][0]), "family", None) or "baseline",
        "figure": figure.as_json(),
        "value": value_of(figure),
        "interval": figure.interval,
        "interval_in_words": interval_of(figure),
        "seconds_of_bases": round(sum(made[base].manifest.run.seconds for base in trained), 1),
    }


def unequal(tuned: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a warning if the machine gave one family more time than another, else an empty text."""
    spent = {name: entry["seconds"] for name, entry in tuned.items()}
    longest, shortest = (pick(spent, key=spent.__getitem__, default="") for pick in (max, min))
    if not spent or spent[longest] <= EQUAL * spent[shortest]:
        return ""
    return (
        f"not at equal time: {longest} trained for {spent[longest]:.0f} s, {shortest} for {spent[shortest]:.0f} s; the "
        "machine was busier in one than in the other. Let nothing else run, and repeat in another --store"
    )


def _words(label: str, lead: str, entries: Sequence[Mapping[str, Any]], minutes: float) -> Iterator[str]:
    yield f"{label}: {minutes:g} min of training a try, {len(RATES)} learning rates each, chosen by validation loss"
    shown = ({**entry, lead: f"{entry['value']} ({entry['interval_in_words']})"} for entry in entries)
    yield from table(shown, {**SHOWN, lead: ""})
    for entry in entries:
        if entry["seconds_of_bases"]:
            yield f"{entry['name']} began with models that took {entry['seconds_of_bases']:.0f} s, which is not counted"
        if entry.get("is_edge"):
            yield f"{entry['name']}: the best rate is the first or last of those tried; one beyond it may be better"
