"""Branches on a whole recipe by its command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.small_recipe import lmworks

pytestmark = pytest.mark.slow
PLATEAU = ["--set", "pretrain.schedule=constant", "--set", "pretrain.publish_checkpoints=[6, 12]"]
BRANCH = (
    "{objective: causal-lm, from: pretrain, branch_step: 6, data: corpus, validation: split.validation, watch: "
    "split.test, sequence_length: 192, global_batch_tokens: 768, schedule: constant, validation_steps: 6, "
    "validation_rows: 2, data_type: float32, threads: 1, compile: false, steps: 12}"
)


def test_a_branch_of_a_recipe_is_the_straight_run_until_something_is_changed(built: Path) -> None:
    branch = [*PLATEAU, "--set", f"models.branch={BRANCH}"]
    said = lmworks(built, "build", "recipe.yaml", "--until", "branch", *branch).stderr
    assert "branch: goes on after 6 of 12 steps" in said
    folders = [built / lmworks(built, "show", name, "--path").stdout.strip() for name in ("pretrain", "branch")]
    for file in ("model.safetensors", "history.jsonl", "samples.jsonl"):
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes(), file
    lmworks(built, "build", "recipe.yaml", "--until", "branch", *branch, "--set", "branch.schedule=linear")
    decayed = built / lmworks(built, "show", "branch", "--path").stdout.strip()
    assert (decayed / "model.safetensors").read_bytes() != (folders[0] / "model.safetensors").read_bytes()
