"""Copies among test items make no figure surer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lmworks.data.duplicates.join import near_groups
from lmworks.evaluate.items import ACCURACY, Scored


def items(texts: int, copies: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": f"{copy}-{text}", "cluster": f"{copy}-{text}", "digest": str(text), "score": float(text % 3 == 0)} | more
        for copy in range(copies)
        for text in range(texts)
    ]


def test_what_is_asked_three_times_is_as_sure_as_once(tmp_path: Path) -> None:
    once, thrice = (
        Scored.written(items(18, copies), tmp_path, None).figure(ACCURACY, "labels", chance=0.5) for copies in (1, 3)
    )
    assert (once.n, thrice.n) == (18, 54) and once.value == thrice.value and "18 clusters" in thrice.method
    assert once.interval and thrice.interval == pytest.approx(once.interval, abs=0.03)


def test_near_copies_are_as_sure_as_one_and_questions_of_one_template_are_many(tmp_path: Path) -> None:
    letters = [" ".join(f"{word}{letter}" for word in range(60)) for letter in "abcd"]
    near: list[dict[str, Any]] = [
        {"id": f"{n}{letter[:3]}", "cluster": f"{n}{letter[:3]}", "digest": f"{n}{letter}", "score": 1.0}
        | {"prompt": f"{letter} is what order {n} was about"}
        for letter in letters
        for n in range(10)
    ]
    assert len({item["cluster"] for item in Scored.written(near, tmp_path, None).items}) == 4
    sums: list[dict[str, Any]] = [
        {"id": f"{n}", "cluster": f"{n}", "digest": f"{n}", "score": 1.0, "prompt": f"What is {n} plus {n * n}?"}
        for n in range(40)
    ]
    assert len({item["cluster"] for item in Scored.written(sums, tmp_path, None).items}) == 40


@given(some.lists(some.text(alphabet="ab ", max_size=40), max_size=12))
def test_near_groups_hold_what_is_alike_in_any_order(texts: list[str]) -> None:
    groups = near_groups(texts, 0.8)
    assert [group <= place and groups[group] == group for place, group in enumerate(groups)] == [True] * len(texts)
    for one, group in zip(texts, groups, strict=True):
        for other, its in zip(texts, groups, strict=True):
            assert group == its or one != other


def test_groups_of_a_recipe_are_kept(tmp_path: Path) -> None:
    written = Scored.written(items(4, 2, cluster="a shop"), tmp_path, None)
    assert {item["cluster"] for item in written.items} == {"a shop"}
