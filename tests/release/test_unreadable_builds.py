"""A store in which the record of one build cannot be read: it is named, and all others are shown and served."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import httpx
import pytest

from live_server import listening
from lmworks.application.app import make_app
from lmworks.application.pages import PAGES
from lmworks.pipeline.store import Store
from lmworks.release.built import Built
from lmworks.release.gates import require_gates
from lmworks.stores import open_store


@pytest.fixture(params=["no JSON", "a folder"])
def store(built: Store, tmp_path: Path, request: pytest.FixtureRequest) -> Store:
    """The small build beside another, whose record is damaged."""
    shutil.copytree(built.root.parent, tmp_path, dirs_exist_ok=True)
    record = tmp_path / ".lmworks" / "builds" / "aside.json"
    record.mkdir() if request.param == "a folder" else record.write_text("{")
    return Store(tmp_path / ".lmworks")


def test_pages_of_the_others_are_shown_and_the_one_is_named(store: Store, tmp_path: Path) -> None:
    build = store.builds.last or ""
    with listening(make_app(store.root, "key", tmp_path / "scratch", "cpu")) as at:
        http = httpx.Client(base_url=f"{at}/key", timeout=60, follow_redirects=True, headers={"accept": "text/html"})
        builds = http.get("/").text
        assert "aside.json: the record of a build cannot be read" in builds and f"/key/{build}/overview/" in builds
        found = {page.name: http.get(f"/{build}/{page.name}/") for page in PAGES if page.name != "training"}
        assert {name: answer.status_code for name, answer in found.items()} == dict.fromkeys(found, 200)
        assert not [name for name, answer in found.items() if "aside.json" in answer.text]


def test_the_others_are_opened_and_their_gates_asked(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    opened = open_store(None, Built.open(store).recipe)
    artifact = store.named("finetune")
    with caplog.at_level(logging.WARNING):
        require_gates(opened, [artifact])
        assert Built.holding(store, artifact).name == store.builds.last
    assert "aside.json: the record of a build cannot be read" in caplog.text
