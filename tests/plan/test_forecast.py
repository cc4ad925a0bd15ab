"""`lmworks plan` where a recipe states needs."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from e2e.small_recipe import lmworks, make_project
from lmworks.errors import UsageError
from lmworks.plan.decide import LADDER, TABLE
from lmworks.plan.facts import load_facts
from lmworks.plan.forecast import Forecast
from lmworks.recipe.schema import NeedsConfig

FACTS = load_facts()
RICH = {"distance": "far", "control": "full", "privacy": "secret", "expertise": "team", "deadline_weeks": 52}


@pytest.mark.parametrize("width", [80, 120])
@settings(max_examples=40)
@given(
    task=some.sampled_from(["chat", "translate", "classify"]),
    tokens=some.floats(0, 1e13),
    money=some.floats(0, 1e9),
    labels=some.integers(0, 10**6),
    rate=some.floats(0.001, 1000),
)
def test_whatever_is_needed_is_told_within_the_terminal(
    width: int, task: str, tokens: float, money: float, labels: int, rate: float
) -> None:
    needs = NeedsConfig(task=task, budget_usd=money, labelled_examples=labels, requests_per_second=rate, **RICH)
    found = Forecast(needs, tokens, FACTS)
    lines = found.as_text(width).splitlines()
    assert lines[0].startswith(f"VERDICT  {found.verdict.step}; ")
    assert max(map(len, lines)) <= width
    assert all(option.usd.low <= option.usd.high and option.days.high > 0 for option in found.options)
    json.dumps(found.as_json(), allow_nan=False)


def test_from_scratch_the_size_follows_from_the_tokens_and_the_money() -> None:
    rich = Forecast(NeedsConfig(budget_usd=1e8, tokens=160_000_000_000, **RICH), 0, FACTS)
    assert (rich.verdict.step, rich.run.shape.name) == (LADDER[4], "Llama-3.1-8B")
    assert rich.run.tokens == pytest.approx(20 * rich.run.parameters, rel=0.01)
    huge = {"tokens": 8_000_000_000_000, **RICH}
    richest, rich = (Forecast(NeedsConfig(budget_usd=usd, **huge), 0, FACTS) for usd in (1e9, 1e7))
    assert richest.verdict.step == rich.verdict.step == LADDER[4]
    assert rich.run.parameters < richest.run.parameters == pytest.approx(400e9, rel=0.05)
    stated = Forecast(NeedsConfig(budget_usd=1e9, parameters=8_000_000_000, **huge), 0, FACTS).run
    assert stated.tokens == 20 * stated.parameters


def test_the_deadline_decides_how_many_devices_and_the_grid_how_much_carbon() -> None:
    needs = NeedsConfig(budget_usd=1e8, tokens=160_000_000_000, **RICH)
    slow, fast = (Forecast(needs.model_copy(update={"deadline_weeks": weeks}), 0, FACTS) for weeks in (100, 26))
    for a, b in zip(slow.options, fast.options, strict=True):
        assert a.devices <= b.devices and a.device_hours == b.device_hours
        assert b.days.high <= 26 * 7 / 4
    swedish = Forecast(needs.model_copy(update={"region": "SE"}), 0, FACTS).options[0].kg_co2
    american = Forecast(needs, 0, FACTS).options[0].kg_co2
    assert swedish and american and math.isclose(swedish.low / american.low, 0.041 / 0.369)
    with pytest.raises(UsageError, match="no grid 'XX'; known: US"):
        Forecast(needs.model_copy(update={"region": "XX"}), 0, FACTS)


def test_where_hosted_models_are_out_of_the_question_prompting_costs_machines() -> None:
    hosted = Forecast(NeedsConfig(), 1e6, FACTS).usd_by_step["no training"]
    inside = Forecast(NeedsConfig(residency="on-premise"), 1e6, FACTS).usd_by_step
    assert inside["no training"].low > hosted.low
    assert inside["no training"].low <= inside["adapt"].low


def test_plan_shows_the_verdict_before_the_build_and_draws_owning_against_renting(tmp_path: Path) -> None:
    make_project(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    assert "VERDICT" not in lmworks(tmp_path, "plan", "recipe.yaml").stdout
    assert "no section `needs`" in lmworks(tmp_path, "plan", "recipe.yaml", "--picture", "x.svg", code=2).stderr
    recipe.write_text(recipe.read_text() + "needs: {users: 300, requests_per_second: 40, load: steady}\n")
    said = lmworks(tmp_path, "plan", "recipe.yaml", "--picture", "x.svg").stdout
    assert said.index("VERDICT") < said.index("plan ")
    for part in ("COST", "TRAINING", "SERVING", "OWN OR RENT", "rule of 16 GB", "MFU 0.55"):
        assert part in said
    root = xml.etree.ElementTree.parse(tmp_path / "x.svg").getroot()
    assert len([part for part in root.iter() if part.tag.endswith("polyline")]) == 4
    told = json.loads(lmworks(tmp_path, "plan", "recipe.yaml", "--json").stdout)["forecast"]
    assert told["needs"]["users"] == 300 and told["facts"]["prices"] and told["facts"]["formulas"]
    assert told["tokens"] > 0 and told["verdict"]["factors"]
    recipe.write_text(recipe.read_text().replace("steady", "steadily"))
    assert "recipe.yaml:" in lmworks(tmp_path, "plan", "recipe.yaml", code=2).stderr


def test_without_prices_nothing_is_costed_and_that_is_said() -> None:
    found = Forecast(NeedsConfig(tokens=10**11, budget_usd=1e9, **RICH), 0, FACTS.model_copy(update={"prices": []}))
    assert not found.options and not found.service and not found.months
    assert found.verdict.step == LADDER[0]
    said = found.as_text(80)
    assert "no source" in said and "OWN OR RENT" not in said and "<0.001" not in said
    json.dumps(found.as_json(), allow_nan=False)


def test_the_page_says_of_every_option_who_chooses_it_and_why() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plan.md").read_text()
    chosen = [each["who"] for each in (*TABLE["ladder"], *FACTS.services)]
    for who in (*chosen, *TABLE["places"].values(), *(device.who for device in FACTS.devices.values())):
        assert f"| {who} |" in page


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_a_table_that_is_wider_than_the_terminal_goes_on_below_with_its_rows_named(width: int) -> None:
    needs = NeedsConfig(task="chat", tokens=10**10, budget_usd=1e6, requests_per_second=1, **RICH)
    found = Forecast(needs, 0, FACTS)
    lines = found.as_text(width).splitlines()
    names = [option.device for option in found.options]
    (head,) = (number for number, line in enumerate(lines) if line.endswith("kg CO2"))
    for line, name in zip(lines[head + 1 :], names, strict=False):
        assert line.startswith(f"  {name} ") and len(line) == len(lines[head]) <= width
