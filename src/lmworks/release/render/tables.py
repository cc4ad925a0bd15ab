"""Tables of figures. One table holds only figures that were measured under equal conditions."""

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
    """Figures of one name that were measured under equal conditions, on the same number of items."""

    name: str
    leads: bool
    """Whether this is the task's first figure, by which it is judged."""
    rows: list[tuple[str, Figure, bool]]
    """(model or baseline, figure, whether it is a model)."""
    chart: Markup
    better: str
    """"higher" or "lower": which values are better. Empty if not known."""
    conditions: dict[str, str]
    """Conditions that are equal in all rows."""
    differing: dict[str, dict[str, list[str]]]
    """Other condition → its value → systems with this value."""
    methods: dict[str, list[str]]
    """Method of measurement → systems measured so."""
    has_chance: bool
    """Whether the score of guessing is known for some row."""
    contamination: dict[str, list[str]]
    """Verdict on contamination → systems with this verdict."""
    has_clean: bool
    """Whether some figures also have a value over only the clean items."""


def tasks(built: Built) -> dict[str, list[Comparable]]:
    """Return task → its tables. Figures whose conditions differ never share a table."""
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
    """Return task → rows with the time for a single text, one per system, if it was measured."""
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
    """Return a figure's name for people."""
    metric = metric_named(figure.name)
    return metric.label if metric else figure.name.replace("_", " ")


def may_compare(a: Figure, b: Figure) -> bool:
    """Return whether two figures may share a table: the same quantity, on as many items, under equal conditions.

    Methods may differ, because a baseline and a model always get a quantity in different ways. The page prints them.
    """
    if (a.name, a.unit, a.n) != (b.name, b.unit, b.n):
        return False
    if a.conditions is None or b.conditions is None:
        return a.conditions is b.conditions
    return a.conditions.items == b.conditions.items and not unlike(a, b)


def _conditions(rows: Sequence[tuple[str, Figure, bool]]) -> tuple[dict[str, str], dict[str, dict[str, list[str]]]]:
    """Return the conditions equal in all rows, and the others with their systems: a bag of words has no context."""
    found: dict[str, dict[str, list[str]]] = {}
    for system, figure, _ in rows:
        for name, value in conditions_of(figure).items():
            found.setdefault(name, {}).setdefault(value, []).append(system)
    alike = {
        name: value for name, values in found.items() for value, whose in values.items() if len(whose) == len(rows)
    }
    return alike, {name: values for name, values in found.items() if name not in alike}
