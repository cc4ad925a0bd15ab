"""Charts as inline SVG. Colours are classes, so that the page decides on light, dark and print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup

from lmworks.plan.costs import Month

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
    """A tick's number: 1.5M, 0.05."""
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{sign}"
    return f"{value:.4g}"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers from at or below `low` to at or above `high`."""
    raw = (high - low or 1) / count
    unit = 10 ** floor(log10(raw))
    step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= raw * 0.999)
    return [round(index * step, 12) for index in range(floor(low / step + 1e-9), ceil(high / step - 1e-9) + 1)]


def line_chart(
    title: str, across: str, up: str, series: Sequence[Series], right: tuple[str, float] | None = None
) -> Markup:
    """Lines over a common axis. `right` labels the heights in another unit too: (its name, its size in `up`)."""
    drawn = [line for line in series if line.points]
    if not drawn:
        return Markup("")
    width, height, left, top, foot = 720, 300, 58, 30, 48
    side = 62 if right else 16
    end = max(x for line in drawn for x, _ in line.points)
    xs = [x for x in ticks(0, end, 6) if x <= end]
    ys = ticks(min(y for line in drawn for _, y in line.points), max(y for line in drawn for _, y in line.points))

    def place(x: float, y: float) -> tuple[str, str]:
        along = left + x / (end or 1) * (width - left - side)
        down = height - foot - (y - ys[0]) / (ys[-1] - ys[0] or 1) * (height - top - foot)
        return f"{along:.1f}", f"{down:.1f}"

    parts = [_open(width, height, title)]
    for y in ys:
        _, down = place(xs[0], y)
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(left, width - side, down, down)
        )
        parts.append(_text(left - 8, float(down) + 4, _short(y), "end"))
        if right:
            parts.append(_text(width - side + 8, float(down) + 4, f"{y / right[1]:.2f}", "start"))
    for x in xs:
        parts.append(_text(float(place(x, ys[0])[0]), height - foot + 18, _short(x), "middle"))
    parts.append(_text((left + width - side) / 2, height - 8, across, "middle", "axis"))
    parts.append(_text(0, 12, up, "start", "axis"))
    if right:
        parts.append(_text(width, 12, right[0], "end", "axis"))
    for index, line in enumerate(drawn):
        alone = not line.joined or len(line.points) == 1
        if line.joined:
            path = " ".join(",".join(place(x, y)) for x, y in line.points)
            parts.append(Markup('<polyline class="line s{}" points="{}"/>').format(index, path))
        for x, y in line.points if alone else ():
            parts.append(Markup('<circle class="dot s{}" cx="{}" cy="{}" r="3"/>').format(index, *place(x, y)))
        parts.append(_legend(left + 150 * index + 130, line.name, index))
    return Markup("").join([*parts, Markup("</svg>")])


def standalone(chart: Markup) -> str:
    """A chart as a file of its own, with colours."""
    return str(chart).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace("><", f">{STYLE}<", 1)


def own_or_rent(months: Sequence[Month]) -> str:
    """What owning machines and renting them have cost by the end of each month, at the low and the high prices."""
    series = [
        Series(f"{name}, {end}", [(m.month, getattr(getattr(m, field), end)) for m in months])
        for name, field in (("cloud", "cloud_usd"), ("own", "own_usd"))
        for end in ("low", "high")
    ]
    return standalone(line_chart("Own or rent", "month", "USD spent in all", series))


def interval_chart(title: str, unit: str, bars: Sequence[Bar], chance: float | None = None) -> Markup:
    """One row a value: a dot, its 95 % interval, and a dashed line where chance lies."""
    ends = [end for bar in bars for end in (bar.value, *(bar.interval or ()))] + ([] if chance is None else [chance])
    if not bars:
        return Markup("")
    width, side, row, foot = 720, 80, 30, 44
    left = max(170.0, 20 + 8.3 * max(len(bar.name) for bar in bars))  # of a bold letter's usual width
    height = row * len(bars) + foot
    xs = ticks(min(0.0, *ends), max(ends), 6)

    def along(x: float) -> float:
        return round(left + (x - xs[0]) / (xs[-1] - xs[0] or 1) * (width - left - side), 1)

    parts = [_open(width, height, title)]
    for x in xs:
        parts.append(_line("grid", along(x), 4, along(x), height - foot))
        parts.append(_text(along(x), height - foot + 16, _short(x), "middle"))
    parts.append(_text((left + width - side) / 2, height - 6, unit, "middle", "axis"))
    if chance is not None:
        parts.append(_line("chance", along(chance), 0, along(chance), height - foot))
    for index, bar in enumerate(bars):
        middle = row * index + row / 2 + 2
        kind = "s0" if bar.highlighted else "s1"
        parts.append(_text(left - 12, middle + 4, bar.name, "end", "strong" if bar.highlighted else ""))
        if bar.interval:
            parts.append(_line(f"whisker {kind}", along(bar.interval[0]), middle, along(bar.interval[1]), middle))
        parts.append(Markup('<circle class="dot {}" cx="{}" cy="{}" r="5"/>').format(kind, along(bar.value), middle))
        parts.append(_text(width - side + 14, middle + 4, bar.label, "start"))
    return Markup("").join([*parts, Markup("</svg>")])


def _open(width: int, height: int, title: str) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>').format(
        width, height, title, title
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(kind, x1, y1, x2, y2)


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, text)


def _legend(x: float, name: str, index: int) -> Markup:
    return _line(f"line s{index}", x, 8, x + 22, 8) + _text(x + 28, 12, name, "start")
