"""Checkpoints, serving, and owning against renting, against figures worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lmworks.errors import UsageError
from lmworks.plan.costs import Month, Serving, break_even, checkpoint_hours, device_hours, months, rented, servings
from lmworks.plan.count import SHAPES, PublishedShape
from lmworks.plan.facts import Facts, Range, Terms, load_facts
from lmworks.recipe.schema import NeedsConfig

FACTS = load_facts()
LISTED = FACTS.price("h100", Terms(spot=False)) or Range(0, 0)


def serving(
    shape: PublishedShape, name: str, needs: NeedsConfig, facts: Facts, price: Range, most: int = 8
) -> Serving | None:
    """Of the smallest group."""
    return next(servings(shape, name, needs, facts, price, most), None)


NODE = next(each for each in FACTS.purchases if each.devices == 8)
LLAMA = next(shape for shape in SHAPES if shape.name == "Llama-3.1-8B")


def test_the_checkpoint_interval_is_youngs_and_the_best() -> None:
    run = Range(1000, 1000)
    every, lost = checkpoint_hours(405e9, run, 16_384, FACTS)
    write = 14 * 405 / 10 / 3600  # hours at 10 GB/s
    between = 54 * 24 / 419  # Llama 3's own clock time between interruptions
    assert every.low == pytest.approx((2 * write * between) ** 0.5, rel=1e-3)
    for other in (0.8 * every.low, 1.25 * every.low):
        assert lost.low < 1000 * (write / other + (other / 2 + 0.1) / between)
    assert checkpoint_hours(405e9, run, 64, FACTS)[1].high < lost.low


def test_serving_is_bound_by_memory_and_by_bandwidth() -> None:
    found = serving(LLAMA, "h100", NeedsConfig(context_tokens=8192), FACTS, LISTED)
    assert found and found.devices == 1
    room = 0.9 * 80e9 - 2 * 8_030_261_248 - 2**30
    assert found.users == int(room // 2**30)  # a context of 8,192 takes 1 GiB
    assert found.stream_tokens_per_second.high / 0.9 == pytest.approx(3350e9 / (16.06e9 + 2**29), rel=1e-3)
    assert found.usd_per_hour == Range(1.99, 12.29)  # no spot for what must not stop
    small = serving(SHAPES[0], "h100", NeedsConfig(context_tokens=64), FACTS, LISTED)
    assert small and small.users == 256  # rows that a server computes at once
    big = next(shape for shape in SHAPES if shape.name == "Llama-3.1-405B")
    assert serving(big, "a100-40", NeedsConfig(), FACTS, LISTED) is None


@given(users=some.integers(1, 5000), rate=some.floats(0.01, 500), factor=some.integers(1, 10))
def test_more_users_or_requests_never_need_fewer_machines(users: int, rate: float, factor: int) -> None:
    few = serving(LLAMA, "h100", NeedsConfig(users=users, requests_per_second=rate), FACTS, LISTED)
    many = serving(LLAMA, "h100", NeedsConfig(users=users * factor, requests_per_second=rate * factor), FACTS, LISTED)
    assert few and many and many.groups >= few.groups
    assert users <= few.groups * few.users


def test_what_writes_slower_than_people_read_does_not_answer() -> None:
    assert serving(LLAMA, "cpu-8", NeedsConfig(), FACTS, LISTED) is None
    small = next(shape for shape in SHAPES if shape.name == "SmolLM2-135M")
    assert serving(small, "cpu-8", NeedsConfig(), FACTS, LISTED)


def served(load: float) -> Serving:
    found = serving(LLAMA, "h100", NeedsConfig(), FACTS, LISTED)
    assert found and found.devices == 1
    return replace(found, load=load, groups=ceil(load))


def beside_renting(service: Serving, needs: NeedsConfig) -> list[Month]:
    """36 months of nodes of one's own beside rented devices at 1.99 to 5 dollars an hour."""
    service = replace(service, usd_per_hour=Range(1.99, 5.0) * service.groups)
    cloud = [rented(Range(0, 0), service, needs, FACTS, count, is_managed=False) for count in range(1, 37)]
    return months(service, 0, needs, NODE, FACTS, 1, [sum(usd.values(), Range(0, 0)) for usd in cloud])


def test_nodes_are_bought_as_the_load_grows_and_busy_machines_pay_back() -> None:
    needs = NeedsConfig(growth_per_month=0.05)
    busy = beside_renting(served(8), needs)
    assert busy[0].cloud_usd and busy[0].cloud_usd.high == pytest.approx(5.0 * 8 * 730 * 1.5)
    assert [busy[at].machines for at in (0, 1, 11, 35)] == [1, 2, 2, 2]
    spent = [busy[at].cloud_usd or Range(0, 0) for at in (11, 12, 34, 35)]
    level = ceil(8 * 1.05**12) * 730 * 5.0 * 1.5
    assert [spent[1].high - spent[0].high, spent[3].high - spent[2].high] == [pytest.approx(level)] * 2
    best, worst = break_even(busy)
    assert best and (worst is None or best < worst)
    before, after = busy[best - 2], busy[best - 1]
    assert before.cloud_usd and before.own_usd.low >= before.cloud_usd.high
    assert after.cloud_usd and after.own_usd.low < after.cloud_usd.high
    steady = NeedsConfig(growth_per_month=0)
    assert break_even(beside_renting(served(1), steady)) == (None, None)  # one of eight is busy


def test_a_machine_that_is_hardly_busy_is_not_bought_twice_for_growth() -> None:
    desk = next(each for each in FACTS.purchases if each.device == "cpu-8")
    year = months(served(0.1), 10, NeedsConfig(growth_per_month=0.05), desk, FACTS)
    assert year[-1].machines == 1
    assert year[-1].own_usd.low == sum(usd.low for usd in year[-1].own.values())


def test_a_machine_that_is_owned_costs_its_power_alone() -> None:
    desk = next(each for each in FACTS.purchases if each.device == "cpu-8").model_copy(update={"owned": 1})
    spent = months(served(0.1), 10, NeedsConfig(growth_per_month=0), desk, FACTS)[-1].own
    assert [part for part, usd in spent.items() if usd.high] == ["power and cooling"]


def test_a_device_that_trains_nothing_is_not_costed() -> None:
    with pytest.raises(ValueError, match="trains nothing"):
        device_hours(1e20, FACTS.devices["fpga-u280"])


def test_every_fact_has_a_source_and_a_date() -> None:
    facts = [*FACTS.devices.values(), *FACTS.prices, *FACTS.purchases, *FACTS.grid.values(), *FACTS.constants.values()]
    assert all(fact.source and fact.date[:2] == "20" for fact in facts)
    assert all(service.source and service.who for service in FACTS.services)
    assert {device.kind for device in FACTS.devices.values()} == {
        "gpu",
        "tpu",
        "processor",
        "fpga",
        "in-memory",
        "accelerator",
    }
    assert all(device.who and device.maturity for device in FACTS.devices.values())


def test_what_lmworks_trains_on_is_what_torch_finds_as_a_processor_cuda_or_rocm() -> None:
    runs = {name for name, device in FACTS.devices.items() if device.lmworks != "no"}
    assert {"cpu-8", "l4", "rtx-4090", "l40s", "h100", "mi300x", "mi355x", "b300", "gb200"} <= runs
    others = ("v100", "h100-fp8", "tpu-v7", "trainium", "trainium-2", "gaudi-2", "gaudi-3", "fpga-u280", "pim-transpim")
    assert not runs & set(others)
    assert "float16" in FACTS.devices["v100"].mfu_source and FACTS.devices["v100"].mfu is None
    for name in others:
        assert serving(SHAPES[0], name, NeedsConfig(), FACTS, LISTED) is None


@pytest.mark.parametrize("name", ["cpu-8", "l4", "rtx-4090", "l40s", "mi300x", "b300", "h100", "a100-80"])
def test_what_small_and_large_models_run_on_has_a_price(name: str) -> None:
    assert FACTS.price(name, Terms(spot=False))


def test_a_contract_names_a_cloud_and_its_prices() -> None:
    assert FACTS.clouds_of(["Microsoft Azure"]) == ["Azure"]
    assert FACTS.providers_of(["OVH", "gcp"]) == ["OVH", "Google Cloud"]
    assert FACTS.clouds_of(["GCP", "amazon"]) == ["AWS", "Google Cloud"]
    azure, anyone = FACTS.price("h100", Terms(["Azure"], spot=False)), FACTS.price("h100", Terms(spot=False))
    assert azure and anyone and azure.low > anyone.low and FACTS.price("l4", Terms(["Azure"], spot=False)) is None


@pytest.mark.parametrize(("read", "old"), [("2026", False), ("2025-12", False), ("2025-10", True), ("2024", True)])
def test_a_fact_of_more_than_a_year_ago_is_old(read: str, old: bool) -> None:
    assert FACTS.prices[0].model_copy(update={"date": read}).is_old(date(2026, 11, 29)) is old


def test_a_file_replaces_prices_and_single_constants(tmp_path: Path) -> None:
    price = {
        "device": "h100",
        "provider": "ours",
        "terms": "contract",
        "usd_per_hour": [2, 2],
        "source": "x",
        "date": "2027",
    }
    one = {"low": 0.3, "high": 0.3, "source": "our meter", "date": "2027"}
    file = tmp_path / "ours.json"
    file.write_text(json.dumps({"prices": [price], "constants": {"usd_per_kwh": one}, "grid": {"FI": one}}))
    facts = load_facts(file)
    assert facts.price("h100", Terms()) == Range(2, 2) and facts.price("a100-80", Terms()) is None
    assert facts.value("usd_per_kwh") == Range(0.3, 0.3) and facts.value("pue") == FACTS.value("pue")
    assert facts.grid["FI"].low == 0.3 and facts.grid["SE"] == FACTS.grid["SE"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "expected JSON"),
        ("[1]", "expected JSON"),
        ('{"prices": [{"device": "h100"}]}', "prices.0.provider"),
        ('{"constants": {"pue": {"low": "x", "high": 1, "source": "", "date": ""}}}', "constants.pue.low"),
        (
            '{"prices": [{"device": "h1000", "provider": "", "terms": "", "usd_per_hour": [1, 1], "source": "", '
            '"date": "2027"}]}',
            "no device 'h1000'; known: cpu-8",
        ),
    ],
)
def test_a_wrong_file_is_answered_with_its_name_and_field(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "ours.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"ours\.json") as raised:
        load_facts(file)
    assert message in str(raised.value)
