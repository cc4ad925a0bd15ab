"""Copies among test items make no figure surer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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


def test_groups_of_a_recipe_are_kept(tmp_path: Path) -> None:
    written = Scored.written(items(4, 2, cluster="a shop"), tmp_path, None)
    assert {item["cluster"] for item in written.items} == {"a shop"}
