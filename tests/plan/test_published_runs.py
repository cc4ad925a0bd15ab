"""The planner's counts beside what published runs report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lmworks.plan.costs import device_hours, energy_kwh
from lmworks.plan.count import SHAPES
from lmworks.plan.facts import Range, load_facts

RUNS = json.loads((Path(__file__).parents[2] / "benchmarks/plan/published.json").read_text())
FACTS = load_facts()
BY_NAME = {shape.name: shape for shape in SHAPES}


@pytest.mark.parametrize(
    ("name", "tokens", "reported"),
    [("GPT-3-175B", 300e9, 3.14e23), ("LLaMA-7B", 1.0e12, 4.02e22), ("BLOOM-176B", 366e9, 3.87e23)],
)
def test_operations_of_published_runs(name: str, tokens: float, reported: float) -> None:
    assert BY_NAME[name].training_flops(tokens) == pytest.approx(reported, rel=0.015)


def test_attention_adds_what_the_note_on_gpt3_says() -> None:
    assert BY_NAME["GPT-3-175B"].training_flops(300e9, 2048) == pytest.approx(3.23e23, rel=0.015)


@pytest.mark.parametrize(
    ("hours", "watts", "pue", "kg_per_kwh", "mwh", "tonnes"),
    [(82_432, 400, 1.1, 0.385, 36, 14), (1_082_990, 400, 1.0, 0.057, 433, 24.7)],
    ids=["LLaMA-7B", "BLOOM"],
)
def test_energy_and_emissions_of_published_runs(
    hours: float, watts: float, pue: float, kg_per_kwh: float, mwh: float, tonnes: float
) -> None:
    kwh = energy_kwh(Range(hours, hours), watts, Range(pue, pue))
    assert kwh.low / 1e3 == pytest.approx(mwh, rel=0.015)
    assert kwh.low * kg_per_kwh / 1e3 == pytest.approx(tonnes, rel=0.015)


@pytest.mark.parametrize("run", RUNS, ids=[run["run"] for run in RUNS])
def test_device_hours_of_published_runs(run: dict[str, float | str]) -> None:
    flops = run.get("logged_flops") or 6 * float(run["parameters"]) * float(run["tokens"])
    low, high = device_hours(float(flops), FACTS.devices[str(run["device"])])
    assert high / low <= 2
    assert (low <= float(run["device_hours"]) <= high) == ("outlier" not in run)


def test_eleven_runs_are_inside_and_one_is_the_negative_control() -> None:
    assert [run["run"] for run in RUNS if "outlier" in run] == ["Llama-3.1-8B"]
    assert len(RUNS) == 12
