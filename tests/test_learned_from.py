"""What the models of a recipe learned from is known of each that is made here, however it learns."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.data.contamination.search import SearchConfig
from lmworks.graph import CLASSES, MADE, make_nodes
from lmworks.plan.plan import make_plan
from lmworks.recipe.file import load_recipe

RECIPE = """\
name: seen
use_case: learning by heart
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
  split: {kind: split, from: raw, by: id, test: 0.2}
  pairs: {kind: pairs, from: raw}
  asked: {kind: pairs, from: split.test}
models:
  made: MODEL
evaluate: {models: [made], tasks: [TASK]}
"""
MODELS = {
    "bag-of-words": ("raw", "{kind: classification, data: split.test}"),
    "dictionary": ("raw", "{kind: extraction, data: split.test}"),
    "baseline, baseline: lead-sentence": ("pairs", "{kind: summary, data: asked, train: pairs}"),
}


def test_each_such_model_is_searched() -> None:
    assert {each.partition(",")[0] for each in MODELS} == {name for name, made in MADE.items() if made.inputs}


@pytest.mark.parametrize("objective", sorted(MODELS))
def test_what_a_model_without_a_training_loop_learned_from_is_searched(tmp_path: Path, objective: str) -> None:
    data, task = MODELS[objective]
    model = f"{{objective: {objective}, data: {data}}}"
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a text")
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("MODEL", model).replace("TASK", task))
    recipe = load_recipe(tmp_path / "recipe.yaml", CLASSES)
    nodes = make_nodes(recipe, make_plan(recipe, tmp_path, tmp_path / "store", measure=False), tmp_path)
    (search,) = [each.config for each in nodes if isinstance(each.config, SearchConfig)]
    assert (search.texts, search.unknown) == ([data], [])
