"""Tables of figures: what was measured under equal conditions stands together, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from lmworks.pipeline.figure import Figure
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, figures_of
from lmworks.release.charts import Bar, interval_chart
from lmworks.release.words import conditions_of, value_of


@dataclass(frozen=True)
class Comparable:
    """Figures of one name that were measured under equal conditions, on as many items."""

    name: str
    rows: list[tuple[str, Figure, bool]]
    """(model or baseline, figure, whether it is a model)."""
    chart: Markup
    unit: str
    conditions: dict[str, str]
    notes: dict[str, list[str]]
    """How it was measured, and what is known of contamination → of whom it holds."""


def tasks(built: Built) -> dict[str, list[Comparable]]:
    """Task → its tables. Figures whose conditions differ never share one."""
    return {task: list(_comparable(built, systems)) for task, systems in built.evaluations().items()}


def _comparable(built: Built, systems: Mapping[str, Artifact]) -> Iterator[Comparable]:
    groups: list[list[tuple[str, Figure, bool]]] = []
    for system, artifact in systems.items():
        for figure in figures_of(artifact) if system else ():
            row = (system, figure, system in built.models)
            home = next((group for group in groups if all(may_compare(figure, other) for _, other, _ in group)), None)
            if home is None:
                groups.append([row])
            else:
                home.append(row)
    for rows in groups:
        first = rows[0][1]
        bars = [Bar(system, figure.value, figure.interval, value_of(figure), ours) for system, figure, ours in rows]
        conditions: dict[str, str] = {}
        notes: dict[str, list[str]] = {}
        for system, figure, _ in rows:
            conditions |= conditions_of(figure)
            for note in filter(None, (figure.method, figure.contamination)):
                notes.setdefault(note, []).append(system)
        name = first.name.replace("_", " ")
        chart = interval_chart(name, first.unit or name, bars, first.chance)
        yield Comparable(name, rows, chart, first.unit, conditions, notes)


def may_compare(a: Figure, b: Figure) -> bool:
    """Whether two figures may stand in one table: the same quantity of as many items, under no different condition.

    The method is printed beside a table instead: how a baseline and a model come to the same quantity always differs.
    """
    if (a.name, a.unit, a.n) != (b.name, b.unit, b.n):
        return False
    theirs = conditions_of(b)
    return all(theirs.get(name, value) == value for name, value in conditions_of(a).items())
