"""Machines that are there already: never dearer than to buy them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lmworks.errors import UsageError
from lmworks.plan.decide import CLOUD, LADDER, OWN
from lmworks.plan.facts import Facts, Purchase, load_facts
from lmworks.plan.forecast import Forecast
from lmworks.plan.telling import doubts
from lmworks.recipe.schema import NeedsConfig

FACTS = load_facts()
INSIDE = {"task": "write", "residency": "on-premise", "labelled_examples": 3000, "tokens": 10**6, "budget_usd": 10**6}


def there(device: str, devices: int, owned: int, usd: float = 30_000) -> Facts:
    """The packaged facts with machines that are there beside those to buy."""
    mine = Purchase(device=device, devices=devices, usd=(usd, usd), owned=owned, source="our rack", date="2026")
    return FACTS.model_copy(update={"purchases": [*FACTS.purchases, mine]})


def own(facts: Facts, **fields: Any) -> float:
    return Forecast(NeedsConfig(**INSIDE | fields), 0, facts).years[LADDER[1]][OWN].total.low


@settings(max_examples=15, deadline=None)
@given(
    device=some.sampled_from(["a100-80", "l40s", "h100", "rtx-4090", "cpu-8"]),
    devices=some.integers(1, 8),
    owned=some.integers(0, 5),
    users=some.integers(1, 2000),
)
def test_what_is_owned_never_makes_it_dearer(device: str, devices: int, owned: int, users: int) -> None:
    assert own(there(device, devices, owned + 1), users=users) <= own(there(device, devices, owned), users=users)
    assert own(there(device, devices, owned), users=users) <= own(FACTS, users=users)


def test_three_cards_in_one_machine_that_is_there_cost_less_than_a_card_that_is_bought() -> None:
    year = Forecast(NeedsConfig(**INSIDE), 0, there("a100-80", 3, 1)).years[LADDER[1]][OWN]
    assert year.machines == "1 machine of 3 × a100-80" and year.usd["purchase"].high == 0
    assert year.total.low < own(FACTS)


def test_only_as_many_machines_as_are_there_are_free() -> None:
    only = there("a100-80", 1, 2).model_copy(
        update={"purchases": [Purchase(device="a100-80", devices=1, usd=(1e4, 1e4), owned=2, source="x", date="2026")]}
    )
    fields = INSIDE | {"users": 2000, "growth_per_month": 0.0}
    year = Forecast(NeedsConfig(**fields), 0, only).years[LADDER[1]][OWN]
    number = int(year.machines.split()[0])
    assert number > 2 and year.usd["purchase"].low == 1e4 * (number - 2)


def test_one_card_that_is_stated_is_enough_for_nothing_but_its_power() -> None:
    needs = NeedsConfig(task="chat", labelled_examples=300, budget_usd=0, users=1, devices={"rtx-4090": 1})
    found = Forecast(needs, 10**6, FACTS)
    assert (found.verdict.step, found.verdict.place) == ("adapt", OWN) and found.year and found.verdict.fits
    assert [part for part, usd in found.year.usd.items() if usd.high] == ["power and cooling"]
    without = Forecast(needs.model_copy(update={"devices": {}}), 10**6, FACTS)
    assert not without.verdict.fits and "name devices that you have (`devices`)" in next(doubts(without))
    with pytest.raises(UsageError, match="no device 'rtx-4091'; known: cpu-8"):
        Forecast(needs.model_copy(update={"devices": {"rtx-4091": 1}}), 10**6, FACTS)


@pytest.mark.parametrize("contracts", [[], ["Azure"], ["AWS", "Azure"]])
@pytest.mark.parametrize("task", ["classify", "chat"])
def test_machines_that_train_and_answer_are_of_one_provider(task: str, contracts: list[str]) -> None:
    needs = NeedsConfig(task=task, labelled_examples=3000, budget_usd=10**6, contracts=contracts)
    for years in Forecast(needs, 10**6, FACTS).years.values():
        for year in years.values():
            assert len(year.terms.providers) <= 1 and (year.place != CLOUD or year.terms.providers)
            assert not contracts or not year.terms.providers or year.terms.providers[0] in contracts
