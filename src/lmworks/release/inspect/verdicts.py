"""What the comparisons say, and which answers were good or bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lmworks.data.privacy.findings import Detector
from lmworks.data.privacy.hidden import hide
from lmworks.evaluate.compare import metric_named
from lmworks.evaluate.contamination import Standing, standing
from lmworks.evaluate.items import Item, Metric
from lmworks.model.pretrained import FRAME
from lmworks.pipeline.figure import Figure
from lmworks.release.built import Built, measures_model, read_json, read_lines
from lmworks.release.inspect.hidden import hiding


def verdicts(built: Built) -> dict[str, list[str]]:
    """Task → what its paired tests say. First stand tasks where tuning cost too much, then where a baseline wins."""
    found: dict[str, list[str]] = {}
    lost: set[str] = set()
    for task, systems in built.evaluations().items():
        record = read_json(systems[""].payload / "comparison.json") if "" in systems else {}
        if record.get("verdicts"):
            found[task] = record["verdicts"]
        if record.get("lost"):
            lost.add(task)
    return dict(sorted(found.items(), key=lambda item: (item[0] not in lost, not _baseline_wins(built, *item))))


@dataclass(frozen=True)
class Measured:
    """The best model of a task by its leading figure, beside the best simple baseline."""

    task: str
    model: str
    figure: Figure
    label: str
    baseline: str
    """Empty where none was measured, or none could be compared."""
    baseline_value: float | None
    is_better: bool
    """Whether it is shown to be better than every baseline."""
    baseline_wins: bool
    """Whether one is shown to be better than it, or cannot be tested against it and is ahead."""
    items: Counter[Standing]
    """How many of its items stand in what it learned from, are clean, or of neither it is known."""

    @property
    def known_share(self) -> float:
        """Of the items, those that stand in what it learned from."""
        return self.items["known"] / max(1, self.items.total())

    @property
    def is_clean(self) -> bool | None:
        """Whether no item stands in what it learned from; None where that is not known of all."""
        return False if self.items["known"] else None if self.items["unknown"] or not self.items else True


def measured(built: Built) -> list[Measured]:
    """Each task that a model was measured on."""
    found = []
    for task, systems in built.evaluations().items():
        models = {name: each.manifest.figures for name, each in systems.items() if name and measures_model(each)}
        models = {name: figures for name, figures in models.items() if figures}
        if not models:
            continue
        record = read_json(systems[""].payload / "comparison.json") if "" in systems else {}
        beside = record.get("beside_baselines", {})
        metric = metric_named(next(iter(models.values()))[0].name)
        sign = 1 if metric is None or metric.higher_is_better else -1
        best = beside.get("model") or max(models, key=lambda name: sign * models[name][0].value)
        figures = models[best]
        figure = next((each for each in figures if each.name == record.get("metric")), figures[0])
        found.append(
            Measured(
                task,
                best,
                figure,
                beside.get("label") or (metric.label if metric else figure.name.replace("_", " ")),
                beside.get("baseline", ""),
                beside.get("baseline_value"),
                beside.get("is_better", False),
                _baseline_wins(built, task, record.get("verdicts", ())),
                Counter(map(standing, read_lines(systems[best].payload / "items.jsonl"))),
            )
        )
    return found


def worth(built: Built) -> list[str]:
    """What the best models are shown to be better at than every baseline beside them, and what not; two sentences."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for each in measured(built):
        if each.baseline_value is not None:
            found[each.is_better].append(
                f"{each.task} ({each.model} {each.figure.value:.3f} {each.label}, {each.baseline} "
                f"{each.baseline_value:.3f})"
            )
    good, bad = found[True], found[False]
    if not good and not bad:
        return []
    first = (
        f"Better than every simple baseline in {_listed(good)}."
        if good
        else ("Nothing that was measured here is shown to be better than a simple baseline.")
    )
    return [first, f"Not shown to be better in {_listed(bad)}."] if bad else [first]


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


@dataclass(frozen=True)
class Doubt:
    """A training that came to something else than a fit."""

    model: str
    verdict: str
    text: str


def trainings_in_doubt(built: Built) -> list[Doubt]:
    """Each model whose training came to something else than a fit, in the words that it was told.

    And each base that is asked chats in a frame that it never saw.
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


def _baseline_wins(built: Built, task: str, lines: Sequence[str]) -> bool:
    systems = built.evaluations()[task].items()
    names = [name for name, found in systems if name and not measures_model(found)]
    return any(line.startswith(f"{name} wins") for line in lines for name in names)


@dataclass(frozen=True)
class Sample:
    """One answer and how good it was."""

    kind: str
    """Best, median or worst; right or wrong."""
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
    """Good and bad answers to each task that keeps answers, for the last model measured on it; no personal data."""
    found, more = [], hiding(built)
    for task, systems in built.evaluations().items():
        measured = [name for name in systems if name in built.models]
        figures = systems[measured[-1]].manifest.figures if measured else ()
        metric = metric_named(figures[0].name) if figures else None
        items = read_lines(systems[measured[-1]].payload / "items.jsonl") if metric else []
        if metric and items and "answer" in items[0]:
            ranked = sorted(items, key=lambda item: (-metric.values([item])[0], item["id"]))
            rows = [_sample(kind, item, metric, more) for kind, item in _chosen(ranked, metric)]
            found.append(Samples(task, measured[-1], metric.label, rows))
    return found


def _chosen(ranked: Sequence[Item], metric: Metric) -> list[tuple[str, Item]]:
    """Two of each kind; each item once."""
    if metric.is_share:
        right = [("right", item) for item in ranked if item[metric.value]]
        return [*right[:2], *[("wrong", item) for item in ranked if not item[metric.value]][:2]]
    middle, last = len(ranked) // 2, len(ranked) - 1
    places = {0: "best", 1: "best", middle: "median", middle + 1: "median", last: "worst", last - 1: "worst"}
    return [(kind, ranked[place]) for place, kind in places.items() if 0 <= place <= last]


def _sample(kind: str, item: Item, metric: Metric, more: Sequence[Detector]) -> Sample:
    asked, answered, wanted = (hide(str(item[name]), more=more) for name in ("prompt", "answer", "reference"))
    return Sample(kind, metric.values([item])[0], asked, answered, wanted)
