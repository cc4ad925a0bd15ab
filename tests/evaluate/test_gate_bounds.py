"""A gate is passed by the worse end of an interval that holds, and by nothing less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lmworks.evaluate.gates import FILE, GatesConfig, TriedGate, gates, outcomes_from, refusal
from lmworks.evaluate.items import ACCURACY, Evaluation, Item, beside_clean
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.work.chunks import read_records, write_records
from lmworks.recipe.schema import GateConfig
from support import make_context

CONDITIONS = Conditions(items="these", model="a" * 64, prompt="chat", data_type="float32", device="cpu")


def evaluation(
    folder: Path, right: int, n: int = 400, clusters: int = 400, known: int = 0, **changed: Any
) -> Evaluation:
    items: list[Item] = [
        {
            "id": str(k),
            "digest": str(k),
            "cluster": str(k % clusters),
            "score": float(k < right),
            "contamination": "known" if k < known else "clean",
        }
        for k in range(n)
    ]
    folder.mkdir()
    write_records(folder / "items.jsonl", items)
    conditions = Conditions(**{**CONDITIONS.as_json(), **changed})
    figure = beside_clean(items, lambda some: ACCURACY.figure(some, "counted", conditions=conditions))
    (folder / "figures.json").write_text(json.dumps([figure.as_json()]))
    return Evaluation(folder, folder.name)


def tried(folder: Path, *evaluations: Evaluation, **gate: Any) -> tuple[bool, str]:
    asked = GateConfig.model_validate({"task": "sums", **gate})
    config = GatesConfig(
        evaluations=["a", "b"][: len(evaluations)],
        tried=[TriedGate(gate=asked, model="ours", evaluation=0, beside=1 if len(evaluations) > 1 else None)],
    )
    gates(config, list(evaluations), out=folder / "out", context=make_context(folder))
    (outcome,) = outcomes_from(read_records(folder / "out" / FILE))
    assert outcome.sentence.startswith(f"Gate {'passed' if outcome.passed else 'failed'} by ours (sums ")
    return outcome.passed, outcome.sentence


@pytest.mark.parametrize(("bound", "passed"), [(0.85, True), (0.89, False)])
def test_the_worse_end_counts(tmp_path: Path, bound: float, passed: bool) -> None:
    assert tried(tmp_path, evaluation(tmp_path / "ours", 360), at_least=bound)[0] is passed
    assert tried(tmp_path, evaluation(tmp_path / "few", 40), at_most=1 - bound)[0] is passed


def test_an_interval_that_may_be_too_narrow_passes_no_gate(tmp_path: Path) -> None:
    passed, why = tried(tmp_path, evaluation(tmp_path / "ours", 360, clusters=4), at_least=0.1)
    assert not passed and "the interval may be too narrow: the items come in groups" in why
    passed, why = tried(tmp_path, evaluation(tmp_path / "one", 360, clusters=1), at_least=0.1)
    assert not passed and "more independent items are needed" in why


@pytest.mark.parametrize(("known", "passed"), [(0, True), (200, False), (390, False), (400, False)])
def test_items_that_a_model_learned_from_pass_no_gate(tmp_path: Path, known: int, passed: bool) -> None:
    """The first 300 of 400 are right, so with 200 known half of the others are."""
    ours = evaluation(tmp_path / "ours", 300, known=known)
    found, why = tried(tmp_path, ours, at_least=0.6)
    assert found is passed and (f"{known} of 400 items stand in the text" in why) is not passed
    theirs = evaluation(tmp_path / "theirs", 200, model="b" * 64)
    assert tried(tmp_path / "ours", ours, theirs, not_worse_than="theirs", margin=0)[0] is (known < 300)
    where = {"contamination": "known"}
    if known:
        assert tried(tmp_path / "theirs", ours, at_least=0.6, where=where)[0], "a gate may ask for them by name"


@pytest.mark.parametrize(("lost", "passed"), [(0, True), (4, True), (40, False)])
def test_not_worse_is_shown_by_the_paired_difference(tmp_path: Path, lost: int, passed: bool) -> None:
    ours, theirs = evaluation(tmp_path / "ours", 360 - lost), evaluation(tmp_path / "theirs", 360, model="b" * 64)
    assert tried(tmp_path, ours, theirs, not_worse_than="theirs", margin=0.05)[0] is passed


@pytest.mark.parametrize(("more", "passed"), [(-4, False), (0, False), (40, True)])
def test_without_a_margin_it_must_surely_be_better(tmp_path: Path, more: int, passed: bool) -> None:
    ours, theirs = evaluation(tmp_path / "ours", 320 + more), evaluation(tmp_path / "theirs", 320, model="b" * 64)
    found, said = tried(tmp_path, ours, theirs, not_worse_than="theirs", margin=0)
    assert found is passed and "better than theirs): " in said


def test_figures_that_may_not_be_compared_pass_no_gate(tmp_path: Path) -> None:
    ours, theirs = (
        evaluation(tmp_path / "ours", 399),
        evaluation(tmp_path / "theirs", 10, prompt="5-shot", model="b" * 64),
    )
    passed, why = tried(tmp_path, ours, theirs, not_worse_than="theirs")
    assert not passed and "the two are not compared: prompt is chat in one, 5-shot in the other" in why


def test_gates_of_another_model_release_none(tmp_path: Path) -> None:
    tried(tmp_path, evaluation(tmp_path / "ours", 360), at_least=0.5)
    found = outcomes_from(read_records(tmp_path / "out" / FILE))
    assert refusal(found, ["ours"], "a" * 64) == ""
    assert "its gates were tried on another model of that name" in refusal(found, ["ours"], "b" * 64)
    assert refusal(found, ["others"], "b" * 64) == ""


def test_a_copy_of_a_model_is_not_worse_than_it(tmp_path: Path) -> None:
    sides = (evaluation(tmp_path / name, 360, clusters=16) for name in ("ours", "copy"))
    passed, why = tried(tmp_path, *sides, not_worse_than="copy", margin=0.01)
    assert passed and why.endswith(": the two are one model, asked alike")
    (tmp_path / "again").mkdir()
    sides = (evaluation(tmp_path / "again" / name, 360, clusters=16) for name in ("ours", "copy"))
    assert not tried(tmp_path / "again", *sides, not_worse_than="copy", margin=0)[0], "nor better"


def test_a_doubt_over_six_groups_or_more_is_told_and_fails_no_gate(tmp_path: Path) -> None:
    """One group has half of all items, so that seven tell as much as 3.5 of equal size would."""
    sizes = [200, 34, 34, 33, 33, 33, 33]
    items: list[Item] = [
        {
            "id": f"{g}-{k}",
            "digest": f"{g}-{k}",
            "cluster": str(g),
            "score": float(k % 10 < 9),
            "contamination": "clean",
        }
        for g, size in enumerate(sizes)
        for k in range(size)
    ]
    folder = tmp_path / "ours"
    folder.mkdir()
    write_records(folder / "items.jsonl", items)
    figure = ACCURACY.figure(items, "counted", conditions=CONDITIONS)
    assert figure.doubt
    (folder / "figures.json").write_text(json.dumps([figure.as_json()]))
    passed, why = tried(tmp_path, Evaluation(folder, "ours"), at_least=0.6)
    assert passed and why.endswith("; " + figure.doubt)
    assert not tried(tmp_path, Evaluation(folder, "ours"), at_least=0.9)[0]
