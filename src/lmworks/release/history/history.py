"""What a recipe's models came to in each of its builds: a line a build, kept beside its record, and a page of them.

Only figures are kept, no texts. A figure stands beside that of the build before where nothing that could matter
differs; where it does, the page says what.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lmworks.evaluate.compare import unlike
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import canonical_json, write_atomically
from lmworks.release.built import Built, measures_model
from lmworks.release.render.charts import Bar, interval_chart
from lmworks.release.render.tables import label_of
from lmworks.release.render.templates import environment
from lmworks.release.render.words import value_of

SHOWN = 12
"""Builds of a task that are drawn: the last ones."""


@dataclass(frozen=True)
class Measured:
    """What one build measured of one model on one task: the figure that leads it."""

    task: str
    system: str
    figure: Figure
    when: datetime

    @property
    def day(self) -> str:
        """When it was measured."""
        return f"{self.when:%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Row:
    """A figure in the history of its task."""

    measured: Measured
    change: str
    """What differs from the build before, in words."""


@dataclass(frozen=True)
class Task:
    """The history of one task."""

    name: str
    label: str
    chart: Markup
    rows: Sequence[Row]
    """The latest first."""


def note(built: Built) -> None:
    """Add what a build measured to its recipe's history, unless it is what the build before measured."""
    now = [
        Measured(
            task, system, evaluation.manifest.figures[0], datetime.fromtimestamp(evaluation.manifest.run.started, UTC)
        )
        for task, systems in built.evaluations().items()
        for system, evaluation in systems.items()
        if system and measures_model(evaluation) and evaluation.manifest.figures
    ]
    line = canonical_json(
        [
            {"task": each.task, "system": each.system, "when": each.when.timestamp(), "figure": each.figure.as_json()}
            for each in now
        ]
    )
    path = _path(built)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if now and before.rstrip("\n").rpartition("\n")[2] != line:
        write_atomically(path, f"{before}{line}\n")


def history(built: Built) -> list[list[Measured]]:
    """What each build of a recipe measured, in their order."""
    return [
        [
            Measured(
                each["task"],
                each["system"],
                Figure.from_json(each["figure"]),
                datetime.fromtimestamp(each["when"], UTC),
            )
            for each in line
        ]
        for line in _lines(_path(built))
    ]


def write_history(built: Built) -> Path | None:
    """Write the page of a recipe's figures over its builds, where there are two and more. Returns its path."""
    found = history(built)
    if len(found) < 2:
        return None
    page = environment(__package__).get_template("history.html.jinja")
    path = built.store.root / "reports" / f"{built.name}-history.html"
    write_atomically(
        path, page.render(built=built, written=datetime.now(UTC), builds=len(found), tasks=list(_tasks(found)))
    )
    return path


def _path(built: Built) -> Path:
    return built.store.builds.folder / f"{built.name}.history.jsonl"


def _lines(path: Path) -> Iterator[list[dict[str, Any]]]:
    if path.exists():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


def _tasks(found: Sequence[Sequence[Measured]]) -> Iterator[Task]:
    for name in dict.fromkeys(each.task for build in reversed(found) for each in build):
        rows: list[Row] = []
        before: dict[str, Measured] = {}
        for build in found:
            for each in build:
                if each.task == name and (last := before.get(each.system)) != each:
                    rows.append(Row(each, change_of(last.figure, each.figure) if last else "first measured"))
                    before[each.system] = each
        systems = [*before]
        drawn = sorted(rows[-SHOWN:], key=lambda each: systems.index(each.measured.system))
        label = label_of(drawn[-1].measured.figure)
        bars = [
            Bar(
                f"{each.measured.day} {each.measured.system}",
                each.measured.figure.value,
                each.measured.figure.interval,
                value_of(each.measured.figure),
                each.measured in before.values(),
            )
            for each in drawn
        ]
        yield Task(name, label, interval_chart(f"{label} over builds", label, bars), rows[::-1])


def change_of(before: Figure, now: Figure) -> str:
    """What became of a figure since the build before, in words."""
    if because := unlike(before, now):
        return f"not to be compared with the build before: {because}"
    assert before.conditions and now.conditions  # noqa: S101 - else they are unlike
    told = "the same model" if before.conditions.model == now.conditions.model else "another model"
    if before.conditions.items != now.conditions.items:
        return f"{told}, asked other items: lmworks compare tells of those that both were asked"
    return f"{told}, asked the same"
