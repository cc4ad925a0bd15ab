"""The demonstration comes by entry points, as a package of others would, and is as good as built in."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lmworks.evaluate.tasks import TASKS
from lmworks.graph import CLASSES, STEPS, node
from lmworks.recipe.file import load_recipe
from lmworks.registry import Kinds, load

ROOT = Path(__file__).parents[2]
GROUPS: dict[str, Kinds[object]] = {"lmworks.steps": STEPS, "lmworks.tasks": TASKS}


@pytest.mark.parametrize("group", GROUPS)
def test_what_is_declared_is_found_and_enters_no_key(group: str) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert set(declared) == set(GROUPS)
    for name, place in declared[group].items():
        assert GROUPS[group][name] is load(place)
        assert GROUPS[group].plugins(name) == []


def test_its_steps_have_the_keys_that_they_had(tmp_path: Path) -> None:
    recipe = load_recipe(ROOT / "recipes" / "quickstart.yaml", CLASSES)
    questions = recipe.data["questions"]
    assert type(questions).__module__ == "lmworks_api_docs.prompts"
    assert not node("questions", STEPS["operations-to-prompts"], questions).plugins


def test_it_is_not_imported_for_a_recipe_that_names_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        "name: plain\nuse_case: none of it\n"
        "data: {raw: {kind: ingest, sources: [{kind: files, path: ., licence: MIT}]}}\n"
    )
    code = (
        "import sys; from pathlib import Path; from lmworks import graph; from lmworks.recipe.file import load_recipe; "
        "load_recipe(Path('recipe.yaml'), graph.CLASSES); assert 'lmworks_api_docs' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
