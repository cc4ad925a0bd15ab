"""What a plan must say of itself: which model a cost is of, what is tuned on what, what was replaced, what is full."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from lmworks.plan.decide import CLOUD, HOSTED, LADDER, MANAGED, OWN
from lmworks.plan.facts import Terms, load_facts
from lmworks.plan.forecast import Forecast
from lmworks.plan.telling import doubts, in_full, in_short, place_in_words, short
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
    assert "sft" in told(**HOSPITAL, labelled_examples=3000).verdict.how


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
        task="write", budget_usd=10**9, parameters=400_000_000_000, tokens=20 * 10**9, privacy="confidential", **TEAM
    )
    assert found.verdict.step == LADDER[4]
    assert any("tokens a parameter" in doubt for doubt in doubts(found))
    plenty = told(task="write", budget_usd=10**9, tokens=20 * 10**9, privacy="confidential", **TEAM)
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


def test_what_has_no_fast_network_is_not_joined_beyond_one_machine() -> None:
    """8 RTX 4090 on Ethernet would wait for the network most of the time; so would 1,024 L4."""
    for parameters in (8_000_000_000, 400_000_000_000):
        asked = {"task": "write", "tokens": 10**9, "labelled_examples": 20_000, "budget_usd": 10**8, "users": 20}
        found = told(**asked | TEAM | {"deadline_weeks": 4}, parameters=parameters)
        options = [option for run in found.runs.values() for option in found._options(run, Terms())]
        assert parameters < 10**10 or any(option.devices > 8 for option in options), "some are joined"
        for name, devices in ((option.device, option.devices) for option in options):
            device = FACTS.devices[name]
            assert device.joins_machines or devices <= device.devices_per_node, (name, devices)
        years = [year for years in found.years.values() for year in years.values() if year.service]
        assert all(y.service.devices <= FACTS.devices[y.service.device].devices_per_node for y in years if y.service)
    own = told(**HOSPITAL | {"tokens": 10**9, "budget_usd": 3_000_000}, labelled_examples=20_000).years[LADDER[3]][OWN]
    assert "rtx-4090" not in own.machines


def test_a_card_whose_licence_bars_data_centres_is_named_with_that() -> None:
    owned = FACTS.model_copy(update={"purchases": [each for each in FACTS.purchases if each.device == "rtx-4090"]})
    fields = {"task": "write", "labelled_examples": 3000, "residency": "on-premise", "budget_usd": 80_000}
    card = Forecast(NeedsConfig(**fields, parameters=1_000_000_000), 0, owned)
    assert card.year and "rtx-4090" in card.year.machines
    assert any("not licensed for data centres" in doubt for doubt in doubts(card))


def test_what_interruptions_cost_is_in_days_and_dollars_and_the_host_in_energy() -> None:
    found = told(
        task="write", tokens=10**12, budget_usd=10**9, parameters=400_000_000_000, privacy="confidential", **TEAM
    )
    assert found.training and found.lost_hours and found.lost_hours.low > 1
    trained, device = found.training, FACTS.devices[found.training.device]
    work = found.run.flops_with_attention / (device.peak_teraflops or 1) / 1e12 / 3600 / 0.55  # device hours at best
    assert trained.days.low * 24 == pytest.approx(work / trained.devices + found.lost_hours.low, rel=1e-6)
    assert trained.device_hours.low == pytest.approx(trained.days.low * 24 * trained.devices, rel=1e-6)
    price = FACTS.price(trained.device, Terms())
    assert price and trained.usd.low == pytest.approx(price.low * trained.device_hours.low, rel=1e-6)
    assert trained.kwh and device.watts
    host, pue = FACTS.value("host_watts_share").low, FACTS.value("pue").low
    assert trained.kwh.low == pytest.approx(trained.device_hours.low * device.watts / 1e3 * (1 + host) * pue, rel=1e-6)
    assert trained.days.high <= 52 * 7 / 4
    assert "spot machines are taken back more often" in " ".join(in_full(found, 200, TODAY).split())


def test_the_page_leaves_room_for_its_labels_and_its_plots_scroll_on_a_phone() -> None:
    found = told(task="write", labelled_examples=3000, tokens=10**10, budget_usd=60_000, **TEAM)
    page = forecast_page(found, "n", "r", TODAY, None, 1)
    (chart,) = re.findall(r'<svg[^>]*aria-label="Twelve months".*?</svg>', page, re.S)
    width = float(re.findall(r'viewBox="0 0 (\d+)', chart)[0])
    labels = re.findall(r'x="([\d.]+)" y="[\d.]+" text-anchor="start">(from [^<]+)<', chart)
    assert labels and all(float(x) + 7 * len(label) <= width for x, label in labels)
    assert page.count("<svg") == len(re.findall(r'<div class="wide" tabindex="0"><svg', page)) == 4


def test_the_chart_of_costs_draws_what_the_verdict_names() -> None:
    found = told(task="classify", labelled_examples=313, privacy="confidential", budget_usd=500)
    assert found.year is found.baseline
    page = forecast_page(found, "n", "r", TODAY, None, 1)
    (chart,) = re.findall(r'<svg[^>]*aria-label="Twelve months".*?</svg>', page, re.S)
    assert "baseline, own" in chart
    assert "baseline, own" not in forecast_page(told(task="chat"), "n", "r", TODAY, None, 1)


def test_what_lmworks_serve_alone_answers_is_said_beside_a_server_of_many_rows() -> None:
    found = told(task="write", labelled_examples=3000, tokens=10**6, budget_usd=60_000, parameters=1_000_000_000)
    assert found.service and found.alone and found.verdict.place == CLOUD
    assert found.alone.users <= 16 < found.service.users and found.alone.devices == 1
    assert found.alone.requests_per_second < found.service.requests_per_second
    said = " ".join(in_full(found, 120, TODAY).split())
    assert f"`lmworks serve` alone: {found.alone.users} users at once, {found.alone.requests_per_second:.3g}" in said
    large = told(**HOSPITAL | {"budget_usd": 10**7}, labelled_examples=3000, parameters=70_000_000_000)
    assert large.service and large.alone is None
    assert "`lmworks serve` alone: one device does not hold it" in " ".join(in_full(large, 120, TODAY).split())


def test_a_place_that_is_dearer_than_another_is_named_with_a_reason() -> None:
    """Steady, confidential: a machine of one's own is named at several times the price of a rented one."""
    found = told(task="write", labelled_examples=3000, budget_usd=10**6, privacy="confidential", **TEAM)
    years = found.years[found.verdict.step]
    assert found.verdict.place == OWN and years[CLOUD].total.low < years[OWN].total.low / 1.3
    dearer = next(doubt for doubt in doubts(found) if doubt.startswith(f"{CLOUD} would cost from"))
    assert short(years[CLOUD].total.low) in dearer and "confidential texts" in dearer
    cheap = told(task="write", labelled_examples=3000, budget_usd=10**6)
    assert not any("would cost from" in doubt for doubt in doubts(cheap))


def test_more_people_ask_more_where_no_rate_is_stated_and_the_long_page_says_how_often() -> None:
    few, many = (told(task="chat", users=users, budget_usd=20_000) for users in (10, 5000))
    (cheap, dear) = (each.years[LADDER[0]][HOSTED].total.low for each in (few, many))
    assert dear == pytest.approx(500 * cheap)
    assert "250 requests a second at the busiest hour: each of 5,000 users asks every 20 s" in in_full(many, 160, TODAY)
    stated = told(task="chat", users=5000, requests_per_second=0.5, budget_usd=20_000)
    assert stated.years[LADDER[0]][HOSTED].total.low == cheap
    said = in_full(stated, 160, TODAY)
    assert "0.5 requests a second at the busiest hour" in said and "users asks every" not in said


MARKED = {"task": "classify", "privacy": "internal", "labelled_examples": 313, "users": 20, "budget_usd": 20_000}


@pytest.mark.parametrize("place", [{"residency": "region", "region": "BR"}, {"contracts": ["OVH"]}])
def test_a_region_or_contract_without_a_known_price_is_doubted_with_whose_prices_were_taken(
    place: dict[str, Any],
) -> None:
    found, anywhere = told(**MARKED | place), told(**MARKED)
    assert found.verdict.place == CLOUD and found.year and anywhere.year
    assert found.year.total == anywhere.year.total, "no price fits: those of others are taken"
    doubt = next(doubt for doubt in doubts(found) if doubt.startswith("no price"))
    assert {"region": "in region BR", "contracts": "of OVH"}[[*place][-1]] in doubt
    assert "the sum is of Verda;" in doubt, "one plan takes one provider's prices"
    assert not any(doubt.startswith("no price") for doubt in doubts(anywhere))


def test_prices_of_the_region_and_of_those_under_contract_are_taken_first() -> None:
    for more in ({"residency": "region", "region": "FI"}, {"contracts": ["Verda"]}):
        found = Forecast(NeedsConfig(**MARKED | more), 0, FACTS)  # type: ignore[arg-type]
        assert found.year and found.service and found.training and found.verdict.place == CLOUD
        for device, terms in ((found.service.device, "on-demand"), (found.training.device, "spot")):
            prices = [p for p in FACTS.prices if p.device == device and p.provider == "Verda"]
            assert any(price.terms == terms for price in prices)
        assert found.training.device in found.year.machines and not found.year.note
    assert "(Verda)" in place_in_words(found)
    both = told(**MARKED, contracts=["AWS", "OVH"])
    assert both.year and both.year.note.startswith("no price of OVH is known that would do: the sum is of AWS;")
    assert "(AWS):" in place_in_words(both)


@pytest.mark.parametrize("place", [HOSTED, MANAGED])
def test_services_that_no_price_is_known_of_are_doubted_too(place: str) -> None:
    asked = {"task": "chat", "labelled_examples": 5000, "contracts": ["OVH"], "residency": "region", "region": "DE"}
    note = told(**asked, budget_usd=10**6).years[LADDER[0 if place == HOSTED else 1]][place].note
    assert "of OVH in region DE" in note and ("tokenpricing.dev" if place == HOSTED else "AWS") in note


def test_machines_that_are_still_to_be_bought_are_said_to_come_later_than_a_near_deadline() -> None:
    needs = MARKED | {"residency": "on-premise", "privacy": "confidential", "budget_usd": 60_000}
    soon, late = told(**needs, deadline_weeks=1), told(**needs, deadline_weeks=52)
    low, high = FACTS.value("delivery_weeks")
    weeks = f"{low:g}-{high:g} weeks"
    assert soon.verdict.place == late.verdict.place == OWN
    assert next(doubts(soon)).startswith(f"delivery of the machines takes {weeks}, of 1 until it is used")
    assert "within 1 weeks of delivery" in in_short(soon, 120, "r", TODAY)
    assert not any("delivery" in doubt for doubt in doubts(late)) and "delivery" not in in_short(late, 120, "r", TODAY)
    assert f"delivery takes {weeks}" in in_full(late, 160, TODAY)
    there = [each.model_copy(update={"owned": 9}) for each in FACTS.purchases]
    owned = Forecast(NeedsConfig(**needs, deadline_weeks=1), 0, FACTS.model_copy(update={"purchases": there}))  # type: ignore[arg-type]
    assert owned.verdict.place == OWN and not any("delivery" in doubt for doubt in doubts(owned))


def test_an_encoder_is_filled_by_requests_alone_and_a_decoder_by_the_users_that_it_holds() -> None:
    inside = {"residency": "on-premise", "privacy": "confidential", "requests_per_second": 0.5, "prompt_tokens": 45}
    few, many = (told(**MARKED | inside | {"users": users}) for users in (250, 2000))
    assert few.run.shape.architecture == "encoder" and few.year and many.year
    assert many.year.total == few.year.total and many.full_in_month is None
    said = " ".join(in_full(many, 120, TODAY).split())
    assert "users at once" not in said and "requests/s a device" in said
    assert not any("each user" in doubt for doubt in doubts(many))
    faster = told(**MARKED | inside | {"requests_per_second": 7000, "budget_usd": 10**6})
    assert faster.full_in_month is not None
    written = MARKED | inside | {"task": "write", "labelled_examples": 3000, "budget_usd": 10**6}
    held = [told(**written | {"users": users}).years[LADDER[1]][OWN].total.low for users in (250, 2000)]
    assert held[0] < held[1]


@pytest.mark.parametrize("task", ["classify", "write"])
def test_the_page_draws_the_capacity_that_its_text_tells(task: str) -> None:
    needs = {"task": task, "labelled_examples": 3000, "users": 400, "requests_per_second": 2, "budget_usd": 10**6}
    found = told(**needs, privacy="confidential", residency="on-premise", prompt_tokens=45)
    page, said = forecast_page(found, "n", "r", TODAY, None, 1), " ".join(in_full(found, 200, TODAY).split())
    (drawn,) = re.findall(r"capacity of the machines of month 1: ([\d.e+]+)", page)
    (stated,) = re.findall(r"The machines of month 1 answer ([\d.e+]+) requests/s", said)
    (each,) = re.findall(r"([\d.e+]+) requests/s at the slow end", said)
    assert drawn == stated and float(stated) <= found.groups_there * float(each) * 1.01
    assert found.full_in_month is None or float(stated) <= 2 * 1.05 ** (found.full_in_month - 1)


def test_where_no_region_is_stated_it_is_said_whose_electricity_is_counted() -> None:
    silent = "no `region` is stated: electricity and CO2 are counted as in the US"
    assert silent in doubts(told(**MARKED))
    assert not any("no `region`" in doubt for doubt in doubts(told(**MARKED, region="US")))
    italian, czech = (told(**MARKED, region=region).training for region in ("IT", "CZ"))
    assert italian and czech and italian.kg_co2 and czech.kg_co2 and italian.kg_co2.high < czech.kg_co2.high
