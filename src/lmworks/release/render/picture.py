"""The lineage picture: steps in layers, sources on top, an arrow from each input to what is made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from lmworks.release.render.templates import drawing

WIDTH, HEIGHT, GAP, LAYER = 164, 44, 22, 84
PASSING = 14
"""Width reserved for an arrow that passes through a layer."""


@dataclass(frozen=True)
class Box:
    """One step: its name and a second line about it."""

    name: str
    about: str
    kind: str = ""
    """CSS class."""


Key = tuple[int, str, str]
"""A place in a layer: (layer, name, name of the arrow's target). The target is empty for a box."""


def picture(boxes: Sequence[Box], arrows: Sequence[tuple[str, str]]) -> Markup:
    """Draw boxes, and arrows between named boxes. In `boxes`, inputs come before what is made from them."""
    known = {box.name: box for box in boxes}
    arrows = [(a, b) for a, b in dict.fromkeys(arrows) if a in known and b in known and a != b]
    layers, routes = _layers([box.name for box in boxes], arrows)
    rows = _order(layers, routes)
    places, width = _places(rows)
    height = LAYER * len(rows) - (LAYER - HEIGHT) + 8
    arrows_drawn = [(_path(route, places), route[0][1], route[-1][1]) for route in routes]
    boxes_drawn = [(known[name], *places[(layer, name, "")]) for layer, name, to in places if not to]
    return drawing("lineage", width, height, WIDTH, HEIGHT, arrows_drawn, boxes_drawn)


def _layers(names: Sequence[str], arrows: Sequence[tuple[str, str]]) -> tuple[list[list[Key]], list[list[Key]]]:
    """Put each step one layer below its lowest input. Return the layers, and the places that each arrow passes."""
    layer: dict[str, int] = {}
    for name in names:
        layer[name] = 1 + max((layer.get(a, 0) for a, b in arrows if b == name), default=-1)
    rows: list[list[Key]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for name in names:
        rows[layer[name]].append((layer[name], name, ""))
    routes = []
    for a, b in arrows:
        passing: list[Key] = [(level, a, b) for level in range(layer[a] + 1, layer[b])]
        for key in passing:
            rows[key[0]].append(key)
        routes.append([(layer[a], a, ""), *passing, (layer[b], b, "")])
    return rows, routes


def _order(rows: list[list[Key]], routes: Sequence[Sequence[Key]]) -> list[list[Key]]:
    """Move each place towards the mean of its neighbours, layer by layer, so that few arrows cross (Sugiyama 1981)."""
    near: dict[Key, tuple[list[Key], list[Key]]] = {key: ([], []) for row in rows for key in row}
    for route in routes:
        for above, below in pairwise(route):
            near[below][0].append(above)
            near[above][1].append(below)
    for sweep in range(8):
        side = sweep % 2
        for row in rows[::-1] if side else rows:
            where = _centres(rows)
            row.sort(key=lambda key: _mean([where[other] for other in near[key][side]], where[key]))
    return rows


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _room(key: Key) -> int:
    return PASSING if key[2] else WIDTH


def _centres(rows: Sequence[Sequence[Key]]) -> dict[Key, float]:
    """Return the horizontal middle of each place. Layers are centred on 0."""
    centres = {}
    for row in rows:
        x = -(sum(_room(key) + GAP for key in row) - GAP) / 2
        for key in row:
            centres[key] = x + _room(key) / 2
            x += _room(key) + GAP
    return centres


def _places(rows: Sequence[Sequence[Key]]) -> tuple[Mapping[Key, tuple[float, float]], int]:
    centres = _centres(rows)
    left = min((x - _room(key) / 2 for key, x in centres.items()), default=0) - 4
    right = max((x + _room(key) / 2 for key, x in centres.items()), default=0) + 4
    return {key: (x - left, key[0] * LAYER + 4) for key, x in centres.items()}, round(right - left)


def _path(route: Sequence[Key], places: Mapping[Key, tuple[float, float]]) -> str:
    """Return the SVG path of an arrow."""
    x, y = places[route[0]]
    y += HEIGHT
    path = f"M{x:.0f},{y:.0f}"
    for key in route[1:]:
        to_x, to_y = places[key]
        bend = (to_y - y) / 2
        path += f"C{x:.0f},{y + bend:.0f} {to_x:.0f},{to_y - bend:.0f} {to_x:.0f},{to_y:.0f}"
        x, y = to_x, to_y
        if key[2]:
            y += HEIGHT
            path += f"V{y:.0f}"
    return path
