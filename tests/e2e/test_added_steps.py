"""A recipe whose `steps` are raised: told where it begins and why, and equal to one that had them from the first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks, make_project

pytestmark = pytest.mark.slow


def settings(steps: int, **fields: object) -> list[str]:
    """Of the first model."""
    return [
        word for name, value in {"steps": steps, **fields}.items() for word in ("--set", f"pretrain.{name}={value}")
    ]


def test_more_steps_begin_where_the_rate_began_to_fall(built: Path, tmp_path: Path) -> None:
    plateau = {"decay_share": 0.25}
    build = ("build", "recipe.yaml", "--until", "pretrain")
    lmworks(built, *build, *settings(12, **plateau))
    rows = json.loads(lmworks(built, "status", "recipe.yaml", *settings(16, **plateau), "--json").stdout)
    reason = next(row["reason"] for row in rows if row["step"] == "pretrain")
    words = "goes on after 9 steps, where the run of 12 steps kept its state"
    assert reason == f"steps changed from 12 to 16; {words}"
    said = lmworks(built, *build, *settings(16, **plateau)).stderr
    assert f"pretrain: steps changed from 12 to 16; {words}" in said
    other = make_project(tmp_path / "straight")
    lmworks(other, *build, *settings(16, **plateau))
    folders = [folder / lmworks(folder, "show", "pretrain", "--path").stdout.strip() for folder in (built, other)]
    for file in ("model.safetensors", "history.jsonl", "samples.jsonl"):
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes(), file
    said = lmworks(built, *build, *settings(16)).stderr
    assert "decay_share changed" in said
    said = lmworks(built, *build, *settings(18)).stderr
    assert "steps changed from 16 to 18; begins anew: the rate falls from step 1 on" in said
