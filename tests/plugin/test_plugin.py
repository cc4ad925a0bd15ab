"""A package that pip installs adds one kind of each group, and its recipe is built to the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
PACKAGE = Path(__file__).parent / "everything"
SMALL = "sequence_length: 96, global_batch_tokens: 192, data_type: float32, threads: 1, compile: false"
RECIPE = """\
name: everything
use_case: what a package adds
plan: {measure: false}
data:
  verses: {kind: ingest, sources: [{kind: ledger, path: ., format: stanzas, licence: MIT}], LICENCES}
  loud: {kind: shout, from: verses, marks: 2}
  records: {kind: ingest, sources: [{kind: files, path: records, licence: MIT, fields: all}], LICENCES}
  riddles: {kind: conversations, from: records, form: riddle}
tokenizer: {kind: bpe, vocab_size: 300, from: loud}
models:
  pretrain: {objective: later-tokens, from: scratch, data: loud, hidden_size: 32, num_layers: 1, steps: 4, SMALL}
  aligned:
    {objective: grpo, from: pretrain, data: riddles, rewards: [{kind: vowels}], group_size: 2, answer_tokens: 4,
    learning_rate: 0.001, steps: 2, SMALL}
evaluate:
  models: [pretrain, aligned]
  tasks:
    - {kind: loudness, data: riddles, train: riddles}
    - {kind: text-to-text, data: riddles, metrics: [vowels, exact], max_tokens: 8}
""".replace("LICENCES", "licences: {allow: [permissive]}").replace("SMALL", SMALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip has installed the package into."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    source = tmp_path_factory.mktemp("source") / "everything"
    copy_of(PACKAGE, source)
    subprocess.run([*pip, "--target", str(folder), str(source)], check=True)
    return folder


def copy_of(package: Path, folder: Path) -> None:
    """pip leaves a folder `build` beside what it builds."""
    for path in package.rglob("*"):
        if path.suffix in (".py", ".toml"):
            (folder / path.relative_to(package)).parent.mkdir(parents=True, exist_ok=True)
            (folder / path.relative_to(package)).write_bytes(path.read_bytes())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    verses = [f"A verse of the number {number}, as long as it has to be.\nAnd a second line." for number in range(24)]
    (folder / "book.ledger").write_text("\n\n".join(verses))
    (folder / "other.txt").write_text("No verse.")
    riddles = [{"riddle": f"What is {number} and {number}?", "solved": str(2 * number)} for number in range(12)]
    (folder / "records").mkdir()
    (folder / "records" / "riddles.jsonl").write_text("".join(json.dumps(riddle) + "\n" for riddle in riddles))
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def lmworks(folder: Path, site: Path | None, *words: str) -> subprocess.CompletedProcess[str]:
    paths = [str(site)] if site else []
    environment = {
        **os.environ,
        "LMWORKS_ID_KEY": "a key for tests only",
        "PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    command = [sys.executable, "-m", "lmworks", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def manifests(site: Path, project: Path) -> dict[str, dict[str, Any]]:
    """What the build wrote of each step."""
    done = lmworks(project, site, "build", "recipe.yaml")
    assert done.returncode == 0, done.stderr
    found = (json.loads(path.read_text()) for path in project.glob(".lmworks/artifacts/*/*/manifest.json"))
    return {manifest["step"]: manifest | {"payload": manifest["key"]} for manifest in found}


def test_every_step_is_built(manifests: dict[str, dict[str, Any]]) -> None:
    assert manifests["verses"]["counts"]["documents"] == 24
    assert manifests["riddles"]["counts"]["samples of form riddle"] == 12
    assert {"loud", "pretrain", "aligned", "evaluate/loudness-riddles", "evaluate/text-to-text-riddles"} <= set(
        manifests
    )


def test_its_engine_answers_for_what_its_objective_trained(project: Path, manifests: dict[str, dict[str, Any]]) -> None:
    def answers(model: str) -> list[str]:
        manifest = manifests[f"evaluate/text-to-text-riddles/{model}"]
        items = project / ".lmworks" / "artifacts" / manifest["stage"] / manifest["key"] / "payload" / "items.jsonl"
        return [json.loads(line)["answer"] for line in items.read_text().splitlines()]

    assert all(answer.endswith("LOUD") for answer in answers("pretrain"))
    assert not any(answer.endswith("LOUD") for answer in answers("aligned"))


def test_its_metrics_are_figures_that_systems_are_compared_in(manifests: dict[str, dict[str, Any]]) -> None:
    assert manifests["evaluate/text-to-text-riddles/pretrain"]["figures"][0]["name"] == "vowels"
    assert manifests["evaluate/loudness-riddles/question"]["figures"][0]["name"] == "loudness"
    assert manifests["evaluate/loudness-riddles"]["figures"], "nothing was compared"


def test_the_package_is_recorded_where_it_was_used_alone(manifests: dict[str, dict[str, Any]]) -> None:
    used = {step for step, manifest in manifests.items() if "lmworks-everything" in manifest["libraries"]}
    assert {"verses", "loud", "riddles", "pretrain", "aligned"} <= used
    assert {"evaluate/loudness-riddles", "evaluate/text-to-text-riddles"} <= used
    assert "evaluate/text-to-text-riddles/pretrain" in used  # whose engine it brings
    assert not used & {"records", "tokenizer", "aligned/data"}


def test_without_the_package_the_recipe_says_what_is_missing(
    project: Path, manifests: dict[str, dict[str, Any]]
) -> None:
    done = lmworks(project, None, "status", "recipe.yaml")
    assert done.returncode == 2
    assert "recipe.yaml:5: data.verses.sources.0: no kind 'ledger'; expected one of" in done.stderr


def test_its_kinds_are_explained_beside_those_built_in(project: Path, site: Path) -> None:
    told = lmworks(project, site, "explain", "shout.marks").stdout
    assert "Exclamation marks at the end of each; one is heard." in told
    assert "of lmworks-everything 1.0" in told
