"""Two models of different builds, stores and folders are compared on what both were asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks
from tiny import make_tiny_model

RECIPE = """\
name: NAME
use_case: going on with texts
plan: {measure: false}
data:
  texts:
    kind: ingest
    sources: [{kind: files, path: texts, licence: MIT}]
    licences: {allow: [permissive]}
  split: {kind: split, from: texts, test: SHARE, validation: 0}
models:
  base: {objective: pretrained, path: FOLDER, licence: MIT}
  counts: {objective: n-gram, data: split.train}
evaluate:
  models: [base, counts]
  tasks: [{kind: perplexity, data: split.test}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("across")
    (made / "texts").mkdir()
    for number in range(60):
        (made / "texts" / f"{number}.txt").write_text(f"Bucket {number} lists {number * 7919} objects of its owner.\n")
    make_tiny_model(made / "own", context_length=256)
    make_tiny_model(made / "wide", context_length=512, seed=1)
    for name, share, base in (("first", "0.5", "own"), ("second", "0.7", "wide")):
        recipe = RECIPE.replace("NAME", name).replace("SHARE", share).replace("FOLDER", base)
        (made / f"{name}.yaml").write_text(recipe)
        lmworks(made, "build", f"{name}.yaml", "--store", f"store-{name}")
    return made


def test_models_of_two_stores_are_compared_on_the_items_that_both_were_asked(folder: Path) -> None:
    said = lmworks(folder, "compare", "first.yaml:base", "second.yaml:base", "--json").stdout
    (task,) = json.loads(said)
    (pair,) = task["pairs"]
    assert task["task"] == "perplexity-split-test" and 0 < pair["n"] <= 33
    assert {pair["a"], pair["b"]} == {"first.yaml:base", "second.yaml:base"}, "two of one name are told apart"
    assert not any("context length" in line for line in task["verdicts"]), "no text is longer than either reads"


def test_texts_of_another_id_key_are_found_by_what_they_say(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "moved", ignore=shutil.ignore_patterns("store-*", ".lmworks*"))
    lmworks(tmp_path / "moved", "build", "first.yaml", key="another key, as another company has it")
    other = str(tmp_path / "moved" / ".lmworks") + ":counts"
    (task,) = json.loads(lmworks(folder, "compare", "store-first:counts", other, "--json").stdout)
    (pair,) = task["pairs"]
    assert 5 < pair["n"] < 33, "another key puts other texts to the test, of which some are the same"


def test_a_folder_that_no_build_measured_is_asked_what_the_other_was(folder: Path) -> None:
    before = sorted(path.name for path in (folder / "store-first" / "builds").iterdir())
    record = (folder / "store-first" / "builds" / "first.json").read_text()
    said = lmworks(folder, "compare", "store-first:base", "wide").stdout
    assert "perplexity-split-test" in said and ("wide" in said and "base" in said) and "n=33" in said
    assert sorted(path.name for path in (folder / "store-first" / "builds").iterdir()) == before
    assert (folder / "store-first" / "builds" / "first.json").read_text() == record, "the last build is what it was"


def test_what_cannot_be_compared_is_said(folder: Path) -> None:
    done = lmworks(folder, "compare", "own", "wide", code=2)
    assert "nobody has said what they are to be asked" in done.stderr
    done = lmworks(folder, "compare", "store-first:base", "nowhere:base", code=2)
    assert "nowhere is not there; expected a recipe's file or a store before the colon" in done.stderr
    done = lmworks(folder, "compare", "store-first:base", "store-second:texts", code=2)
    assert "no task of second asks it: name it in `evaluate.models` and build" in done.stderr


def test_of_a_base_whose_texts_nobody_knows_a_trace_says_so(folder: Path) -> None:
    said = lmworks(
        folder, "trace", "first.yaml", "base", "--store", "store-first", "--answer", "Bucket lists objects"
    ).stdout
    assert "No text that trained base is known here: nothing could be sought." in said
    assert "Others trained base, on texts that are not known here" in said and "0%" not in said
