"""The small build that most tests here look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_store import build_data_store
from small_store import build_store, make_nodes, write_sources

from lmworks.pipeline.store import Store
from once import once


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The whole small build; tests only read it."""

    def build(folder: Path) -> None:
        write_sources(folder / "sources")
        build_store(folder, make_nodes(folder))

    return Store(once(tmp_path_factory, "whole", build) / ".lmworks")


@pytest.fixture(scope="session")
def data_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A build of every data step; tests only read it."""
    return Store(once(tmp_path_factory, "data", build_data_store) / ".lmworks")
