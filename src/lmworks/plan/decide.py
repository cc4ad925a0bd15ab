"""Whether to train, what, and where: points from a table (`decide.json`), added up, each shown with its reason.

A ladder leads from prompting to training from scratch. Every need pushes up or down it by some points; their sum
chooses a step; limits (data, money, time, people) cap it. In the table no push and no limit falls as the reason for
training grows, so that at given costs more distance, data or money never leads further towards prompting. The points
are ours: they order, they do not measure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lmworks.plan.facts import Range
from lmworks.recipe.schema import NeedsConfig

TABLE: Mapping[str, Any] = json.loads(Path(__file__).with_name("decide.json").read_text(encoding="utf-8"))

LADDER = tuple(step["name"] for step in TABLE["ladder"])
"""Steps, ordered from no training to the most training."""
HOSTED, MANAGED, CLOUD, OWN = TABLE["places"]
FINE_TUNE = LADDER[2]
BASELINES = ("classify", "extract")
"""Tasks for which a bag of words or a dictionary can be a baseline."""
BASELINE_EXAMPLES = 200
PAIRED = (*BASELINES, "translate", "summarise")
"""Tasks that are learned from examples alone, not from texts."""
LEAST_EXAMPLES = 40
"""Minimum examples to tune on pairs. With fewer, training continues on the texts (`how` in the table)."""


@dataclass(frozen=True)
class Factor:
    """Consideration: its value, the points that it adds to each option, and the reason."""

    name: str
    found: str
    points: Mapping[str, int]
    reason: str


@dataclass(frozen=True)
class Verdict:
    """Decision on what to do, with every reason."""

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
    fits: bool  # whether the low end of what it costs there is within the budget


def architecture_for(needs: NeedsConfig, step: str) -> tuple[str, list[Factor]]:
    """Return the architecture that a step trains or prompts, and why."""
    points, factors = _weigh(TABLE["architectures"], TABLE["architecture"], {**_values(needs), "step": step})
    return max(points, key=lambda option: points[option]), factors


def places_for(needs: NeedsConfig, step: str) -> tuple[list[str], list[Factor]]:
    """Return the places that may see the texts, the best first, and why. A single reason of -9 excludes a place."""
    points, factors = _weigh(list(TABLE["places"]), TABLE["place"], {**_values(needs), "step": step})
    barred = {place for factor in factors for place, push in factor.points.items() if push <= -9}
    return sorted(points.keys() - barred, key=lambda place: (-points[place], [*points].index(place))), factors


def has_baseline(needs: NeedsConfig) -> bool:
    """Return whether a simple method that trains in minutes on an ordinary computer can do the task."""
    return needs.task == "search" or (needs.task in BASELINES and needs.labelled_examples >= BASELINE_EXAMPLES)


def decide(
    needs: NeedsConfig,
    tokens: float,
    usd: Mapping[str, Range],
    places: Mapping[str, str],
    prompting: Range,
    adapting: Range,
    *,
    baseline: float = 0.0,
) -> Verdict:
    """Choose a step, an architecture and a place.

    `tokens` are those of the organisation's texts; `usd` what each step of the ladder costs in the first twelve months
    at its place of `places`, which hangs on the budget; `prompting` and `adapting` what they cost at their cheapest
    places, which does not, so that more money leads to no fewer points; `baseline` what it costs from to do without a
    language model. What has no known price costs infinity.
    """
    values = _values(needs) | {"tokens": tokens}
    factors = [_push(name, levels, values[name]) for name, levels in TABLE["pushes"].items()]
    factors = _learned_from(factors)
    factors.append(_cheaper(prompting, adapting))
    total = sum(factor.points["training"] for factor in factors)
    starts = [step["from_points"] for step in TABLE["ladder"]]
    wanted = max(index for index, start in enumerate(starts) if start is None or total >= start)
    allowed = {name: _allowed(limit, values) for name, limit in TABLE["limits"].items()}
    labels, texts = allowed.pop("labelled examples"), allowed.pop("texts")
    allowed["data"] = max(labels, texts) if labels or needs.task not in PAIRED else 0
    most = min(wanted, *allowed.values())
    at = max(at for at in range(most + 1) if not at or usd[LADDER[at]].low <= needs.budget_usd)
    if LADDER[at] == FINE_TUNE and architecture_for(needs, FINE_TUNE)[0] == "encoder":
        at = 1  # which trains all weights of an encoder already: they are few
    if is_free := at == 0 < most and not has_baseline(needs) and _is_no_dearer(needs, usd, places):
        at = 1
    limits = [Factor(n, f"up to {LADDER[top]}", {"at most": top}, TABLE["reasons"][n]) for n, top in allowed.items()]
    dear = [_dear(name, usd[name].low, needs.budget_usd) for name in LADDER[at + 1 : most + 1]]
    because = dear[-1] if dear else TABLE["reasons"]["money"]
    found, top = (f"up to {LADDER[at]}", at) if dear else ("holds nothing back", len(LADDER) - 1)
    if is_free:
        found, because = "reaches no step", f"{LADDER[1]} costs no more than {LADDER[0]} there"
    limits.append(Factor("money", found, {"at most": top}, because))
    step = LADDER[at]
    architecture, reasons = architecture_for(needs, step)
    plain = step == LADDER[0] and has_baseline(needs)
    place = OWN if plain else places[step]
    values |= {"step": step, "architecture": architecture, "place": place}
    how = next(rule["how"] for rule in TABLE["how"] if _all_hold(rule["when"], values))
    fits = (baseline if plain else usd[step].low) <= needs.budget_usd
    placed = places_for(needs, step)[1]
    return Verdict(step, how, LADDER[wanted], total, factors, limits, architecture, reasons, place, placed, fits)


def _is_no_dearer(needs: NeedsConfig, usd: Mapping[str, Range], places: Mapping[str, str]) -> bool:
    """Whether to adapt the model that would be asked costs no more than to ask it there, and the money reaches neither.

    What is as far as the other gives no reason against it.
    """
    none, adapt, *_ = LADDER
    is_there = places[none] == places[adapt] and usd[adapt].low <= usd[none].low
    return is_there and needs.budget_usd < usd[none].low < math.inf


def _learned_from(factors: Sequence[Factor]) -> list[Factor]:
    """Where there are labelled examples enough to tune on, that texts are few speaks against nothing."""
    labels = next(factor for factor in factors if factor.name == "labelled examples").points["training"]

    def weighed(factor: Factor) -> Factor:
        if factor.name != "tokens" or labels <= 0 or factor.points["training"] >= 0:
            return factor
        return replace(factor, points={"training": 0}, reason="few, and the examples are what is learned from")

    return [weighed(factor) for factor in factors]


def _values(needs: NeedsConfig) -> dict[str, Any]:
    """Return the needs by name, with a number for what is `auto` and hangs on the task."""
    return {**needs.model_dump(), "prompt_tokens": needs.tokens_read, "answer_tokens": needs.tokens_written}


def _push(name: str, levels: Any, value: Any) -> Factor:
    if isinstance(levels, list):
        level = next(level for level in reversed(levels) if value >= level["from"])
        found = f"{value:,.6g}"
    else:
        level = levels[value] if isinstance(value, str) and value in levels else levels["*"]
        found = ", ".join(value) or "none" if isinstance(value, list) else str(value)
    return Factor(name.replace("_", " "), found, {"training": level["points"]}, level["reason"])


def _dear(step: str, usd: float, budget: float) -> str:
    """Why the money, or the prices that are known, do not reach a step."""
    if usd == math.inf:
        return f"{step}: nothing with a known price does it there"
    return f"{step} costs from ${usd:,.0f} there, of ${budget:,.0f}"


def _cheaper(prompt: Range, adapt: Range) -> Factor:
    said = {"prompting": prompt, "adapting": adapt}
    found = ", ".join(
        f"{what} " + ("not known" if usd.low == math.inf else f"${usd.low:,.0f} to {usd.high:,.0f}")
        for what, usd in said.items()
    )
    if math.inf in (prompt.low, adapt.low):
        return Factor("cost", found, {"training": 0}, "which is cheaper is not known at the prices listed")
    points = -3 if prompt.high < adapt.low else 2 if adapt.high < prompt.low else 0
    reason = {-3: "not to train is cheaper", 2: "a model of your own is cheaper", 0: "which is cheaper depends"}[points]
    return Factor("cost", found, {"training": points}, f"{reason} at the prices listed")


def _allowed(limit: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    value = values[limit["need"]]
    if "levels" in limit:
        return int(limit["levels"].get(value, len(LADDER) - 1))
    return sum(value >= start for start in limit["from"])


def _weigh(
    options: Sequence[str], rules: Sequence[Mapping[str, Any]], values: Mapping[str, Any]
) -> tuple[dict[str, int], list[Factor]]:
    """The points of each option, and what gave them."""
    kept = []
    for rule in rules:
        if _all_hold(rule["when"], values):
            found = ", ".join(str(values[name]) for name in rule["when"])
            kept.append(Factor(", ".join(rule["when"]), found, rule["points"], rule["reason"]))
    return {option: sum(factor.points.get(option, 0) for factor in kept) for option in options}, kept


def _all_hold(when: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return all(_holds(values[name], wanted) for name, wanted in when.items())


def _holds(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return value in wanted
    number = len(value) if isinstance(value, list) else value
    return bool(wanted.get("from", number) <= number < wanted.get("below", float("inf")))
