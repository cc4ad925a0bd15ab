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
