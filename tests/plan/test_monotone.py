"""More of what is needed is never cheaper, and what is named is never dearer without a reason, over random needs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lmworks.plan.costs import Year
from lmworks.plan.decide import CLOUD, HOSTED, LADDER, MANAGED, OWN
from lmworks.plan.facts import Facts, load_facts
from lmworks.plan.forecast import Forecast
from lmworks.plan.telling import doubts, short
from lmworks.recipe.schema import NeedsConfig

FACTS = load_facts()
GREW = 1e-9
"""Of a sum: rounding."""

anything = some.fixed_dictionaries(
    {
        "task": some.sampled_from(["chat", "write", "translate", "summarise", "classify", "extract", "search"]),
        "distance": some.sampled_from(["near", "some", "far"]),
        "privacy": some.sampled_from(["public", "confidential", "secret"]),
        "residency": some.sampled_from(["anywhere", "on-premise"]),
        "control": some.sampled_from(["some", "full"]),
        "expertise": some.sampled_from(["none", "some", "team"]),
        "load": some.sampled_from(["steady", "daily", "spiky"]),
        "contracts": some.sampled_from([[], ["AWS"], ["Azure"]]),
        "parameters": some.sampled_from(["auto", 135_000_000, 8_000_000_000, 70_000_000_000, 400_000_000_000]),
        "tokens": some.sampled_from([0, 10**5, 10**8, 10**10, 10**12]),
        "labelled_examples": some.sampled_from([0, 300, 3000, 20_000]),
        "budget_usd": some.sampled_from([0, 1000, 4000, 4500, 8000, 20_000, 60_000, 500_000, 5_000_000]),
        "deadline_weeks": some.sampled_from([1, 4, 12, 26, 52]),
        "users": some.integers(1, 3000),
        "requests_per_second": some.floats(0.001, 50),
        "context_tokens": some.integers(512, 40_000),
        "growth_per_month": some.sampled_from([0.0, 0.05, 0.3]),
    }
)


def told(fields: dict[str, Any], facts: Facts = FACTS) -> Forecast:
    return Forecast(NeedsConfig(**fields), 0, facts)


def costs_of(found: Forecast) -> dict[tuple[str, str], tuple[float, str]]:
    """What each step costs at each place, and the reason where others' prices than those under contract are taken."""
    years = [(step, place, year) for step, years in found.years.items() for place, year in years.items()]
    return {(step, place): (year.total.low, year.note) for step, place, year in years}


@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("field", ["users", "requests_per_second", "context_tokens", "growth_per_month"])
@given(fields=anything, factor=some.sampled_from([1.1, 2, 7]))
@pytest.mark.slow
def test_more_use_is_never_cheaper_for_the_same_step_and_place(
    field: str, fields: dict[str, Any], factor: float
) -> None:
    more = fields | {field: type(fields[field])(fields[field] * factor + (field == "users"))}
    less_used, more_used = told(fields), told(more)
    few, many = costs_of(less_used), costs_of(more_used)
    for at, (usd, note) in many.items():
        if less_used.runs[at[0]].shape != more_used.runs[at[0]].shape:  # at many a second an encoder takes over
            continue
        assert at in few and (few[at][0] <= usd * (1 + GREW) or note != few[at][1]), (at, few.get(at), usd)


def least_dear_end(year: Year) -> float:
    """Of the machines that are named, and of those that would cost less at the dear end."""
    return (year.surer or year).total.high


@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("field", ["users", "requests_per_second"])
@given(fields=anything, factor=some.sampled_from([1.1, 3]))
def test_the_least_dear_end_of_machines_never_falls_with_use(field: str, fields: dict[str, Any], factor: float) -> None:
    more = fields | {field: type(fields[field])(fields[field] * factor + (field == "users"))}
    less_used, more_used = told(fields), told(more)
    for step, years in more_used.years.items():
        for place, year in years.items():
            before = less_used.years[step].get(place)
            if less_used.runs[step].shape != more_used.runs[step].shape or not before or before.note != year.note:
                continue
            assert least_dear_end(before) <= least_dear_end(year) * (1 + GREW), (step, place)


def test_machines_that_cost_much_less_at_the_dear_end_are_named() -> None:
    """One H100 has the least cheap end, six cheaper cards the least dear one."""
    needs = {"task": "write", "users": 100, "prompt_tokens": 200, "answer_tokens": 50, "context_tokens": 512}
    needs |= {"labelled_examples": 100, "budget_usd": 500_000, "deadline_weeks": 52, "residency": "on-premise"}
    needs |= {"privacy": "confidential", "load": "spiky", "tokens": 10**6}
    few, many = (told(needs | {"requests_per_second": rate}) for rate in (15, 45))
    assert many.year and many.year.surer and many.year.total.high > many.year.surer.total.high
    said = next(doubt for doubt in doubts(many) if doubt.startswith("machines are taken by the cheap end"))
    assert many.year.surer.machines in said and "less at the dear end" in said
    assert many.year.total.low <= many.year.surer.total.low
    assert not any(doubt.startswith("machines are taken") for doubt in doubts(few))


@settings(max_examples=15, deadline=None)
@given(fields=anything)
def test_where_the_money_reaches_no_place_the_cheapest_is_named(fields: dict[str, Any]) -> None:
    found = told(fields)
    if found.year is None or found.year is found.baseline or found.verdict.fits:
        return
    assert found.year.total.low == min(year.total.low for year in found.years[found.verdict.step].values())


@settings(max_examples=10, deadline=None)
@given(fields=anything)
@pytest.mark.slow
def test_more_money_never_leads_further_towards_prompting(fields: dict[str, Any]) -> None:
    budgets = (0, 1500, 4000, 4500, 8000, 15_000, 30_000, 100_000, 10**6, 10**7)
    steps = [told(fields | {"budget_usd": usd}).verdict.step for usd in budgets]
    assert steps == sorted(steps, key=LADDER.index)


def test_a_larger_group_of_devices_answers_where_it_is_cheaper() -> None:
    """Two H100 hold one context of a 70B model; eight hold hundreds."""
    needs = {"task": "write", "distance": "far", "parameters": 70_000_000_000, "tokens": 10**9, "users": 50}
    needs |= {"labelled_examples": 20_000, "expertise": "team", "control": "full", "load": "steady"}
    needs |= {"requests_per_second": 1, "privacy": "confidential", "residency": "on-premise", "deadline_weeks": 40}
    by_context = [
        told(needs | {"budget_usd": 500_000, "context_tokens": context}).years[LADDER[0]][OWN]
        for context in (2048, 2200, 2400)
    ]
    assert all(year.total.low < 300_000 and year.machines == "1 machine of 8 × h100" for year in by_context)


def test_the_cheapest_place_is_named_where_nothing_fits() -> None:
    needs = {"task": "write", "distance": "far", "labelled_examples": 3000, "tokens": 10**10, "expertise": "team"}
    needs |= {"control": "full", "load": "steady", "deadline_weeks": 52, "users": 50, "requests_per_second": 3}
    needs |= {"prompt_tokens": 1000, "answer_tokens": 250}
    found = told(needs | {"budget_usd": 3000})
    assert not found.verdict.fits and found.verdict.place == HOSTED
    least = found.years[LADDER[4]]["cloud machines"].total.low
    assert least < found.years[LADDER[0]][HOSTED].total.low
    assert f"least costs {LADDER[4]} (" in next(doubts(found)) and f"from ${short(least)}" in next(doubts(found))


def test_one_user_does_not_cost_more_than_two() -> None:
    needs = {"task": "write", "distance": "far", "requests_per_second": 0.001, "context_tokens": 32_768}
    needs |= {"contracts": ["AWS"], "growth_per_month": 0.3, "tokens": 10**8, "labelled_examples": 100}
    needs |= {"control": "full", "expertise": "none", "budget_usd": 100_000}
    one, two = (costs_of(told(needs | {"users": users})) for users in (1, 2))
    assert all(one[at][0] <= two[at][0] for at in two)


@settings(max_examples=40, deadline=None)
@given(fields=anything)
def test_what_is_named_is_the_cheapest_or_the_plan_says_why_it_is_not(fields: dict[str, Any]) -> None:
    found = told(fields)
    if found.year is None or found.year is found.baseline or not found.verdict.fits:
        return
    least = min(year.total.low for year in found.years[found.verdict.step].values())
    said = [doubt for doubt in doubts(found) if "would cost from" in doubt]
    assert bool(said) == (found.year.total.low > 1.25 * least)
    assert not said or said[0].split(" it is for: ")[1]


def test_of_places_that_are_equally_good_the_cheapest_is_named() -> None:
    """Managed and rented machines with equal points."""
    needs = {"task": "write", "labelled_examples": 3000, "budget_usd": 10**6, "contracts": ["AWS"], "control": "full"}
    found = told(needs)
    points = {
        place: sum(each.points.get(place, 0) for each in found.verdict.place_factors) for place in (CLOUD, MANAGED)
    }
    years = found.years[found.verdict.step]
    assert points[CLOUD] == points[MANAGED] and years[CLOUD].total.low < years[MANAGED].total.low
    assert found.verdict.place == CLOUD
