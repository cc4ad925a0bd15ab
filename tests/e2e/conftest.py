"""One whole small build, made once for all tests that only look at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks, make_project
from e2e.small_writing import build_writing
from once import once


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is built; do not change it."""
    return once(tmp_path_factory, "small", lambda folder: lmworks(make_project(folder), "build", "recipe.yaml"))


@pytest.fixture
def built(built_once: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the built project, to be changed."""
    folder = tmp_path / "project"
    shutil.copytree(built_once, folder, symlinks=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recipes `content` and `summarize`, each built in a folder of its name; do not change it."""
    return once(tmp_path_factory, "writing", build_writing)
