"""Paired tests between all that was scored on one task, and what they say in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from lmworks.errors import LmworksError
from lmworks.evaluate.items import METRICS, Evaluation, Item, Metric
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import canonical_json, write_atomically
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import Reference, StepConfig

if TYPE_CHECKING:
    from lmworks.evaluate.statistics import Comparison

Condition = Literal["context_length", "stride", "prompt_digest", "data_type", "device"]
CONDITIONS: tuple[Condition, ...] = ("context_length", "stride", "prompt_digest", "data_type", "device")
"""Must agree between two models; a baseline has none of them."""
LARGEST_LOSS = 0.02
"""Of a share that a base gets right, which tuning may cost: more is said first."""
LEVEL = 0.05
"""A difference is said to be one where the p-value, adjusted for the number of pairs, is below this."""


class CompareConfig(StepConfig):
    """Which evaluations of one task are compared; made by the graph."""

    evaluations: list[Reference] = Field(min_length=1, description="All on the same questions or documents.")
    labels: list[str] = Field(min_length=1, description="What each evaluation is called, in the same order.")
    baselines: list[str] = Field(default=[], description="Labels of what is no model; their winning is said first.")
    may_differ: list[Condition] = Field(default=[], description="Conditions whose effect is what is being compared.")
    bases: dict[str, str] = Field(
        default={}, description="Tuned model -> its base, where what the base can do is not to be lost."
    )


class System(NamedTuple):
    """One evaluation under its label."""

    label: str
    is_baseline: bool
    figure: Figure
    items: list[Item]


@stage(version=1)
def compare(config: CompareConfig, evaluations: list[Evaluation], out: Path, context: Context) -> Result:
    """Test every pair but two baselines on the items that they share, and write `comparison.json`.

    Pairs measured under different conditions are refused. p-values are adjusted for the number of pairs.
    """
    from lmworks.evaluate.statistics import holm

    systems = [
        System(label, label in config.baselines, evaluation.figures()[0], evaluation.items())
        for label, evaluation in zip(config.labels, evaluations, strict=True)
    ]
    metric = METRICS[systems[0].figure.name]
    tested: list[tuple[System, System, Comparison]] = []
    refused: list[str] = []
    for a, b in combinations(sorted(systems, key=lambda system: _rank(metric, system)), 2):
        if a.is_baseline and b.is_baseline:
            continue
        if because := _differences(a, b, config.may_differ):
            refused.append(f"{a.label} and {b.label} are not compared: {because}")
        elif a.items and b.items:
            _check_same_items(a, b)
            tested.append((a, b, metric.compare(a.items, b.items)))
    adjusted = holm([outcome.p for _, _, outcome in tested])
    lost, kept = _retention(metric, config.bases, [(a, b) for a, b, _ in tested])
    verdicts = lost + kept + _verdicts(metric, systems, tested, adjusted) + refused
    pairs: list[dict[str, Any]] = [
        {"a": a.label, "b": b.label, **asdict(outcome), "p_holm": p}
        for (a, b, outcome), p in zip(tested, adjusted, strict=True)
    ]
    record = {"metric": metric.name, "pairs": pairs, "refused": refused, "verdicts": verdicts}
    if config.bases:
        record["lost"] = lost
    write_atomically(out / "comparison.json", canonical_json(record) + "\n")
    return Result(figures=[_figure(metric, *test, p) for test, p in zip(tested, adjusted, strict=True)])


def _rank(metric: Metric, system: System) -> float:
    """Least for the best."""
    return -system.figure.value if metric.higher_is_better else system.figure.value


def _differences(a: System, b: System, may_differ: Sequence[Condition]) -> str:
    """Why two figures may not be compared, in words; empty when they may."""
    if a.figure.name != b.figure.name or a.figure.unit != b.figure.unit:
        return f"one is {a.figure.name}, the other {b.figure.name}"
    both = [(name, getattr(a.figure, name), getattr(b.figure, name)) for name in CONDITIONS if name not in may_differ]
    return "; ".join(
        f"{name.replace('_', ' ')} is {first} in one, {second} in the other"
        for name, first, second in both
        if first != second and first is not None and second is not None
    )


def _check_same_items(a: System, b: System) -> None:
    ours, theirs = ({item["id"] for item in system.items} for system in (a, b))
    if [item["id"] for item in a.items] != [item["id"] for item in b.items]:
        raise LmworksError(
            f"{a.label} and {b.label} were scored on different items ({len(ours & theirs)} of {len(ours | theirs)} in "
            "common): a paired test needs the same; evaluate both with equal data, limit and seed"
        )


def _figure(metric: Metric, a: System, b: System, outcome: Comparison, p: float) -> Figure:
    return Figure(
        name=f"{metric.name}: {a.label} - {b.label}",
        value=outcome.difference,
        n=outcome.n,
        method=f"paired bootstrap of {outcome.clusters} clusters, two-sided p {outcome.p:.4f}, by Holm {p:.4f}; "
        f"a true difference of {outcome.minimum_detectable:.4f} is found in 80 % of cases",
        unit=metric.unit,
        interval=outcome.interval,
    )


def _retention(
    metric: Metric, bases: Mapping[str, str], tested: Sequence[tuple[System, System]]
) -> tuple[list[str], list[str]]:
    """A line for each tuned model that is tested against its base: first of those that may have lost too much."""
    lost, kept = [], []
    for pair in tested:
        for tuned, base in (pair, pair[::-1]):
            if bases.get(tuned.label) != base.label:
                continue
            outcome = metric.compare(tuned.items, base.items)
            low, high = outcome.interval or (-math.inf, math.inf)
            found = f"{outcome.difference:+.3f} {metric.label} [{low:+.3f}, {high:+.3f}], n={outcome.n}"
            points = f"{100 * LARGEST_LOSS:.0f} points"
            if low < -LARGEST_LOSS:
                lost.append(f"{tuned.label} may have lost more than {points} of what {base.label} can: {found}")
            else:
                kept.append(f"{tuned.label} keeps what {base.label} can, to within {points}: {found}")
    return lost, kept


def _verdicts(
    metric: Metric,
    systems: Sequence[System],
    tested: Sequence[tuple[System, System, Comparison]],
    adjusted: Sequence[float],
) -> list[str]:
    """One line a pair, models among themselves first; before them all, whether a baseline is best."""
    lines = []
    best = min(systems, key=lambda system: _rank(metric, system))
    models = [system for system in systems if not system.is_baseline]
    if best.is_baseline and models:
        first = min(models, key=lambda system: _rank(metric, system))
        doubtful = any((a, b) == (best, first) and p >= LEVEL for (a, b, _), p in zip(tested, adjusted, strict=True))
        lines.append(
            f"{best.label} {'is ahead, but within doubt' if doubtful else 'wins'}: {best.figure.value:.3f} "
            f"{metric.label}, the best model, {first.label}, has {first.figure.value:.3f}"
            + ("" if best.items else f" (no test: {best.figure.method})")
        )
    tests = sorted(
        zip(tested, adjusted, strict=True), key=lambda test: test[0][0].is_baseline or test[0][1].is_baseline
    )
    return lines + [_sentence(metric, a, b, outcome, p) for (a, b, outcome), p in tests]


def _sentence(metric: Metric, a: System, b: System, outcome: Comparison, p: float) -> str:
    interval = " [{:+.3f}, {:+.3f}]".format(*outcome.interval) if outcome.interval else ""
    chance = "p<0.001" if p < 0.001 else f"adjusted p={p:.2g}"
    found = f"{outcome.difference:+.3f} {metric.label}{interval}, n={outcome.n}, {chance}"
    if p < LEVEL:
        return f"{a.label} beats {b.label}: {found}"
    return (
        f"{a.label} and {b.label} cannot be told apart: {found}; "
        f"a true difference of {outcome.minimum_detectable:.3f} would show in 4 of 5 cases"
    )
