"""Charts as inline SVG. Colours are classes, so that the page decides on light, dark and print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup

from lmworks.plan.costs import Month
from lmworks.release.render.templates import drawing

Point = tuple[float, float]

STYLE = (
    "<style>text{font:11px sans-serif}.grid{stroke:#ddd}.line,.whisker{fill:none;stroke-width:2}"
    ".s0{stroke:#1f4e79}.s1{stroke:#c0504d}.s2{stroke:#4f8f3a}.s3{stroke:#7f6000}.dot{fill:#fff}</style>"
)


@dataclass(frozen=True)
class Series:
    """One line of a chart, or its points alone."""

    name: str
    points: Sequence[Point]
    joined: bool = True


@dataclass(frozen=True)
class Bar:
    """One measured value with its interval."""

    name: str
    value: float
    interval: tuple[float, float] | None
    label: str
    highlighted: bool = False


def _short(value: float) -> str:
    """Return the label of a tick, such as 1.5M or 0.05."""
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{sign}"
    return f"{value:.4g}"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers, from `low` or below it to `high` or above it."""
    raw = (high - low or 1) / count
    unit = 10 ** floor(log10(raw))
    step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= raw * 0.999)
    return [round(index * step, 12) for index in range(floor(low / step + 1e-9), ceil(high / step - 1e-9) + 1)]


def line_chart(
    title: str, across: str, up: str, series: Sequence[Series], right: tuple[str, float] | None = None
) -> Markup:
    """Draw lines over a common axis. `right` adds a second unit for the heights: (its name, its size in `up`)."""
    drawn = [line for line in series if line.points]
    if not drawn:
        return Markup("")
    width, height, left, top, foot = 720, 300, 58, 30, 48
    side = 62 if right else 16
    end = max(x for line in drawn for x, _ in line.points)
    xs = [x for x in ticks(0, end, 6) if x <= end]
    ys = ticks(min(y for line in drawn for _, y in line.points), max(y for line in drawn for _, y in line.points))

    def along(x: float) -> float:
        return round(left + x / (end or 1) * (width - left - side), 1)

    def down(y: float) -> float:
        return round(height - foot - (y - ys[0]) / (ys[-1] - ys[0] or 1) * (height - top - foot), 1)

    shown = [(line.name, line.joined, [(along(x), down(y)) for x, y in line.points]) for line in drawn]
    rows = [(down(y), _short(y), f"{y / right[1]:.2f}" if right else "") for y in ys]
    columns, unit = [(along(x), _short(x)) for x in xs], right and right[0]
    place = left, width - side, height - foot
    return drawing("lines", title, width, height, *place, across, up, unit, rows, columns, shown)


def standalone(chart: Markup) -> str:
    """Return a chart as a file of its own, with colours."""
    return str(chart).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace("><", f">{STYLE}<", 1)


def owning_lines(months: Sequence[Month], ends: Sequence[str] = ("low", "high")) -> Markup:
    """Draw the cost of owning and of renting machines up to the end of each month, at low, high, or both prices."""
    series = [
        Series(f"{name}, {end}", [(m.month, getattr(getattr(m, field), end)) for m in months])
        for name, field in (("cloud", "cloud_usd"), ("own", "own_usd"))
        if getattr(months[0], field)
        for end in ends
    ]
    return line_chart("Own or rent", "month", "USD spent in all", series)


def interval_chart(title: str, unit: str, bars: Sequence[Bar], chance: float | None = None) -> Markup:
    """Draw one row per value: a dot and its 95 % interval. A dashed line marks chance."""
    ends = [end for bar in bars for end in (bar.value, *(bar.interval or ()))] + ([] if chance is None else [chance])
    if not bars:
        return Markup("")
    width, row, foot = 720, 30, 44
    side = max(80.0, 22 + 7.5 * max(len(bar.label) for bar in bars))
    left = max(170.0, 20 + 8.3 * max(len(bar.name) for bar in bars))  # of a bold letter's usual width
    height = row * len(bars) + foot
    xs = ticks(min(0.0, *ends), max(ends), 6)

    def along(x: float) -> float:
        return round(left + (x - xs[0]) / (xs[-1] - xs[0] or 1) * (width - left - side), 1)

    rows = [
        (row * index + row / 2 + 2, bar, along(bar.value), bar.interval and tuple(map(along, bar.interval)))
        for index, bar in enumerate(bars)
    ]
    dashed = None if chance is None else along(chance)
    place = left, width - side, height - foot
    columns = [(along(x), _short(x)) for x in xs]
    return drawing("intervals", title, width, height, *place, unit, dashed, columns, rows)
