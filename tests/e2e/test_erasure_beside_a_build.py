"""An erasure beside a build: one waits for the other, and no build makes what was erased while it waited."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest

from data.data_support import KEY
from lmworks.data.shards.records import Documents
from lmworks.errors import LmworksError
from lmworks.pipeline.erasure import add_erased, delete, holders
from lmworks.pipeline.manifest import Manifest
from lmworks.pipeline.stage import Progress
from lmworks.pipeline.store import Store
from lmworks.workspace import open_workspace, run

pytestmark = pytest.mark.slow


class Silent:
    """A display that shows nothing, and does something once when units of work of a step begin."""

    def __init__(self, step: str = "", work: Callable[[], None] = lambda: None) -> None:
        self._step, self._work, self._now = step, work, ""

    def step(self, node: str, index: int, total: int, reason: str, most_seconds: float = inf) -> Progress:
        self._now = node
        return self

    def reused(self, node: str, index: int, total: int) -> None: ...

    def finished(self, manifest: Manifest) -> None:
        if self._step == f"after {manifest.step}":
            self._work()

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...

    def start(self, total: float, unit: str) -> None:
        if self._step == self._now:
            self._work()

    def update(self, done: float, **values: float | str) -> None: ...

    def sample(self, title: str, text: str) -> None: ...


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few notes and a recipe that reads and normalises them."""
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    (tmp_path / "texts").mkdir()
    for number in range(6):
        (tmp_path / "texts" / f"{number}.txt").write_text(f"note {number} of the house")
    source = {"kind": "files", "path": "texts", "licence": "MIT"}
    data = {
        "raw": {"kind": "ingest", "sources": [source], "licences": {"allow": ["permissive"]}},
        "clean": {"kind": "normalise", "from": "raw"},
    }
    recipe = {"name": "small", "use_case": "tests", "plan": {"measure": False}, "data": data}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    return tmp_path


def test_a_build_that_was_opened_before_an_erasure_leaves_out_what_was_erased(project: Path) -> None:
    made = run(open_workspace(project / "recipe.yaml"), Silent(), remember=False)
    victim = next(iter(Documents(made["raw"].payload, "").iterate())).id
    opened = open_workspace(project / "recipe.yaml")
    store = Store(project / ".lmworks")
    add_erased(project, [victim])
    delete(store, holders(store, [victim]), [victim])
    made = run(opened, Silent(), remember=False)
    for step in ("raw", "clean"):
        assert victim not in (made[step].payload / "ids.txt").read_text()


@pytest.mark.parametrize("moment", ["after raw", "clean"])
def test_a_build_whose_input_is_deleted_says_so_and_what_to_do(project: Path, moment: str) -> None:
    made = run(open_workspace(project / "recipe.yaml"), Silent(), remember=False)
    victim = next(iter(Documents(made["raw"].payload, "").iterate())).id

    def erase() -> None:  # by a machine that does not see this one's lock
        store = Store(project / ".lmworks")
        delete(store, holders(store, [victim]), [victim])

    display = Silent(moment, erase)
    with pytest.raises(LmworksError, match=r"(raw|clean): .* deleted .*give the same command again") as fault:
        run(open_workspace(project / "recipe.yaml"), display, rebuild=["raw", "clean"], remember=False, workers=1)
    assert "\n" not in str(fault.value)
    add_erased(project, [victim])
    made = run(open_workspace(project / "recipe.yaml"), Silent(), remember=False)
    assert victim not in (made["clean"].payload / "ids.txt").read_text()


def test_a_step_whose_input_lost_a_file_says_how_to_make_it_again(project: Path) -> None:
    made = run(open_workspace(project / "recipe.yaml"), Silent(), until="raw", remember=False)
    Documents(made["raw"].payload, "").shards()[0].unlink()
    with pytest.raises(LmworksError, match=r"part-00000.parquet: No such file.*`lmworks build --rebuild raw`"):
        run(open_workspace(project / "recipe.yaml"), Silent(), remember=False)
