"""What a plan must say of itself: which model a cost is of, what is tuned on what, what was replaced, what is full."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from lmworks.plan.decide import CLOUD, LADDER, OWN
from lmworks.plan.facts import load_facts
from lmworks.plan.forecast import Forecast
from lmworks.plan.telling import doubts, in_full, short
from lmworks.recipe.schema import NeedsConfig
from lmworks.release.render.forecast import forecast_page

FACTS = load_facts()
TODAY = date(2026, 11, 29)
TEAM = {"distance": "far", "expertise": "team", "control": "full", "load": "steady", "deadline_weeks": 52}
HOSPITAL = {"task": "write", "distance": "far", "privacy": "secret", "residency": "on-premise", "budget_usd": 200_000}
HOSPITAL |= {"expertise": "team", "control": "full", "deadline_weeks": 26, "tokens": 50_000_000}


def told(**fields: Any) -> Forecast:
    return Forecast(NeedsConfig(**fields), 0, FACTS)


def test_each_row_of_costs_names_the_model_that_it_is_of() -> None:
    found = told(task="write", labelled_examples=3000, tokens=10**10, budget_usd=60_000, **TEAM)
    assert found.runs[LADDER[0]].shape.name != found.runs[LADDER[4]].shape.name
    said, page = in_full(found, 160, TODAY), forecast_page(found, "n", "r", TODAY, None, 1)
    for step, run in found.runs.items():
        (row,) = (line for line in said.splitlines() if line.strip().startswith(f"{step}, {short(run.parameters)}"))
        assert "-" in row
        assert any(f"{step} {short(run.parameters)}, {place.split()[0]}" in page for place in found.years[step])
    assert "not of one model" in said


@pytest.mark.parametrize("examples", [0, 20])
def test_without_examples_texts_are_gone_on_with_and_nothing_is_tuned_on_pairs(examples: int) -> None:
    found = told(**HOSPITAL, labelled_examples=examples)
    assert found.verdict.step != LADDER[0] and found.verdict.how.startswith("causal-lm")
    assert "sft" not in found.verdict.how and found.run.tokens > 10**6
    assert told(**HOSPITAL, labelled_examples=3000).verdict.how.endswith(
        ("sft, all weights of an open model", "then sft")
    )


@pytest.mark.parametrize("task", ["translate", "summarise", "classify", "extract"])
def test_what_is_learned_from_pairs_is_not_trained_without_them(task: str) -> None:
    assert told(**HOSPITAL | {"task": task}, labelled_examples=0).verdict.step == LADDER[0]


@pytest.mark.parametrize("asked", [10**6, 10**12])
def test_a_size_that_no_published_shape_has_is_said_to_be_replaced(asked: int) -> None:
    found = told(task="write", labelled_examples=3000, budget_usd=10**9, parameters=asked, tokens=10**9, **TEAM)
    counted = f"{short(asked)} parameters were asked for; {short(found.run.parameters)} are counted"
    assert counted in " ".join(in_full(found, 100, TODAY).split())
    assert any(counted in doubt for doubt in doubts(found))
    exact = told(task="write", labelled_examples=3000, budget_usd=10**9, parameters=8_000_000_000, tokens=10**9, **TEAM)
    assert "were asked for" not in in_full(exact, 100, TODAY)


def test_too_few_tokens_for_a_size_that_is_asked_for_are_doubted() -> None:
    found = told(
        task="write", budget_usd=10**9, parameters=400_000_000_000, tokens=20 * 10**9, privacy="secret", **TEAM
    )
    assert found.verdict.step == LADDER[4]
    assert any("tokens a parameter" in doubt for doubt in doubts(found))
    plenty = told(task="write", budget_usd=10**9, tokens=20 * 10**9, privacy="secret", **TEAM)
    assert not any("tokens a parameter" in doubt for doubt in doubts(plenty))


def test_machines_that_are_bought_to_train_are_said_to_answer_too() -> None:
    found = told(**HOSPITAL | {"budget_usd": 3_000_000, "tokens": 10**9}, labelled_examples=20_000, users=200)
    assert found.verdict.place == OWN and found.service and found.machine and found.months
    first = found.months[0].machines * (found.machine.devices // found.service.devices)
    assert found.groups_there == first
    more = [month.month for month in found.months if month.machines > found.months[0].machines]
    assert found.full_in_month == (more[0] if more else None)
    if first > found.service.groups:
        assert f"of {first} that the machines bought hold" in in_full(found, 120, TODAY)


def test_own_machines_that_answer_unasked_are_those_of_the_verdict() -> None:
    found = told(task="chat", privacy="secret", residency="on-premise", budget_usd=10**6, update="daily", control="low")
    assert (found.verdict.step, found.verdict.place) == (LADDER[0], OWN) and found.year and found.machine
    size = found.machine.devices
    named = f"{found.months[11].machines} machine{'s' * (found.months[11].machines > 1)} of "
    assert found.year.machines == named + (f"{size} × " if size > 1 else "") + found.machine.device
