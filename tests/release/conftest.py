"""The small build that most tests here look at."""

from __future__ import annotations

import pytest
from data_store import build_data_store
from small_store import build_store, make_nodes, write_sources

from lmworks.pipeline.store import Store


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The whole small build; tests only read it."""
    folder = tmp_path_factory.mktemp("whole")
    write_sources(folder / "sources")
    return build_store(folder, make_nodes(folder))


@pytest.fixture(scope="session")
def data_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A build of every data step; tests only read it."""
    return build_data_store(tmp_path_factory.mktemp("data"))
