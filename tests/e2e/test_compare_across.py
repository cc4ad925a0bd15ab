"""Two models of different builds, stores and folders are compared on what both were asked."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from e2e.small_recipe import lmworks
from tiny import make_tiny_model

pytestmark = pytest.mark.slow

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
  other: {objective: pretrained, path: wide, licence: MIT}
evaluate:
  models: [base, other]
  tasks: [{kind: perplexity, data: split.test}]
  gates: [{task: perplexity, model: base, at_most: 100}]
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
    other = str(tmp_path / "moved" / ".lmworks") + ":other"
    (task,) = json.loads(lmworks(folder, "compare", "store-first:other", other, "--json").stdout)
    (pair,) = task["pairs"]
    assert 5 < pair["n"] < 33, "another key puts other texts to the test, of which some are the same"


def test_a_folder_that_no_build_measured_is_asked_what_the_other_was(folder: Path) -> None:
    before = sorted(path.name for path in (folder / "store-first" / "builds").iterdir())
    record = (folder / "store-first" / "builds" / "first.json").read_text()
    said = lmworks(folder, "compare", "store-first:base", "wide").stdout
    assert "perplexity-split-test" in said and ("wide" in said and "base" in said) and "n=33" in said
    assert sorted(path.name for path in (folder / "store-first" / "builds").iterdir()) == before
    assert (folder / "store-first" / "builds" / "first.json").read_text() == record, "the last build is what it was"


def test_the_folder_that_is_asked_is_the_one_that_is_named(folder: Path) -> None:
    shutil.copytree(folder / "own", folder / "wide #2")
    (task,) = json.loads(lmworks(folder, "compare", "store-first:base", "wide #2", "--json").stdout)
    assert task["pairs"][0]["difference"] == 0, "a copy of the base, beside a folder `wide`"


def test_what_cannot_be_compared_is_said(folder: Path) -> None:
    done = lmworks(folder, "compare", "own", "wide", code=2)
    assert "so there are no tasks to evaluate them on" in done.stderr
    done = lmworks(folder, "compare", "store-first:base", "nowhere:base", code=2)
    assert "nowhere does not exist; expected a recipe's file or a store before the colon" in done.stderr
    done = lmworks(folder, "compare", "store-first:base", "store-second:texts", code=2)
    assert "no task of second evaluates it: name it in `evaluate.models` and build" in done.stderr


def test_of_a_base_whose_texts_nobody_knows_a_trace_says_so(folder: Path) -> None:
    said = lmworks(
        folder, "trace", "first.yaml", "base", "--store", "store-first", "--answer", "Bucket lists objects"
    ).stdout
    assert "No text that trained base is known here, so none was searched." in said
    assert "Others trained base on texts that are not known here" in said and "0%" not in said


SORTING = """\
name: NAME
use_case: sorting tickets
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: tickets, licence: MIT, keep: [label, customer]}]
    licences: {allow: [MIT]}
  noise:
    kind: ingest
    sources: [{kind: files, path: noise, licence: MIT, keep: [label, customer]}]
    licences: {allow: [MIT]}
  split: {kind: split, from: raw, by: customer, test: 0.4, validation: 0.2}
models:
  good: {objective: bag-of-words, data: split.train}
  twin: {objective: bag-of-words, data: split.train}
  poor: {objective: bag-of-words, data: noise}
evaluate:
  models: [good, MORE]
  tasks: TASKS
"""


@pytest.fixture(scope="module")
def sorting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recipes on the same tickets: of one, items have no groups; of one, there is a task more."""
    made = tmp_path_factory.mktemp("sorting")
    draw = random.Random(0)
    for name, words in (("tickets", ("fire thanks", "flood greetings")), ("noise", ("fire thanks",))):
        (made / name).mkdir()
        lines = []
        for number in range(300):
            label = ("urgent", "calm")[number % 2]
            said = draw.choice(words).split()[(draw.random() < 0.9) == (label == "calm")]
            record = {
                "text": f"{said} {name} {number * 7919 % 1009}",
                "label": label,
                "customer": f"{name} {number % 50}",
            }
            lines.append(json.dumps(record) + "\n")
        (made / name / "lines.jsonl").write_text("".join(lines))
    asked = "{kind: classification, data: split.test, train: split.train, cluster: customer}"
    alone = asked.replace("split.test", "split.validation")
    for name, more, tasks in (
        ("grouped", "twin, poor", [asked]),
        ("plain", "poor", [asked.replace(", cluster: customer", "")]),
        ("more", "poor", [asked, alone]),
    ):
        recipe = SORTING.replace("NAME", name).replace("MORE", more).replace("TASKS", f"[{', '.join(tasks)}]")
        (made / f"{name}.yaml").write_text(recipe)
        lmworks(made, "build", f"{name}.yaml", "--store", f"store-{name}")
    return made


def compare(folder: Path, *sides: str) -> list[dict[str, Any]]:
    """What is said of each task."""
    return list(json.loads(lmworks(folder, "compare", *sides, "--json").stdout))


def test_items_are_grouped_as_one_side_has_them_whichever_is_named_first(sorting: Path) -> None:
    (said,) = compare(sorting, "store-grouped:good", "store-plain:poor")
    assert compare(sorting, "store-plain:poor", "store-grouped:good") == [said]
    (turned,) = compare(sorting, "store-plain:good", "store-grouped:poor")
    assert turned["pairs"] == said["pairs"] and said["pairs"][0]["clusters"] == 18
    assert (
        "good and poor are compared in the 18 groups of items that good has: the 108 of poor lie within them"
        in (said["verdicts"])
    )


def test_tasks_that_one_side_alone_was_asked_are_said(sorting: Path) -> None:
    (alike,) = compare(sorting, "store-grouped:good", "store-grouped:poor")
    one, other = (
        {each["task"]: each for each in compare(sorting, *sides)}
        for sides in (("store-more:good", "store-grouped:poor"), ("store-grouped:poor", "store-more:good"))
    )
    assert one == other and one["classification-split-test"]["pairs"] == alike["pairs"]
    assert one["classification-split-validation"]["verdicts"] == ["good alone was asked this, on these items"]
    both = compare(sorting, "store-more:good", "store-more:poor")
    assert len(both) == 2 and both == compare(sorting, "store-more:poor", "store-more:good")


def test_a_third_model_of_the_same_weights_is_no_task_more(sorting: Path) -> None:
    (said,) = compare(sorting, "store-grouped:good", "store-grouped:poor")
    (twin,) = compare(sorting, "store-grouped:twin", "store-grouped:poor")
    assert twin["pairs"] == [{**said["pairs"][0], "a": "twin"}]
    (same,) = compare(sorting, "store-grouped:twin", "store-grouped:good")
    assert same["pairs"][0]["difference"] == 0 and {same["pairs"][0]["a"], same["pairs"][0]["b"]} == {"twin", "good"}
