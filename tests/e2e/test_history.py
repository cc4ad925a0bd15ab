"""The history of a recipe's figures over its builds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.figure import Figure
from lmworks.release.history.history import change_of

pytestmark = pytest.mark.slow

RECIPE = """\
name: sorter
use_case: which letters need an answer today
plan: {measure: false}
data:
  letters:
    kind: ingest
    sources: [{kind: files, path: letters, licence: MIT, fields: all, label_field: label}]
    licences: {allow: [permissive]}
  split: {kind: split, from: letters, test: SHARE, validation: 0}
models:
  words: {objective: bag-of-words, data: split.train}
evaluate:
  models: [words]
  tasks: [{kind: classification, data: split.test, train: split.train}]
"""


def test_each_build_that_measures_something_new_is_a_line_and_a_row_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    lines = [{"text": f"{'fire flood' if n % 2 else 'many thanks'} {n}", "label": "ab"[n % 2]} for n in range(100)]
    (tmp_path / "letters" / "lines.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    page, kept = (
        tmp_path / ".lmworks" / each for each in ("reports/sorter-history.html", "builds/sorter.history.jsonl")
    )
    for share in ("0.4", "0.4", "0.5"):
        assert not page.exists(), "of what was measured once there is no history"
        (tmp_path / "recipe.yaml").write_text(RECIPE.replace("SHARE", share))
        lmworks(tmp_path, "build", "recipe.yaml")
    assert len(kept.read_text().splitlines()) == 2, "a build that measures nothing new adds nothing"
    assert not any(word in kept.read_text() for word in ("fire", "thanks")), "no text is kept"
    text = page.read_text()
    assert "2 builds that measured something new" in text and text.count("<td>words</td>") == 2
    assert "another model, other items" in text and "first measured" in text and "<svg" in text
    lmworks(tmp_path, "build", "recipe.yaml", "--until", "words", "--set", "split.test=0.3")
    assert len(kept.read_text().splitlines()) == 2, "an unfinished build measured nothing"


def test_what_became_of_a_figure_is_said_and_what_forbids_to_compare_it() -> None:
    asked = Conditions(items="these", model="a" * 64, prompt="chat", data_type="float32")
    before = Figure(name="accuracy", value=0.5, n=20, method="counted", conditions=asked)

    def since(**changed: object) -> str:
        return change_of(before, replace(before, conditions=replace(asked, **changed)))  # type: ignore[arg-type]

    assert since() == "the same model, same items"
    assert since(model="b" * 64) == "another model, same items"
    assert since(items="others").startswith("the same model, other items")
    assert since(prompt="5-shot") == "not comparable with the build before: prompt is chat in one, 5-shot in the other"
    assert "is not known" in change_of(replace(before, conditions=None), before)
    assert change_of(replace(before, name="rouge_l"), before).endswith("one is rouge_l, the other accuracy")
