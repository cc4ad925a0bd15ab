"""Figures of a recipe's models in each of its builds: a file with one line per build, and a page.

Only figures are kept, no texts. The page says whether a figure can be compared with that of the build before, and if
not, what differs.
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
"""Largest number of figures drawn per task: the latest ones."""


@dataclass(frozen=True)
class Measured:
    """Leading figure of one model on one task, as one build measured it."""

    task: str
    system: str
    figure: Figure
    when: datetime

    @property
    def day(self) -> str:
        """Date and time of the measurement."""
        return f"{self.when:%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Row:
    """A figure in the history of its task."""

    measured: Measured
    change: str
    """Difference from the build before, in words."""


@dataclass(frozen=True)
class Task:
    """The history of one task."""

    name: str
    label: str
    chart: Markup
    rows: Sequence[Row]
    """Rows of the table, the latest first."""


def note(built: Built) -> None:
    """Add what a build measured to its recipe's history, unless the build before measured the same."""
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
    """Return what each build of a recipe measured, in the order of the builds."""
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
    """Write the page of a recipe's figures over its builds, if there are two or more builds. Return its path."""
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
    """Return in words what differs between a figure and that of the build before."""
    if because := unlike(before, now):
        return f"not comparable with the build before: {because}"
    assert before.conditions and now.conditions  # noqa: S101 - else they are unlike
    told = "the same model" if before.conditions.model == now.conditions.model else "another model"
    if before.conditions.items != now.conditions.items:
        return f"{told}, other items: lmworks compare compares them on the items that both were measured on"
    return f"{told}, same items"
