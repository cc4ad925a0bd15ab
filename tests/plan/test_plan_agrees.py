"""What a plan says in one place holds in its others, and of the facts that it was given."""

from __future__ import annotations

import html
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lmworks.plan.decide import CLOUD, HOSTED, MANAGED, OWN
from lmworks.plan.facts import Facts, load_facts
from lmworks.plan.forecast import Forecast
from lmworks.plan.telling import between, doubts, in_full, in_short
from lmworks.recipe.schema import NeedsConfig
from lmworks.release.render.forecast import forecast_page

FACTS = load_facts()
TODAY = date(2026, 11, 29)
INSIDE: dict[str, Any] = {"task": "write", "labelled_examples": 2000, "tokens": 50_000_000, "residency": "on-premise"}
INSIDE |= {"privacy": "confidential", "budget_usd": 900_000, "region": "FR"}


def told(facts: Facts = FACTS, **fields: Any) -> Forecast:
    return Forecast(NeedsConfig(**fields), 0, facts)


def whole(found: Forecast) -> str:
    """All of the text, and that of the page, on one line."""
    page = html.unescape(re.sub(r"<[^>]+>", " ", forecast_page(found, "n", "r", TODAY, None, 1)))
    return " ".join(f"{in_short(found, 400, 'r', TODAY)} {in_full(found, 400, TODAY)} {page}".split())


def priced(folder: Path, **replacement: Any) -> Facts:
    """The packaged facts with a file of one's own."""
    file = folder / "ours.json"
    file.write_text(json.dumps(replacement))
    return load_facts(file)


def constant(low: float, high: float) -> dict[str, Any]:
    return {"low": low, "high": high, "source": "ours", "date": "2026-11"}


def test_electricity_of_ones_own_bill_is_not_said_to_be_of_the_us(tmp_path: Path) -> None:
    needs = INSIDE | {"privacy": "secret", "users": 300}
    assert "electricity is at prices of the US, not of FR" in whole(told(**needs))
    ours = priced(tmp_path, constants={"usd_per_kwh": constant(0.21, 0.24)})
    assert "prices of the US" not in whole(told(ours, **needs))
    silent = needs | {"region": "US"}
    del silent["region"]
    assert "no `region` is stated: CO2 is counted as in the US" in list(doubts(told(ours, **silent)))


def test_hosted_prices_and_delivery_of_ones_own_are_not_said_to_be_the_lists(tmp_path: Path) -> None:
    needs: dict[str, Any] = {"task": "chat", "contracts": ["OVH"], "users": 20}
    assert "none of OVH" in whole(told(**needs)) and "from the smallest to middle models" in whole(told(**needs))
    usd = {f"{kind}_usd_per_million_tokens": constant(0.3, 0.3) for kind in ("prompt", "answer")}
    found = told(priced(tmp_path, constants=usd), **needs)
    assert found.verdict.place == HOSTED and found.year and "your prices" in found.year.machines
    assert not [said for said in ("none of OVH", "smallest to middle", "small to middle") if said in whole(found)]
    late = INSIDE | {"deadline_weeks": 4}
    assert "servers with H100; desktops" in whole(told(**late))
    assert "servers with H100; desktops" not in whole(
        told(priced(tmp_path, constants={"delivery_weeks": constant(5, 9)}), **late)
    )


@pytest.mark.parametrize(("users", "budget"), [(2000, 3000), (20, 60_000)])
def test_the_table_of_costs_marks_the_row_of_the_verdict(users: int, budget: int) -> None:
    found = told(task="classify", labelled_examples=5000, users=users, budget_usd=budget, privacy="internal")
    is_plain = found.year is found.baseline
    assert is_plain == (budget == 3000) and found.year and found.baseline
    rows = [line.strip() for line in in_full(found, 160, TODAY).splitlines() if " < " in line]
    assert len(rows) == 1 and rows[0].startswith("baseline" if is_plain else found.verdict.step)
    page = forecast_page(found, "n", "r", TODAY, None, 1)
    assert html.escape(rows[0]) in page


SEARCH: dict[str, Any] = {"task": "search", "load": "steady", "growth_per_month": 0.3}


def test_computers_that_search_are_as_many_as_the_requests_and_passages_take() -> None:
    """1.1 ms of a core among 60,000 passages are 6.8 s among 370 million; 800 a second are 14,337 in month 12."""
    found = told(**SEARCH, tokens=10**11, requests_per_second=800, users=20_000, budget_usd=3000)
    assert found.year and found.year is found.baseline and not found.verdict.fits
    low, high = found.computers
    assert low == pytest.approx(800 * 1.3**11 * 1.1e-3 * 10**11 / 270 / 60_000 / 4, rel=0.03) and high > low
    computer = next(each for each in FACTS.purchases if each.device == "cpu-8")
    assert found.year.usd["purchase"].low == pytest.approx((low - 1) * computer.usd.low)
    said = whole(found)
    assert f"{low:,} to {high:,} × cpu-8" in said and "MORE THAN THERE IS" in said and "any computer that" not in said
    unpriced = FACTS.model_copy(update={"purchases": []})
    unknown = told(unpriced, **SEARCH, tokens=10**11, requests_per_second=800)
    assert unknown.computers == found.computers and "no price of cpu-8 is known" in whole(unknown)
    assert "14.3k requests/s" in said and "each computer holds the whole index" in said and "never tried" in said


def test_one_computer_is_enough_for_few_requests_and_a_large_index_is_doubted_all_the_same() -> None:
    small = told(**SEARCH, tokens=10**6, requests_per_second=20, budget_usd=3000)
    assert small.year is small.baseline and small.computers == (1, 1) and small.verdict.fits
    assert "any computer that is there" in whole(small) and "of a core" not in whole(small)
    large = told(**SEARCH, tokens=10**11, requests_per_second=0.001, budget_usd=3000)
    assert large.computers == (1, 1) and "each computer holds the whole index" in whole(large)


@pytest.mark.parametrize("task", ["classify", "extract", "search"])
def test_more_requests_never_make_a_baseline_cheaper(task: str) -> None:
    needs: dict[str, Any] = {"task": task, "labelled_examples": 5000, "tokens": 10**8}
    found = [told(**needs, requests_per_second=rate).baseline for rate in (0.1, 10, 3000, 10_000, 10**6)]
    totals = [each.total for each in found if each]
    assert totals == sorted(totals) and [usd.high for usd in totals] == sorted(usd.high for usd in totals)
    assert totals[0].low == 0 < totals[-1].low


LETTERS: dict[str, Any] = {"task": "write", "distance": "far", "labelled_examples": 2000, "tokens": 50_000_000}
LETTERS |= {"budget_usd": 60_000, "deadline_weeks": 26, "privacy": "confidential", "users": 300}
LETTERS |= {"requests_per_second": 12, "residency": "region", "region": "FR"}
PLACES: dict[str, dict[str, Any]] = {
    CLOUD: {"contracts": ["AWS"], "budget_usd": 200_000},
    MANAGED: {"contracts": ["AWS"], "expertise": "none", "budget_usd": 900_000},
    OWN: {"residency": "on-premise", "budget_usd": 900_000, "load": "steady"},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("use", [{}, {"users": 900, "growth_per_month": 0.3}, {"users": 5, "requests_per_second": 0.1}])
def test_owning_is_set_beside_what_the_table_of_costs_says_of_renting(place: str, use: dict[str, Any]) -> None:
    found = told(**LETTERS | PLACES[place] | use | {"budget_usd": 10**7})
    assert found.verdict.place == place and found.year and found.machine
    year = found.months[11]
    if place != OWN:
        assert year.cloud_usd == pytest.approx(found.year.total)
    assert found.rented and year.cloud_usd == pytest.approx(found.rented.total)
    assert year.own_usd == pytest.approx(found.years[found.compared][OWN].total)
    for end, month in zip(("low", "high"), found.break_even_months, strict=True):
        owned, rented = getattr(year.own_usd, end), getattr(year.cloud_usd, {"low": "high", "high": "low"}[end])
        assert owned < rented or month is None or month > 12
    assert f"{found.rented.place} ({found.rented.machines})" in whole(found)


@pytest.mark.parametrize("place", [CLOUD, MANAGED])
def test_dollars_a_million_tokens_times_the_tokens_are_what_serving_costs(place: str) -> None:
    found = told(**LETTERS | PLACES[place], prompt_tokens=1000, answer_tokens=250)
    assert found.verdict.place == place and found.year and found.service
    each = found.service.usd_per_million_tokens
    hours = found.busy * 730 * sum(1.05**month for month in range(12))
    millions = found.needs.requests * 3600 * hours * found.needs.tokens_written / 1e6
    assert each and each * millions == pytest.approx(found.year.usd["serving"])
    assert f"serving is ${between(each)} for each million written" in whole(found)


def test_machines_of_ones_own_are_told_of_alike_where_nobody_rents_out_such_ones(tmp_path: Path) -> None:
    """Prices of one's own list one device; what is bought is another."""
    rent = {"device": "h100", "provider": "ours", "terms": "contract", "usd_per_hour": [2.1, 2.1], "region": "FR"}
    other, same = ([{**rent, "device": name, "source": "x", "date": "2026"}] for name in ("h100", "a100-80"))
    buy = {"device": "a100-80", "devices": 4, "usd": [60_000, 90_000], "owned": 1, "source": "rack", "date": "2026"}
    needs = LETTERS | PLACES[OWN] | {"deadline_weeks": 4, "users": 3000, "requests_per_second": 120}
    unpriced, with_price = (told(priced(tmp_path, prices=prices, purchases=[buy]), **needs) for prices in (other, same))
    assert unpriced.verdict.place == OWN and unpriced.year and with_price.year
    assert unpriced.year.machines == with_price.year.machines and "a100-80" in unpriced.year.machines
    for found in (unpriced, with_price):
        said = whole(found)
        assert found.is_delivered_first and "delivery of the machines takes" in said and "of delivery" in said
        assert "ON YOUR PREMISES" in said and "OWN OR RENT" in said
        assert found.training and found.training.device == "a100-80" in [each.device for each in found.options]
    assert unpriced.full_in_month == with_price.full_in_month
    assert unpriced.requests_answered == with_price.requests_answered


def test_where_no_price_of_renting_is_known_owning_is_not_set_beside_it(tmp_path: Path) -> None:
    found = told(priced(tmp_path, prices=[]), **LETTERS | PLACES[OWN])
    assert found.verdict.place == OWN and found.machine and found.rented is None
    assert found.break_even_months == (None, None)
    said = whole(found)
    assert "no rented ones, of which no price is known" in said and "Owning is cheaper from" not in said
    assert "never in 36 months" not in said and "own, high" in said and "cloud, high" not in said
    json.dumps(found.as_json(), allow_nan=False)
