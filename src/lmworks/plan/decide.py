"""Whether to train, what, and where: points from a table (`decide.json`), added up, each shown with its reason.

A ladder leads from prompting to training from scratch. Every need pushes up or down it by some points; their sum
chooses a step; limits (data, money, time, people) cap it. In the table no push and no limit falls as the reason for
training grows, so that at given costs more distance, data or money never leads further towards prompting. The points
are ours: they order, they do not measure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.plan.facts import Range
from lmworks.recipe.schema import NeedsConfig

TABLE: Mapping[str, Any] = json.loads(Path(__file__).with_name("decide.json").read_text(encoding="utf-8"))

LADDER = tuple(step["name"] for step in TABLE["ladder"])
"""From the least training to the most."""


@dataclass(frozen=True)
class Factor:
    """One consideration: what was found, which way it pushes and how far, and why."""

    name: str
    found: str
    points: Mapping[str, int]
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What to do, and every reason."""

    step: str
    how: str
    wanted: str  # the step that the points alone choose, before limits
    points: int
    factors: Sequence[Factor]
    limits: Sequence[Factor]  # each with the highest step that it allows
    architecture: str
    architecture_factors: Sequence[Factor]
    place: str
    place_factors: Sequence[Factor]


def decide(needs: NeedsConfig, tokens: float, usd: Mapping[str, Range]) -> Verdict:
    """Choose a step, an architecture and a place.

    `tokens` are those of the organisation's texts; `usd` what each step of the ladder costs in the first twelve months.
    """
    values = {**needs.model_dump(), "tokens": tokens}
    factors = [_push(name, levels, values[name]) for name, levels in TABLE["pushes"].items()]
    factors.append(_cheaper(usd))
    total = sum(factor.points["training"] for factor in factors)
    starts = [step["from_points"] for step in TABLE["ladder"]]
    wanted = max(index for index, start in enumerate(starts) if start is None or total >= start)
    allowed = {name: _allowed(limit, values) for name, limit in TABLE["limits"].items()}
    allowed["data"] = max(allowed.pop("labelled examples"), allowed.pop("texts"))
    allowed["money"] = max(at for at, name in enumerate(LADDER) if not at or usd[name].low <= needs.budget_usd)
    limits = [Factor(n, f"up to {LADDER[at]}", {"at most": at}, TABLE["reasons"][n]) for n, at in allowed.items()]
    step = LADDER[min(wanted, *allowed.values())]
    values["step"] = step
    architecture, reasons = _weigh(TABLE["architectures"], TABLE["architecture"], values)
    place, places = _weigh(list(TABLE["places"]), TABLE["place"], values)
    how, _ = _weigh([rule["how"] for rule in TABLE["how"]], TABLE["how"], {**values, "place": place})
    return Verdict(step, how, LADDER[wanted], total, factors, limits, architecture, reasons, place, places)


def _push(name: str, levels: Any, value: Any) -> Factor:
    if isinstance(levels, list):
        level = next(level for level in reversed(levels) if value >= level["from"])
        found = f"{value:,.6g}"
    else:
        level = levels.get("*") or levels[value]
        found = ", ".join(value) or "none" if isinstance(value, list) else str(value)
    return Factor(name.replace("_", " "), found, {"training": level["points"]}, level["reason"])


def _cheaper(usd: Mapping[str, Range]) -> Factor:
    prompt, adapt = usd[LADDER[0]], usd[LADDER[1]]
    found = f"prompting ${prompt.low:,.0f} to {prompt.high:,.0f}, adapting ${adapt.low:,.0f} to {adapt.high:,.0f}"
    points = -3 if prompt.high < adapt.low else 2 if adapt.high < prompt.low else 0
    reason = {-3: "not to train is cheaper", 2: "a model of your own is cheaper", 0: "which is cheaper depends"}[points]
    return Factor("cost", found, {"training": points}, f"{reason} at the prices listed")


def _allowed(limit: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    value = values[limit["need"]]
    return int(limit["levels"][value]) if "levels" in limit else sum(value >= start for start in limit["from"])


def _weigh(
    options: Sequence[str], rules: Sequence[Mapping[str, Any]], values: Mapping[str, Any]
) -> tuple[str, list[Factor]]:
    """The option with most points, the first among equals, and what gave them."""
    kept = []
    for rule in rules:
        if all(_holds(values[name], wanted) for name, wanted in rule["when"].items()):
            found = ", ".join(str(values[name]) for name in rule["when"])
            kept.append(Factor(", ".join(rule["when"]), found, rule["points"], rule["reason"]))
    return max(options, key=lambda option: sum(factor.points.get(option, 0) for factor in kept)), kept


def _holds(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return value in wanted
    number = len(value) if isinstance(value, list) else value
    return bool(wanted.get("from", number) <= number < wanted.get("below", float("inf")))
