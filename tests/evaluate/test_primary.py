"""The primary question: what its answer says, and of which items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lmworks.evaluate.items import ACCURACY, BITS_PER_BYTE, Evaluation, Item, Metric, beside_clean
from lmworks.evaluate.primary import FILE, AskedConfig, PrimaryAnswer, answer_primary, read_answer
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.statistics import LEAST_GROUPS
from lmworks.pipeline.work.chunks import write_records
from support import make_context

MODEL = Conditions(items="these", model="a" * 64, prompt="chat", data_type="float32", device="cpu")
BASELINE = Conditions(items="these")
SIZES = (40, 12, 9, 7, 5, 5, 4, 3)
"""Items of each service: one service has half of all."""


def bits(folder: Path, per_byte: list[float], conditions: Conditions = MODEL, known: int = 0) -> Evaluation:
    """A perplexity evaluation with so many bits per byte in each service."""
    items = [
        {"cluster": f"service {number}", "bits": 100 * value, "bytes": 100.0}
        for number, (value, size) in enumerate(zip(per_byte, SIZES, strict=False))
        for _ in range(size)
    ]
    return evaluation(folder, BITS_PER_BYTE, items, conditions, known)


def evaluation(
    folder: Path, metric: Metric, fields: list[dict[str, Any]], conditions: Conditions = MODEL, known: int = 0
) -> Evaluation:
    items: list[Item] = [
        {"id": str(k), "digest": str(k), "contamination": "known" if k < known else "clean", **each}
        for k, each in enumerate(fields)
    ]
    folder.mkdir()
    write_records(folder / "items.jsonl", items)
    figure = beside_clean(items, lambda some: metric.figure(some, "counted", conditions=conditions))
    (folder / "figures.json").write_text(json.dumps([figure.as_json()]))
    return Evaluation(folder, folder.name)


def answer(folder: Path, ours: Evaluation, *theirs: Evaluation, **more: Any) -> PrimaryAnswer:
    names = [each.path.name for each in theirs]
    config = AskedConfig(
        evaluations=["ours", *names], task="texts", model="ours", opponents=names, baselines=names, **more
    )
    answer_primary(config, [ours, *theirs], out=folder / "out", context=make_context(folder))
    return read_answer(folder / "out" / FILE)


OURS = [1.1, 1.2, 1.15, 1.3, 1.05, 1.2, 1.1, 1.25]


def test_a_model_that_is_better_in_each_group_is_better_however_unequal_the_groups(tmp_path: Path) -> None:
    theirs = [1.5, 1.3, 1.4, 1.45, 1.2, 1.3, 1.2, 1.4]
    found = answer(tmp_path, bits(tmp_path / "ours", OURS), bits(tmp_path / "xz", theirs, BASELINE))
    assert found.said == "yes" and found.sentence == (
        "Yes: ours is better than the baseline xz: 1.169 against 1.344 bits per byte, the mean of the groups. Of 8 "
        "groups of items, ours is better in 8 and worse in 0."
    )


def test_a_model_must_be_better_than_each_baseline(tmp_path: Path) -> None:
    ours = bits(tmp_path / "ours", OURS)
    far = bits(tmp_path / "far", [value + 1 + 0.1 * (k % 2) for k, value in enumerate(OURS)], BASELINE)
    near = bits(tmp_path / "near", [value + (0.1, -0.1)[k % 2] for k, value in enumerate(OURS)], BASELINE)
    best = bits(tmp_path / "best", [value - 0.3 - 0.1 * (k % 2) for k, value in enumerate(OURS)], BASELINE)
    found = answer(tmp_path, ours, far, near)
    assert found.said == "open"
    assert found.sentence.startswith("It is not shown that ours is better than near, the best of 2 baselines: 1.169")
    found = answer(tmp_path, ours, far, near, best)
    assert found.said == "no"
    assert found.sentence.startswith("No: ours is worse than best, the best of 3 baselines: 1.169 against")
    assert [each.opponent for each in found.versus] == ["best", "near", "far"]


def test_a_margin_asks_that_little_is_lost(tmp_path: Path) -> None:
    ours = bits(tmp_path / "ours", OURS)
    theirs = bits(tmp_path / "theirs", [value - 0.02 + 0.001 * k for k, value in enumerate(OURS)], BASELINE)
    assert answer(tmp_path, ours, theirs).said == "no"
    found = answer(tmp_path, ours, theirs, margin=0.05)
    assert found.said == "yes"
    assert found.sentence.startswith("Yes: ours is at most 0.05 worse than the baseline theirs: 1.169 against")


def test_items_that_one_learned_from_do_not_count(tmp_path: Path) -> None:
    """Eight groups of 40 items, of which the first 160 items are known: in them alone the model is better."""
    ours = [{"cluster": str(k % 8), "score": float(k < 160 or k % 3 == 0)} for k in range(320)]
    theirs = [{"cluster": str(k % 8), "score": float(k % 3 == 1)} for k in range(320)]
    baseline = evaluation(tmp_path / "majority", ACCURACY, theirs, BASELINE)
    assert answer(tmp_path, evaluation(tmp_path / "ours", ACCURACY, ours), baseline).said == "yes"
    (tmp_path / "new").mkdir()
    found = answer(tmp_path, evaluation(tmp_path / "new" / "ours", ACCURACY, ours, known=160), baseline)
    assert found.said == "open" and found.versus[0].items == 160
    (tmp_path / "few").mkdir()
    found = answer(tmp_path, evaluation(tmp_path / "few" / "ours", ACCURACY, ours, known=310), baseline)
    assert found.sentence == (
        "It is not known whether ours is better than majority in texts: too few of the 320 items are new to both."
    )


def test_few_groups_are_said_to_be_too_few(tmp_path: Path) -> None:
    some = OURS[: LEAST_GROUPS - 1]
    found = answer(tmp_path, bits(tmp_path / "ours", some), bits(tmp_path / "xz", [2.0] * len(some), BASELINE))
    assert found.said == "open" and found.sentence == (
        "It is not known whether ours is better than xz in texts: its items come in 5 groups, and a comparison needs 6."
    )


def test_a_baseline_that_is_the_model_itself_is_no_opponent(tmp_path: Path) -> None:
    ours, itself = bits(tmp_path / "ours", OURS), bits(tmp_path / "itself", OURS, BASELINE)
    other = bits(tmp_path / "xz", [value + 0.2 + 0.01 * (k % 3) for k, value in enumerate(OURS)], BASELINE)
    assert answer(tmp_path, ours, itself, other).sentence.startswith("Yes: ours is better than the baseline xz: ")
    assert "each opponent answers as it does" in answer(tmp_path, ours, itself).sentence


def test_what_was_asked_otherwise_is_not_compared(tmp_path: Path) -> None:
    other = bits(
        tmp_path / "other", [2.0] * 8, Conditions(**{**MODEL.as_json(), "prompt": "document", "model": "b" * 64})
    )
    found = answer(tmp_path, bits(tmp_path / "ours", OURS), other)
    assert found.said == "open" and found.sentence.startswith(
        "It is not known whether ours is better than other in texts: "
    )
