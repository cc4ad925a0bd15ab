"""No recipe of ours ends in what nobody can ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.graph import CLASSES
from lmworks.recipe.file import load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: str(path.relative_to(RECIPES)))
def test_every_recipe_names_the_model_that_it_serves(path: Path) -> None:
    recipe = load_recipe(path, CLASSES)
    assert recipe.serve and {recipe.serve.model} <= recipe.models.keys()


def test_nothing_that_decides_how_much_the_quickstart_learns_is_left_to_a_measurement() -> None:
    models = load_recipe(RECIPES / "quickstart.yaml", CLASSES).models
    for name, config in models.items():
        open_ = {field for field in type(config).model_fields if getattr(config, field) == "auto"}
        assert open_ <= {"data_type", "device", "threads", "compile"}, name
