"""Verdicts of comparisons, and examples of good and bad answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmworks.data.personal.findings import Detector
from lmworks.data.personal.hidden import hide
from lmworks.evaluate.compare import System, answers_alike, beside_baselines, metric_named, paired
from lmworks.evaluate.contamination import Standing, standing
from lmworks.evaluate.items import Item, Metric
from lmworks.evaluate.primary import FILE, NODE, PrimaryAnswer, read_answer
from lmworks.model.pretrained import FRAME
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, measures_model, read_json, read_lines
from lmworks.release.gates import served
from lmworks.release.inspect.hidden import hiding

AGAINST = 3
"""Most verdicts against a model that are shown for a task. All verdicts are with the comparisons."""


def verdicts(built: Built) -> dict[str, list[str]]:
    """Return task → verdicts of its paired tests. First come tasks where tuning cost too much, then baselines' wins.

    Tasks on trained text are left out, because their figures are only a diagnosis.
    """
    found: dict[str, list[str]] = {}
    lost: set[str] = set()
    for task, systems in built.judging().items():
        record = read_json(systems[""].payload / "comparison.json") if "" in systems else {}
        if record.get("verdicts"):
            found[task] = record["verdicts"]
        if record.get("lost"):
            lost.add(task)
    return dict(sorted(found.items(), key=lambda item: (item[0] not in lost, not _baseline_wins(built, *item))))


def primary_answer(built: Built) -> PrimaryAnswer | None:
    """Return the answer to the primary question, if the question is about a served model. Otherwise return None."""
    if NODE not in built.artifacts:
        return None
    answer = read_answer(built.artifacts[NODE].payload / FILE)
    return answer if answer.model in (served(built) or [answer.model]) else None


@dataclass(frozen=True)
class Measured:
    """Leading figure of a model on a task, with that of the best baseline."""

    task: str
    model: str
    figure: Figure
    label: str
    baseline: str
    """Name of the best baseline. Empty if no baseline was measured or could be compared."""
    baseline_value: float | None
    is_better: bool
    """Whether the model is significantly better than every baseline."""
    baseline_wins: bool
    """Whether a baseline is significantly better than the model, or is ahead and cannot be tested."""
    items: Counter[Standing]
    """Number of items that are in the model's training text, that are clean, or of which this is not known."""

    @property
    def known_share(self) -> float:
        """Share of the items that are in the model's training text."""
        return self.items["known"] / max(1, self.items.total())

    @property
    def has_unknown(self) -> bool:
        """Whether it is not known of some items if they are in the model's training text."""
        return bool(self.items["unknown"]) or not self.items


def measured(built: Built, models: Sequence[str] = ()) -> list[Measured]:
    """Return a result for each task that may judge models: that of its best model, or of each model in `models`."""
    found = []
    for task, systems in built.judging().items():
        figures = {name: each.manifest.figures for name, each in systems.items() if name and measures_model(each)}
        figures = {name: each for name, each in figures.items() if each}
        if not figures:
            continue
        record = read_json(systems[""].payload / "comparison.json") if "" in systems else {}
        metric = metric_named(next(iter(figures.values()))[0].name)
        sign = 1 if metric is None or metric.higher_is_better else -1
        best = record.get("beside_baselines", {}).get("model") or max(
            figures, key=lambda name: sign * figures[name][0].value
        )
        for name in [each for each in models if each in figures] if models else [best]:
            beside = _beside(systems, name, record, _own_baseline(systems, name))
            found.append(
                Measured(
                    task,
                    name,
                    _leading(systems[name], record),
                    beside.get("label") or (metric.label if metric else figures[name][0].name.replace("_", " ")),
                    beside.get("baseline", ""),
                    beside.get("baseline_value"),
                    beside.get("is_better", False),
                    _baseline_wins(built, task, record.get("verdicts", ()), name),
                    Counter(map(standing, _items(systems[name]))),
                )
            )
    return found


def _own_baseline(systems: Mapping[str, Artifact], name: str) -> str:
    """Return the baseline that gives the model's answer to every item, and so is the model itself. Empty if none."""
    metric, ours = metric_named(systems[name].manifest.figures[0].name), _items(systems[name])
    for label, each in systems.items():
        if metric and label and not measures_model(each) and each.manifest.figures:
            pairs, _ = paired(ours, theirs := _items(each))
            if len(pairs) == len(ours) == len(theirs) and answers_alike(metric, pairs):
                return label
    return ""


def _beside(systems: Mapping[str, Artifact], name: str, record: Mapping[str, Any], itself: str) -> dict[str, Any]:
    """Return what a comparison says of a model and its baselines, except for `itself`."""
    told = record.get("beside_baselines", {})
    metric = metric_named(record.get("metric", ""))
    if (told.get("model", name) == name and not itself) or metric is None:
        return dict(told)
    found = {
        label: System(label, not measures_model(each), _leading(each, record), _items(each))
        for label, each in systems.items()
        if label and label != itself and each.manifest.figures
    }
    baselines = [each for each in found.values() if each.is_baseline]
    return beside_baselines(metric, found[name], baselines, record["pairs"]) if baselines else {}


def _leading(evaluation: Artifact, record: Mapping[str, Any]) -> Figure:
    """Return the figure that a comparison compares."""
    figures = evaluation.manifest.figures
    return next((each for each in figures if each.name == record.get("metric")), figures[0])


def _items(evaluation: Artifact) -> list[Item]:
    return read_lines(evaluation.payload / "items.jsonl")


def tasks_with_texts(built: Built) -> list[str]:
    """Return the tasks whose stored items contain questions or answers."""
    found = {
        task: [item for each in systems.values() for item in _items(each)[:1]]
        for task, systems in built.evaluations().items()
    }
    return [task for task, items in found.items() if any({"prompt", "text", "answer"} & {*item} for item in items)]


def against(lines: Sequence[str], model: str) -> list[str]:
    """Return the verdicts of a task against a model: no better than chance, knowledge lost, or another is better."""
    name = re.escape(model)
    bad = re.compile(
        rf"not shown to be better than chance: {name} has |[^:]+: {name} is worse than |{name} may have lost "
        rf"|.* is ahead of {name}: |.* wins: .* the best model, {name}, has |cut off: .* of {name} end "
    )
    return [line for line in lines if bad.match(line)]


def against_first(lines: Sequence[str], model: str) -> list[str]:
    """Return the first verdicts against a model, and how many more there are."""
    found = against(lines, model)
    more = len(found) - AGAINST
    return [*found[:AGAINST], *([f"{more} more verdicts speak against {model}"] if more > 0 else [])]


@dataclass(frozen=True)
class Doubt:
    """A training whose verdict is not "fine"."""

    model: str
    verdict: str
    text: str


def trainings_in_doubt(built: Built) -> list[Doubt]:
    """Return each model whose training has another verdict than "fine", with the text of the verdict.

    Also return each base that is evaluated with a chat template that it was not trained on.
    """
    asked = {
        name
        for systems in built.evaluations().values()
        for name, artifact in systems.items()
        if artifact.manifest.config.get("prompt") in ("chat", "few-shot")
    }
    return [
        Doubt(name, example["verdict"], example["text"])
        for name, artifact in built.models.items()
        for example in read_lines(artifact.payload / "examples.jsonl")
        if example.get("verdict", "fine") != "fine" and (example["reason"] != FRAME or name in asked)
    ]


def _baseline_wins(built: Built, task: str, lines: Sequence[str], model: str = "") -> bool:
    """Return whether a baseline wins over the best model, or is ahead of `model`."""
    systems = built.evaluations()[task].items()
    names = [name for name, found in systems if name and not measures_model(found)]
    return any(line.startswith((f"{name} wins", f"{name} is ahead of {model}:")) for line in lines for name in names)


@dataclass(frozen=True)
class Sample:
    """One answer and how good it was."""

    kind: str
    """Kind of the answer: best, median or worst, or else right or wrong."""
    score: float
    asked: str
    answered: str
    wanted: str


@dataclass(frozen=True)
class Samples:
    """Answers of one model to one task."""

    task: str
    model: str
    metric: str
    rows: list[Sample]


def samples_of(built: Built) -> list[Samples]:
    """Return good and bad answers to each task, of the served or else the best model, without personal data."""
    found = []
    mine = measured(built, served(built))
    others = measured(built) if served(built) else []
    for each in (*mine, *(each for each in others if all(each.task != one.task for one in mine))):
        evaluation = built.evaluations()[each.task][each.model]
        metric = metric_named(evaluation.manifest.figures[0].name)
        items = _items(evaluation) if metric else []
        if metric and items and "answer" in items[0]:
            ranked = sorted(items, key=lambda item: (-metric.values([item])[0], item["id"]))
            chosen = _chosen(ranked, metric)
            more = hiding(built, evaluation, ids={item["id"] for _, item in chosen})
            rows = [_sample(kind, item, metric, more) for kind, item in chosen]
            found.append(Samples(each.task, each.model, metric.label, rows))
    return found


def _chosen(ranked: Sequence[Item], metric: Metric) -> list[tuple[str, Item]]:
    """Return up to two items of each kind. No item occurs twice."""
    if metric.is_share:
        right = [("right", item) for item in ranked if item[metric.value]]
        return [*right[:2], *[("wrong", item) for item in ranked if not item[metric.value]][:2]]
    middle, last = len(ranked) // 2, len(ranked) - 1
    places = {0: "best", 1: "best", middle: "median", middle + 1: "median", last: "worst", last - 1: "worst"}
    return [(kind, ranked[place]) for place, kind in places.items() if 0 <= place <= last]


def _sample(kind: str, item: Item, metric: Metric, more: Sequence[Detector]) -> Sample:
    asked, answered, wanted = (hide(str(item[name]), more=more) for name in ("prompt", "answer", "reference"))
    return Sample(kind, metric.values([item])[0], asked, answered, wanted)
