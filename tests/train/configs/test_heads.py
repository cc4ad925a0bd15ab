"""Numbers of heads that do not divide are refused when the recipe is read, with those that would."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.errors import LmworksError
from lmworks.graph import CLASSES
from lmworks.recipe.file import load_recipe

RECIPE = """\
name: heads
use_case: tests
data:
  raw: {{kind: ingest, sources: [{{kind: files, path: texts}}]}}
tokenizer: {{kind: bpe, vocab_size: 300, from: raw}}
models:
  model: {{objective: {objective}, from: scratch, data: raw, {fields}}}
"""


@pytest.mark.parametrize(
    ("objective", "fields", "said"),
    [
        (
            "causal-lm",
            "hidden_size: 256, num_heads: 3",
            "hidden_size 256 is not a multiple of num_heads 3; .* 1, 2, 4, 8, ",
        ),
        ("causal-lm", "hidden_size: 96, num_heads: 32", "96 / 32 = 3 numbers per head is odd"),
        ("causal-lm", "hidden_size: 65", "65 / 1 = 65 numbers per head is odd"),
        ("causal-lm", "num_heads: 4, num_key_value_heads: 3", "num_heads 4 is not a multiple of num_key_value_heads 3"),
        ("masked-lm", "hidden_size: 256, num_heads: 3", "hidden_size 256 is not a multiple of num_heads 3"),
        ("masked-lm", "hidden_size: 96, num_heads: 32", "96 / 32 = 3 numbers per head is odd"),
        ("span-corruption", "hidden_size: 256, num_heads: 3", "hidden_size 256 is not a multiple of num_heads 3"),
    ],
)
def test_heads_that_do_not_divide_are_refused(tmp_path: Path, objective: str, fields: str, said: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(objective=objective, fields=fields))
    with pytest.raises(LmworksError, match=rf"recipe\.yaml:7: models\.model: .*{said}"):
        load_recipe(path, CLASSES)


def test_a_size_that_the_plan_has_found_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        RECIPE.format(
            objective="causal-lm",
            fields="num_layers: 1, steps: 1, num_heads: 3, data_type: float32, threads: 1, compile: false",
        )
    )
    config = load_recipe(path, CLASSES).models["model"]
    with pytest.raises(LmworksError, match="hidden_size 256 is not a multiple of num_heads 3"):
        config.model_copy(update={"hidden_size": 256}).shape(300)  # type: ignore[attr-defined]
