"""The verdict: every need has its say, and more reason to train never leads away from training."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lmworks.graph import CLASSES
from lmworks.plan.decide import LADDER, TABLE, Verdict, architecture_for, places_for
from lmworks.plan.decide import _all_hold as _holds_all
from lmworks.plan.decide import decide as weigh
from lmworks.plan.facts import Range
from lmworks.recipe.schema import NeedsConfig

USD = {name: Range(1000.0 * (at + 1), 9000.0 * (at + 1)) for at, name in enumerate(LADDER)}
LEVELS = {
    "distance": ["near", "some", "far"],
    "control": ["low", "some", "full"],
    "privacy": ["public", "internal", "confidential", "secret"],
    "expertise": ["none", "some", "team"],
    "update": ["daily", "weekly", "monthly", "quarterly", "yearly"],
    "load": ["spiky", "daily", "steady"],
    "residency": ["anywhere", "region", "on-premise"],
}
"""From the least reason to train to the most."""
TASKS = ["chat", "write", "translate", "summarise", "classify", "extract", "search"]

anyone = some.builds(
    NeedsConfig,
    task=some.sampled_from(TASKS),
    labelled_examples=some.integers(0, 100_000),
    requests_per_second=some.floats(0.001, 100),
    deadline_weeks=some.floats(0.5, 100),
    budget_usd=some.floats(0, 1e6),
    context_tokens=some.integers(8, 100_000),
    **{name: some.sampled_from(levels) for name, levels in LEVELS.items()},
)
tokens_of = some.floats(0, 1e13)


def decide(needs: NeedsConfig, tokens: float, usd: dict[str, Range]) -> Verdict:
    places = {step: places_for(needs, step)[0][0] for step in LADDER}
    return weigh(needs, tokens, usd, places, usd[LADDER[0]], usd[LADDER[1]])


def height(needs: NeedsConfig, tokens: float, usd: dict[str, Range] = USD) -> int:
    return LADDER.index(decide(needs, tokens, usd).step)


@pytest.mark.parametrize("field", sorted(LEVELS))
@given(needs=anyone, tokens=tokens_of)
def test_a_higher_level_never_leads_further_towards_prompting(field: str, needs: NeedsConfig, tokens: float) -> None:
    found = [height(needs.model_copy(update={field: level}), tokens) for level in LEVELS[field]]
    assert found == sorted(found)


@given(needs=anyone, tokens=tokens_of, factor=some.integers(1, 1000))
@pytest.mark.parametrize("field", ["labelled_examples", "budget_usd", "deadline_weeks", "requests_per_second"])
def test_more_data_money_time_or_use_never_leads_further_towards_prompting(
    field: str, needs: NeedsConfig, tokens: float, factor: float
) -> None:
    more = needs.model_copy(update={field: getattr(needs, field) * factor})
    assert height(more, tokens) >= height(needs, tokens)
    assert height(needs, tokens * factor) >= height(needs, tokens)


@given(needs=anyone, tokens=tokens_of)
def test_every_need_is_shown_with_a_reason_and_the_points_add_up(needs: NeedsConfig, tokens: float) -> None:
    verdict = decide(needs, tokens, USD)
    shown = {factor.name.replace(" ", "_") for factor in verdict.factors}
    left = {"users", "prompt_tokens", "answer_tokens", "growth_per_month", "parameters", "budget_usd", "devices"}
    assert shown == set(NeedsConfig.model_fields) - left | {"cost"}
    assert all(factor.reason for factor in (*verdict.factors, *verdict.limits))
    assert verdict.points == sum(factor.points["training"] for factor in verdict.factors)
    assert LADDER.index(verdict.step) <= min(factor.points["at most"] for factor in verdict.limits)
    assert decide(needs, tokens, USD) == verdict


def needs_of(**fields: Any) -> NeedsConfig:
    asked = {"budget_usd": 1e6, "expertise": "team", "deadline_weeks": 52, "requests_per_second": 0.5}
    return NeedsConfig(**asked | fields)


@pytest.mark.parametrize(
    ("step", "tokens", "fields"),
    [
        ("no training", 1e4, {}),
        ("adapt", 2e6, {}),
        ("fine-tune", 2e7, {"labelled_examples": 20_000}),
        ("continue pretraining", 5e8, {"distance": "far", "control": "full"}),
        ("train from scratch", 1e11, {"distance": "far", "control": "full", "privacy": "secret"}),
        ("no training", 1e11, {"distance": "far", "control": "full", "privacy": "secret", "budget_usd": 500}),
    ],
)
def test_each_step_has_somebody_who_is_told_to_take_it(step: str, tokens: float, fields: dict[str, Any]) -> None:
    assert decide(needs_of(**fields), tokens, USD).step == step


def test_not_to_train_is_advised_when_it_is_cheaper_at_any_price() -> None:
    cheap = {**USD, LADDER[0]: Range(1, 2)}
    assert height(needs_of(), 2e6) == 1
    assert height(needs_of(), 2e6, cheap) == 0
    assert "not to train is cheaper" in str(decide(needs_of(), 2e6, cheap).factors[-1].reason)


@pytest.mark.parametrize(
    ("fields", "architecture", "place", "how"),
    [
        (
            {"task": "classify", "labelled_examples": 500, "deadline_weeks": 0.5},
            "decoder",
            "own machines",
            "bag-of-words",
        ),
        (
            {"task": "classify", "labelled_examples": 5000},
            "encoder",
            "cloud machines",
            "sequence-classification, all weights",
        ),
        (
            {"task": "translate", "labelled_examples": 5000, "prompt_tokens": 100},
            "encoder-decoder",
            "cloud machines",
            "",
        ),
        ({"task": "chat", "residency": "on-premise"}, "decoder", "own machines", "causal-lm on your texts, LoRA"),
        (
            {"task": "chat", "residency": "on-premise", "labelled_examples": 300},
            "decoder",
            "own machines",
            "sft, LoRA",
        ),
        ({"labelled_examples": 5000, "expertise": "none", "contracts": ["AWS"]}, "decoder", "managed service", ""),
        (
            {"privacy": "secret", "deadline_weeks": 0.5, "expertise": "none"},
            "decoder",
            "own machines",
            "pretrained, an open model",
        ),
    ],
)
def test_architecture_and_place_follow_from_the_needs(
    fields: dict[str, Any], architecture: str, place: str, how: str
) -> None:
    verdict = decide(needs_of(**fields), 1e6, USD)
    assert (verdict.architecture, verdict.place) == (architecture, place)
    assert how in verdict.how


@pytest.mark.parametrize("step", LADDER)
@pytest.mark.parametrize("task", TASKS[:-1])
def test_what_a_verdict_names_is_an_objective_of_lmworks(step: str, task: str) -> None:
    needs = needs_of(task=task, labelled_examples=5000)
    values = {**needs.model_dump(), "step": step, "place": "cloud machines"}
    values["architecture"] = architecture_for(needs, step)[0]
    how = next(rule["how"] for rule in TABLE["how"] if _holds_all(rule["when"], values))
    known = {*CLASSES.objectives.names()}
    if step == LADDER[0]:
        assert how.split()[0].strip(",") in known
    else:
        assert known & set(re.split(r",? then |, | from ", how)), how


def test_a_sorter_is_trained_of_labels_and_not_of_texts_alone() -> None:
    plenty = {"task": "classify", "distance": "near", "deadline_weeks": 6, "budget_usd": 3000, "expertise": "some"}
    few = {**USD, LADDER[1]: Range(700, 6700), LADDER[2]: Range(700, 6700)}
    assert decide(needs_of(labelled_examples=8000, **plenty), 2e5, few).step == LADDER[1]
    assert decide(needs_of(labelled_examples=50, **plenty), 1e10, few).step == LADDER[0]


def test_who_trains_nothing_and_has_a_contract_is_not_sent_to_machines() -> None:
    alone = needs_of(task="chat", expertise="none", contracts=["Azure"], deadline_weeks=1)
    assert places_for(alone, LADDER[0])[0][0] == "hosted model"
    assert places_for(alone, LADDER[1])[0][0] == "managed service"


def test_search_is_not_told_to_train_what_nothing_trains() -> None:
    rich = needs_of(task="search", labelled_examples=50_000, distance="far", control="full", privacy="secret")
    verdict = decide(rich, 1e11, USD)
    assert verdict.step == LADDER[0] and "no model is trained" in verdict.how


def test_secret_texts_stay_and_confidential_ones_go_to_no_hosted_model_without_a_contract() -> None:
    for step in LADDER:
        assert places_for(needs_of(privacy="secret"), step)[0] == ["own machines"]
    assert "hosted model" not in places_for(needs_of(privacy="confidential"), LADDER[0])[0], "it would be refused"
    assert "hosted model" in places_for(needs_of(privacy="confidential", contracts=["AWS"]), LADDER[0])[0]
    assert places_for(needs_of(residency="on-premise"), LADDER[0])[0] == ["own machines"]


def test_a_step_that_the_money_does_not_reach_gives_way_to_the_next_lower_one() -> None:
    usd = {**USD, LADDER[3]: Range(900_000, 2e6), LADDER[2]: Range(500_000, 2e6)}
    verdict = decide(needs_of(distance="far", control="full", expertise="some", budget_usd=60_000), 5e8, usd)
    assert (verdict.step, verdict.fits) == (LADDER[1], True)
    assert "continue pretraining costs from $900,000 there, of $60,000" in verdict.limits[-1].reason


def test_where_the_money_reaches_not_even_a_prompt_what_costs_no_more_is_not_ruled_out_by_it() -> None:
    needs = needs_of(labelled_examples=3000, budget_usd=500, residency="on-premise")
    verdict = decide(needs, 5e7, {**USD, LADDER[1]: USD[LADDER[0]]})
    assert (verdict.step, verdict.fits) == (LADDER[1], False)
    assert "no more than no training" in verdict.limits[-1].reason
    assert decide(needs, 5e7, USD).step == LADDER[0]


def test_few_texts_speak_against_nothing_where_examples_are_learned_from() -> None:
    few, some = (decide(needs_of(labelled_examples=count), 200_000, USD) for count in (150, 2700))
    (without,), (beside,) = ([f for f in verdict.factors if f.name == "tokens"] for verdict in (few, some))
    assert without.points["training"] == -1 and beside.points["training"] == 0 and "examples" in beside.reason


def test_the_table_names_needs_that_exist() -> None:
    rules = [*TABLE["architecture"], *TABLE["place"], *TABLE["how"]]
    named = {name for rule in rules for name in rule["when"]} | set(TABLE["pushes"])
    assert named - {"step", "place", "architecture"} <= set(NeedsConfig.model_fields)


def test_a_price_that_is_not_known_is_no_reason_for_or_against_training() -> None:
    unknown = Range(float("inf"), float("inf"))
    verdict = decide(needs_of(labelled_examples=3000), 5e7, {**USD, LADDER[1]: unknown})
    assert verdict.factors[-1].points["training"] == 0 and "not known" in verdict.factors[-1].reason
    assert "inf" not in f"{verdict.factors}{verdict.limits}"
    (cost,) = (f for f in decide(needs_of(), 5e7, {**USD, LADDER[0]: unknown}).factors if f.name == "cost")
    assert cost.points["training"] == 0 and "not known" in cost.found


def test_a_step_without_a_price_is_said_to_have_none() -> None:
    unknown = Range(float("inf"), float("inf"))
    money = decide(needs_of(), 2e6, {**USD, LADDER[1]: unknown}).limits[-1]
    assert "adapt: nothing with a known price does it there" in money.reason and "$inf" not in money.reason
