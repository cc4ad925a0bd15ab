"""The page of a training run. A script updates it."""

from __future__ import annotations

from pathlib import Path

from lmworks.release.render.charts import Series, line_chart
from lmworks.release.render.templates import environment
from lmworks.watch.follow import Standing
from lmworks.watch.terminal import ROWS, as_text

SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
POINTS = 400
"""Maximum number of points of a curve: more than a screen has pixels for it."""


def render(standing: Standing) -> str:
    """Return the page of a run in its present state."""
    charts = [_chart(standing, title, name) for title, name, _ in ROWS if name != "validation_loss"]
    template = environment(__package__).get_template("watch.html.jinja")
    return template.render(standing=standing, words=as_text(standing), charts=[chart for chart in charts if chart])


def _chart(standing: Standing, title: str, name: str) -> str:
    series = [Series("training", _thinned(standing.series(name)))]
    if unseen := standing.series(f"validation_{name}"):
        series.append(Series("validation", _thinned(unseen)))
    return line_chart(title, "step", title, series)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    every = -(-len(points) // POINTS)
    return points[:-1:every] + points[-1:] if every else points
