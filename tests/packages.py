"""Packages that tests install and break, and a recipe that names their kinds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmworks import graph, registry
from lmworks.data.sources import SOURCES
from lmworks.evaluate.tasks import TASKS
from lmworks.pipeline.build import Node
from lmworks.recipe.file import load_recipe
from lmworks.recipe.schema import Recipe, RecipeError
from lmworks.rewards import REWARDS
from lmworks.train.objectives import OBJECTIVES

STEP = """\
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.shards.records import Documents
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig


class ShoutConfig(StepConfig):
    kind: Literal["shout"] = "shout"
    documents: Reference = Field(alias="from")
    volume: int = Field(default=1, ge=1)


@stage(version=1, reads="documents")
def shout(config: ShoutConfig, documents: Documents, out: Path, context: Context) -> Result:
    return Result()
"""
SOURCE = """\
from typing import Literal

from lmworks.data.sources.files import Files


class Shelf(Files):
    kind: Literal["shelf"]
"""
RECIPE = """\
name: added
use_case: what packages add
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
  loud: {kind: shout, from: raw}
"""


class Site:
    """A folder that packages are installed into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, points: dict[str, dict[str, str]], code: str = "", version: str = "1.0") -> None:
        """As pip leaves a package: a module of its name, and its metadata."""
        (self.folder / f"{name}.py").write_text(code)
        info = self.folder / f"{name}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        groups = (
            f"[lmworks.{group}]\n" + "".join(f"{kind} = {value}\n" for kind, value in kinds.items())
            for group, kinds in points.items()
        )
        (info / "entry_points.txt").write_text("\n".join(groups))
        forget()


def forget() -> None:
    registry._entry_points.cache_clear()
    registry._owners.cache_clear()
    for kinds in (graph.STEPS, SOURCES, REWARDS, TASKS, OBJECTIVES):
        kinds._loaded.clear()


def open_site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A folder of packages that is on the path of this process until it is closed."""
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield Site(folder)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    forget()


def load(folder: Path, text: str = RECIPE) -> Recipe:
    (folder / "recipe.yaml").write_text(text)
    return load_recipe(folder / "recipe.yaml", graph.CLASSES)


def faults(folder: Path, text: str = RECIPE) -> str:
    with pytest.raises(RecipeError) as caught:
        load(folder, text)
    return str(caught.value)


def nodes(folder: Path, recipe: Recipe) -> dict[str, Node]:
    if not (folder / "texts").exists():  # a file that is written again is another to a source
        (folder / "texts").mkdir()
        (folder / "texts" / "a.txt").write_text("A text.")
    plan: Any = None
    return {each.name: each for each in graph.make_nodes(recipe, plan, folder)}
