"""`lmworks plan` where a recipe states needs."""

from __future__ import annotations

import html
import json
import math
import sys
import xml.etree.ElementTree
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from e2e.small_recipe import lmworks, make_project
from lmworks.errors import GateRefused, UsageError
from lmworks.plan.count import SHAPES, as_config, smallest_layout
from lmworks.plan.decide import LADDER, TABLE
from lmworks.plan.facts import load_facts
from lmworks.plan.forecast import Forecast
from lmworks.plan.telling import in_full, in_short
from lmworks.recipe.schema import NeedsConfig
from lmworks.train.memory import Layout, require_fit

sys.path.append(str(Path(__file__).parents[2] / "benchmarks/plan"))  # after tests, which have a `published`, too
from use_cases import CASES, disagreements

FACTS = load_facts()
TODAY = date(2026, 11, 29)
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
    lines = in_short(found, width, "recipe.yaml", TODAY).splitlines()
    assert lines[0].startswith(f"VERDICT  {found.verdict.step}: ") and len(lines) <= 10
    assert max(map(len, [*lines, *in_full(found, width, TODAY).splitlines()])) <= width
    assert all(option.usd.low <= option.usd.high and option.days.high > 0 for option in found.options)
    assert not list(disagreements(found))
    json.dumps(found.as_json(), allow_nan=False)


@settings(max_examples=15)
@given(
    task=some.sampled_from(["chat", "summarise", "classify"]),
    residency=some.sampled_from(["anywhere", "on-premise"]),
    contracts=some.sampled_from([[], ["Azure"]]),
    tokens=some.floats(1e5, 1e12),
    labels=some.sampled_from([0, 300, 10_000]),
)
def test_more_money_never_leads_further_towards_prompting_whatever_place_it_reaches(
    task: str, residency: str, contracts: list[str], tokens: float, labels: int
) -> None:
    asked = {"task": task, "residency": residency, "contracts": contracts, "labelled_examples": labels}
    needs = NeedsConfig(distance="far", control="full", expertise="team", deadline_weeks=52, **asked)
    budgets = (500, 5000, 30_000, 100_000, 10**7)
    steps = [Forecast(needs.model_copy(update={"budget_usd": usd}), tokens, FACTS).verdict.step for usd in budgets]
    assert steps == sorted(steps, key=LADDER.index)


@pytest.mark.parametrize("residency", ["anywhere", "on-premise"])
@pytest.mark.parametrize("usd", [0, 500, 5000, 13_000, 20_000, 60_000])
def test_what_the_money_reaches_is_never_called_out_of_its_reach(usd: int, residency: str) -> None:
    asked = {"task": "classify", "privacy": "confidential", "residency": residency, "users": 20}
    for labels in (313, 2000):
        found = Forecast(NeedsConfig(**asked, labelled_examples=labels, budget_usd=usd), 35_000, FACTS)
        (money,) = (limit for limit in found.verdict.limits if limit.name == "money")
        assert found.verdict.fits and found.year and found.year.total.low <= usd
        assert money.found != "reaches no step"


def test_stricter_privacy_sends_no_text_further_away() -> None:
    nearest = ["own machines", "cloud machines", "managed service", "hosted model"]
    for more in ({"load": "spiky", "expertise": "none", "deadline_weeks": 2}, {"labelled_examples": 3000}, {}):
        asked = {"task": "classify", "labelled_examples": 313, **more}
        found = {
            privacy: Forecast(NeedsConfig(privacy=privacy, **asked), 3e8, FACTS).verdict.place
            for privacy in ("confidential", "secret")
        }
        assert nearest.index(found["secret"]) <= nearest.index(found["confidential"])
        assert found["secret"] == "own machines"


def test_from_scratch_the_size_follows_from_the_tokens_and_the_money() -> None:
    rich = Forecast(NeedsConfig(budget_usd=1e8, tokens=160_000_000_000, **RICH), 0, FACTS)
    assert (rich.verdict.step, rich.run.shape.name) == (LADDER[4], "Llama-3.1-8B")
    assert rich.run.tokens == pytest.approx(20 * rich.run.parameters, rel=0.01)
    huge = {"tokens": 8_000_000_000_000, **RICH, "privacy": "confidential"}
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
    hosted = Forecast(NeedsConfig(), 1e6, FACTS).years["no training"]["hosted model"].total
    inside = Forecast(NeedsConfig(residency="on-premise"), 1e6, FACTS).years
    assert set(inside["no training"]) == {"own machines"}
    assert inside["no training"]["own machines"].total.low > hosted.low
    assert inside["no training"]["own machines"].total.low <= inside["adapt"]["own machines"].total.low


BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_verdict_and_its_own_tables_agree(name: str) -> None:
    assert not list(disagreements(Forecast(NeedsConfig(**BY_NAME[name].needs), 0, FACTS)))


@pytest.mark.parametrize(
    "name",
    ["50,000 labelled tickets, $10k", "letters of a clinic, secret, on-premise, $60k", "search over API documentation"],
)
def test_the_verdict_is_one_that_an_expert_would_defend(name: str) -> None:
    case = BY_NAME[name]
    found = Forecast(NeedsConfig(**case.needs), 0, FACTS)
    assert found.verdict.step in case.steps and found.verdict.place in case.places
    assert found.verdict.architecture in case.architectures
    assert found.year and found.year.total.low <= case.needs["budget_usd"]


def test_owning_is_costed_with_the_machines_that_are_bought() -> None:
    secret = {"privacy": "secret", "residency": "on-premise", "distance": "far", "control": "full"}
    for dollars in (15_000, 60_000, 400_000, 3_000_000):
        needs = NeedsConfig(budget_usd=dollars, tokens=10**9, deadline_weeks=26, expertise="team", **secret)
        found = Forecast(needs, 0, FACTS)
        assert found.verdict.place == "own machines" and found.year
        assert "purchase" in found.year.usd and "staff" not in found.year.usd, "staff is told beside all rows"
        assert found.verdict.fits == (found.year.total.low <= dollars)
        if not found.verdict.fits:
            assert "MORE THAN THERE IS" in in_short(found, 80, "r", TODAY)


def test_a_contract_with_a_cloud_names_its_service_and_prices() -> None:
    needs = {"labelled_examples": 5000, "expertise": "none", "budget_usd": 100_000, "control": "full"}
    for contract, service in (("Azure", "Azure Machine Learning"), ("GCP", "Google Vertex AI"), ("AWS", "SageMaker")):
        found = Forecast(NeedsConfig(contracts=[contract], **needs), 2e6, FACTS)
        assert service in in_short(found, 80, "r", TODAY) if found.verdict.place == "managed service" else found.year
        assert found.clouds


def test_a_cost_that_rests_on_an_old_fact_is_marked() -> None:
    found = Forecast(NeedsConfig(**BY_NAME["letters of a clinic, secret, on-premise, $60k"].needs), 0, FACTS)
    assert "* for twelve months" in in_short(found, 80, "r", TODAY), "what electricity costs was read in 2025"
    assert "* for twelve months" not in in_short(found, 80, "r", date(2023, 1, 1))


def test_a_tuned_encoder_is_served_on_processors_at_their_price() -> None:
    found = Forecast(NeedsConfig(**BY_NAME["50,000 labelled tickets, $10k"].needs), 0, FACTS)
    assert found.service and found.service.device == "cpu-8"
    assert found.year and found.year.total.high < 10_000


def test_an_adapter_is_planned_only_where_a_build_would_not_refuse_its_memory() -> None:
    needs = NeedsConfig(labelled_examples=2000, budget_usd=1e6, contracts=["AWS"])
    found = Forecast(needs, 2e6, FACTS)
    assert found.costed == "adapt" and found.run.shape.name == "Llama-3.1-8B"
    for option in found.options:
        memory = (FACTS.devices[option.device].memory_gigabytes or 0) * 1e9
        asked = found.needs.context_tokens, found.run.lora_rank, "nf4" if "nf4" in option.layout else None
        config = as_config(Layout(recompute=True, apart=True), *asked)
        require_fit("sft", found.run.shape.config, config, found.run.shape.config.vocab_size, memory, apart=True)
    small = {name for name, device in FACTS.devices.items() if 0 < (device.memory_gigabytes or 0) < 16}
    assert not small & {option.device for option in found.options}
    layouts = {option.device: option.layout for option in found.options}
    assert "nf4" in layouts["l4"] and "nf4" not in layouts["a100-40"], "16 bits do not fit in 24 GB"


@pytest.mark.parametrize(
    "name", ["SmolLM2-135M", "TinyLlama-1.1B", "Llama-3.1-8B", "GPT-3-175B", "BERT-large", "T5-small"]
)
@pytest.mark.parametrize("gigabytes", [24, 80, 180])
def test_the_build_trains_in_every_layout_that_the_planner_advises(name: str, gigabytes: int) -> None:
    shape = next(each for each in SHAPES if each.name == name)
    layout = smallest_layout(shape, gigabytes * 1e9, 2048)
    if layout is None:
        assert shape.parameters > 8e9 and gigabytes < 100, "embeddings are whole in each process"
        return
    config = as_config(layout, 2048)
    assert Layout.of(config, apart=True) == layout
    trained, vocab_size = shape.trained_as, shape.config.vocab_size
    held = require_fit("whole", trained, config, vocab_size, gigabytes * 1e9, apart=True)
    assert sum(held.values()) <= 0.9 * gigabytes * 1e9
    if layout.devices > 1:
        with pytest.raises(GateRefused, match="micro_batch_rows 1 takes"):
            fewer = config.model_copy(update={"processes": 1, "tensor_parallel": 1})
            require_fit("whole", trained, fewer, vocab_size, 0.9 * gigabytes * 1e9, apart=True)


@pytest.mark.slow
def test_plan_shows_the_verdict_before_the_build_and_draws_owning_against_renting(tmp_path: Path) -> None:
    make_project(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    assert "VERDICT" not in lmworks(tmp_path, "plan", "recipe.yaml").stdout
    assert "need a section `needs`" in lmworks(tmp_path, "plan", "recipe.yaml", "--picture", "x.svg", code=2).stderr
    recipe.write_text(
        recipe.read_text()
        + "needs: {users: 300, requests_per_second: 40, load: steady, labelled_examples: 2000, budget_usd: 9e6}\n"
    )
    brief = lmworks(tmp_path, "plan", "recipe.yaml").stdout
    assert brief.index("VERDICT") < brief.index("\nplan ") and "COST" not in brief
    heads = [line[:9].strip() for line in brief.split("\n\n")[0].splitlines()]
    assert [head for head in heads if head] == ["VERDICT", "because", "place", "size", "cost", "time", "doubt", "next"]
    drawn = ("--picture", "x.svg", "--page", "x.html")
    said = lmworks(tmp_path, "plan", "recipe.yaml", "--all", *drawn).stdout
    page = (tmp_path / "x.html").read_text()
    assert page.count("<svg") == 4 and not [tag for tag in ("<script", "<link", "<img") if tag in page]
    for part in (brief.splitlines()[0][9:].removesuffix(" …"), "OWN OR RENT", "requests per second", "date of price"):
        assert html.escape(part) in page
    for part in (
        "WHY",
        "COST",
        "DEVICES",
        "More than a year old",
        "TRAINING",
        "SERVING",
        "OWN OR RENT",
        "rule of 16 GB",
        "MFU 0.55",
    ):
        assert part in said
    root = xml.etree.ElementTree.parse(tmp_path / "x.svg").getroot()
    assert len([part for part in root.iter() if part.tag.endswith("polyline")]) == 4
    told = json.loads(lmworks(tmp_path, "plan", "recipe.yaml", "--json").stdout)["forecast"]
    assert told["needs"]["users"] == 300 and told["facts"]["prices"] and told["facts"]["formulas"]
    assert told["tokens"] > 0 and told["verdict"]["factors"]
    recipe.write_text(recipe.read_text().replace("steady", "steadily"))
    assert "recipe.yaml:" in lmworks(tmp_path, "plan", "recipe.yaml", code=2).stderr


def test_without_prices_nothing_is_costed_and_that_is_said() -> None:
    found = Forecast(
        NeedsConfig(tokens=10**11, budget_usd=1e9, **RICH), 0, FACTS.model_copy(update={"prices": [], "purchases": []})
    )
    assert not found.options and not found.service and not found.months
    assert found.verdict.step == LADDER[0]
    said = in_short(found, 80, "recipe.yaml", TODAY) + in_full(found, 80, TODAY)
    assert "no source" in said and "OWN OR RENT" not in said and "<0.001" not in said
    json.dumps(found.as_json(), allow_nan=False)


def test_the_pages_say_of_every_option_who_chooses_it_and_why() -> None:
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "plan-tables.md").read_text() + (docs / "devices.md").read_text()
    chosen = [each["who"] for each in TABLE["ladder"]] + [each.who for each in FACTS.services]
    for who in (*chosen, *TABLE["places"].values(), *(device.who for device in FACTS.devices.values())):
        assert f"| {who} |" in page


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_a_table_that_is_wider_than_the_terminal_goes_on_below_with_its_rows_named(width: int) -> None:
    needs = NeedsConfig(task="chat", tokens=10**10, budget_usd=1e6, requests_per_second=1, **RICH)
    found = Forecast(needs, 0, FACTS)
    lines = in_full(found, width, TODAY).splitlines()
    names = [option.device for option in found.options]
    (head,) = (number for number, line in enumerate(lines) if line.endswith("kg CO2*"))
    for line, name in zip(lines[head + 1 :], names, strict=False):
        assert line.startswith(f"  {name} ") and len(line) == len(lines[head]) <= width


@pytest.mark.parametrize(
    ("task", "examples"), [("classify", 5_000), ("extract", 500), ("translate", 5_000), ("chat", 500)]
)
def test_adapters_are_advised_for_decoders_alone_which_alone_take_them(task: str, examples: int) -> None:
    asked = {"privacy": "confidential", "distance": "near", "prompt_tokens": 1000, "answer_tokens": 250}
    needs = NeedsConfig(task=task, labelled_examples=examples, budget_usd=1e5, **asked)
    found = Forecast(needs, 10**6, FACTS)
    decoder = found.verdict.architecture == "decoder"
    assert found.costed == "adapt" or not decoder
    assert ("LoRA" in found.verdict.how) == decoder
    assert (found.run.lora_rank > 0) == decoder
