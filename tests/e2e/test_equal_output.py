"""What a model was made from is known after edits that change no output, and what is not known stops no command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks, made
from e2e.test_erasure import documents, texts

pytestmark = pytest.mark.slow


@pytest.fixture
def edited(built: Path) -> Path:
    """A project whose first step was made again with equal output; what it was before is cleared away."""
    recipe = built / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("allow: [permissive]", "allow: [permissive, CC-BY-4.0]"))
    assert made(lmworks(built, "build").stderr) == ["raw"]
    assert "raw" in lmworks(built, "gc", "--apply").stdout
    return built


def test_no_command_fails_after_an_edit_of_equal_output(edited: Path) -> None:
    assert made(lmworks(edited, "build").stderr) == []
    for command in ("report", "status", "trace", "gc"):
        lmworks(edited, command)
    traced = json.loads(lmworks(edited, "trace", "finetune", "--json").stdout)
    assert traced["steps"][0]["step"] == "raw", "found again by its equal content"
    assert [name.split()[0] for name in traced["stand_ins"]] == ["raw"], "which need not be what was read"
    assert "may have\nbeen made later, from other files" in lmworks(edited, "trace", "finetune").stdout
    lmworks(edited, "trace", "finetune", "--answer", "Creates a bucket of the account, with")


def test_erasure_finds_what_stands_below_a_step_made_again(edited: Path) -> None:
    victim = next(iter(documents(edited, "corpus").values()))
    passage = max(victim.text.split("\n"), key=len)
    lmworks(edited, "erase", victim.id, "--apply")
    assert [path for path, text in texts(edited / ".lmworks") if passage in text] == []
    lmworks(edited, "status")
    lmworks(edited, "report")
    assert {"raw", "clean", "split", "pretrain"} <= set(made(lmworks(edited, "build").stderr))


def test_what_is_gone_from_the_store_is_unknown_and_erasure_counts_it_as_reached(built: Path) -> None:
    store = built / ".lmworks"
    victim = next(iter(documents(built, "corpus").values()))
    passage = max(victim.text.split("\n"), key=len)
    (clean,) = store.glob("artifacts/normalise/*")
    shutil.rmtree(clean)
    for command in (("report",), ("status",), ("trace", "finetune"), ("trace", "finetune", "--answer", passage)):
        lmworks(built, *command)
    assert "clean" in lmworks(built, "trace", "finetune").stdout.split("unknown")[1]
    assert "retire" in lmworks(built, "erase", victim.id).stdout
    lmworks(built, "erase", victim.id, "--apply")
    assert [path for path, text in texts(store) if passage in text] == []
