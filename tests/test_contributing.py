"""What CONTRIBUTING.md says of adding a kind: one file, and one line in the table that it names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from lmworks import graph
from lmworks.data.forms.forms import FORMS
from lmworks.data.parsers import PARSERS
from lmworks.data.sources import SOURCES
from lmworks.engines.open import ENGINES
from lmworks.evaluate.tasks import TASKS
from lmworks.evaluate.text_metrics import TEXT_METRICS
from lmworks.registry import Kinds, load
from lmworks.rewards import REWARDS
from lmworks.train.objectives import OBJECTIVES, objective_of

ROOT = Path(__file__).parents[1]
TABLES: dict[str, tuple[Kinds[object], str]] = {
    "SOURCES": (SOURCES, "data/sources/__init__.py"),
    "PARSERS": (PARSERS, "data/parsers/__init__.py"),
    "FORMS": (FORMS, "data/forms/forms.py"),
    "STEPS": (graph.STEPS, "graph/kinds.py"),
    "OBJECTIVES": (OBJECTIVES, "train/objectives/__init__.py"),
    "REWARDS": (REWARDS, "rewards/__init__.py"),
    "TASKS": (TASKS, "evaluate/tasks/__init__.py"),
    "TEXT_METRICS": (TEXT_METRICS, "evaluate/text_metrics/__init__.py"),
    "ENGINES": (ENGINES, "engines/open.py"),
}
WORDS = {word for kinds, _ in TABLES.values() for word in kinds.built_in if "-" in word}
"""Names of kinds that cannot be mistaken for other words."""


@pytest.mark.parametrize("table", TABLES)
def test_each_group_has_one_table_that_the_guide_names(table: str) -> None:
    kinds, file = TABLES[table]
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    assert f"`{table}`" in guide and f"(`lmworks.{kinds.group}`)" in guide
    assert f"{table}: Kinds[" in (ROOT / "src" / "lmworks" / file).read_text()


def keys_of_tables(path: Path) -> set[str]:
    """Names of kinds that are keys of a dictionary in a module: a table of them."""
    tree = ast.parse(path.read_text())
    dictionaries = (node for node in ast.walk(tree) if isinstance(node, ast.Dict))
    return {key.value for found in dictionaries for key in found.keys if isinstance(key, ast.Constant)} & WORDS  # type: ignore[misc]


def test_no_second_table_names_the_kinds() -> None:
    tables = {file for _, file in TABLES.values()}
    for path in sorted((ROOT / "src" / "lmworks").rglob("*.py")):
        place = str(path.relative_to(ROOT / "src" / "lmworks"))
        assert place in tables or len(keys_of_tables(path)) < 3, f"{place} lists kinds, which have a table already"


@pytest.mark.parametrize("name", OBJECTIVES)
def test_each_objective_names_the_class_that_trains(name: str) -> None:
    assert objective_of(name) is load(OBJECTIVES[name].implementation)
    assert hasattr(objective_of(name), "begin")
