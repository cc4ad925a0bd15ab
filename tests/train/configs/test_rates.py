"""The rate at which labels are learned, where nobody states one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.graph import CLASSES
from lmworks.recipe.file import load_recipe

RECIPE = """\
name: letters
use_case: sorting letters
data:
  texts: {kind: ingest, sources: [{kind: files, path: letters, licence: MIT, keep: [label]}]}
tokenizer: {kind: wordpiece, vocab_size: 2048, from: texts}
models:
  encoder: {objective: masked-lm, from: scratch, data: texts, steps: 10}
  again: {objective: masked-lm, from: encoder, data: texts, steps: 10}
  sorter: {objective: sequence-classification, from: again, data: texts, steps: 10}
  published: {objective: sequence-classification, from: minilm, data: texts, steps: 10}
  beside: {objective: sequence-classification, from: encoder, data: texts, steps: 10, learning_rate: 0.0003}
"""


@pytest.mark.parametrize(("name", "rate"), [("sorter", 0.002), ("published", 0.0001), ("beside", 0.0003)])
def test_a_base_from_scratch_is_tuned_at_a_rate_that_learns(name: str, rate: float, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    recipe = load_recipe(tmp_path / "recipe.yaml", CLASSES, [])
    assert recipe.models[name].learning_rate == rate  # type: ignore[attr-defined]
