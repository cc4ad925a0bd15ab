"""Tables of figures: what was measured under equal conditions stands together, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lmworks.evaluate.compare import metric_named, unlike
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, measures_model
from lmworks.release.render.charts import Bar, interval_chart
from lmworks.release.render.words import conditions_of, number, value_of


@dataclass(frozen=True, kw_only=True)
class Comparable:
    """Figures of one name that were measured under equal conditions, on as many items."""

    name: str
    leads: bool
    """Whether this is the task's first figure, by which it is judged."""
    rows: list[tuple[str, Figure, bool]]
    """(model or baseline, figure, whether it is a model)."""
    chart: Markup
    better: str
    """"higher" or "lower"; empty where nobody knows."""
    conditions: dict[str, str]
    """Those that all have, and alike."""
    differing: dict[str, dict[str, list[str]]]
    """Others → what they are → for whom."""
    methods: dict[str, list[str]]
    """How it was measured → for whom."""
    has_chance: bool
    """Whether guessing is known to score something."""
    contamination: dict[str, list[str]]
    """What is known of it → for whom."""
    has_clean: bool
    """Whether some figures have a value over clean items beside that over all."""


def tasks(built: Built) -> dict[str, list[Comparable]]:
    """Task → its tables. Figures whose conditions differ never share one."""
    return {task: list(_comparable(systems)) for task, systems in built.evaluations().items()}


def _comparable(systems: Mapping[str, Artifact]) -> Iterator[Comparable]:
    groups: list[list[tuple[str, Figure, bool]]] = []
    for system, artifact in systems.items():
        for figure in artifact.manifest.figures if system else ():
            row = (system, figure, measures_model(artifact))
            home = next((group for group in groups if all(may_compare(figure, other) for _, other, _ in group)), None)
            if home is None:
                groups.append([row])
            else:
                home.append(row)
    for rows in groups:
        first = rows[0][1]
        bars = [Bar(system, figure.value, figure.interval, value_of(figure), ours) for system, figure, ours in rows]
        methods: dict[str, list[str]] = {}
        contamination: dict[str, list[str]] = {}
        for system, figure, _ in rows:
            methods.setdefault(figure.method, []).append(system)
            if figure.contamination:
                contamination.setdefault(figure.contamination, []).append(system)
        metric = metric_named(first.name)
        alike, differing = _conditions(rows)
        yield Comparable(
            name=label_of(first),
            leads=first.name == groups[0][0][1].name,
            rows=rows,
            chart=interval_chart(label_of(first), label_of(first), bars, first.chance),
            better="" if metric is None else "higher" if metric.higher_is_better else "lower",
            conditions=alike,
            differing=differing,
            methods=methods,
            has_chance=any(figure.chance is not None for _, figure, _ in rows),
            contamination=contamination,
            has_clean=any(figure.clean_value is not None for _, figure, _ in rows),
        )


def latencies(built: Built) -> dict[str, list[list[str]]]:
    """Task → how long a text takes alone, a row a system, where that was timed."""
    found: dict[str, list[list[str]]] = {}
    for task, systems in built.evaluations().items():
        for system, artifact in systems.items():
            taken = artifact.manifest.run.measured
            if "median_seconds" in taken:
                names = [f"{which}_{of}seconds" for of in ("", "processor_") for which in ("median", "p95")]
                row = [system, number(taken["timed_texts"]), *(f"{taken[name]:.3f} s" for name in names)]
                found.setdefault(task, []).append(row)
    return found


def label_of(figure: Figure) -> str:
    """A figure's name for people."""
    metric = metric_named(figure.name)
    return metric.label if metric else figure.name.replace("_", " ")


def may_compare(a: Figure, b: Figure) -> bool:
    """Whether two figures may stand in one table: the same quantity of as many items, under no different condition.

    The method is printed beside a table instead: how a baseline and a model come to the same quantity always differs.
    """
    if (a.name, a.unit, a.n) != (b.name, b.unit, b.n):
        return False
    if a.conditions is None or b.conditions is None:
        return a.conditions is b.conditions
    return a.conditions.items == b.conditions.items and not unlike(a, b)


def _conditions(rows: Sequence[tuple[str, Figure, bool]]) -> tuple[dict[str, str], dict[str, dict[str, list[str]]]]:
    """What all rows have alike, and what not, for whom: a bag of words has no context, whatever stands beside it."""
    found: dict[str, dict[str, list[str]]] = {}
    for system, figure, _ in rows:
        for name, value in conditions_of(figure).items():
            found.setdefault(name, {}).setdefault(value, []).append(system)
    alike = {
        name: value for name, values in found.items() for value, whose in values.items() if len(whose) == len(rows)
    }
    return alike, {name: values for name, values in found.items() if name not in alike}
