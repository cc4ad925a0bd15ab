"""A store records for which values each shard was searched, so that later builds do not search it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.data_support import KEY
from e2e.erasing import said
from e2e.test_erasure_beside_a_build import Silent
from lmworks.data.erased.searched import SEARCHED, Searched
from lmworks.data.erased.values import Erased, Form, Line
from lmworks.data.erasure.taken import Taken
from lmworks.pipeline.units import Entry, Unit
from lmworks.workspace import open_workspace, run


def unit(*files: str) -> Unit:
    """A unit of work with a record and files of these digests."""
    return Unit(Path("folder"), "shards", 0, Entry("key", (), {name: name for name in files}, "record of " + files[0]))


def test_what_was_noted_is_known_of_the_same_files_alone(tmp_path: Path) -> None:
    searched = Searched(tmp_path)
    searched.note(unit("a"), ["x", "y"])
    searched.note(unit("b"), ["y"])
    searched.write()
    again = Searched(tmp_path)
    assert again.values_of(unit("a")) == {"x", "y"}
    assert again.values_of(unit("b")) <= {"y"} and again.values_of(unit("c")) == set()
    assert again.values_of(unit("a", "c")) == set(), "each file of a unit must have been searched"
    again.note(unit("b"), ["x", "z"])
    assert again.values_of(unit("b")) >= {"x"} and "z" not in again.values_of(unit("a"))


@pytest.mark.parametrize("text", ["", "{}", '{"values": 1, "files": {}}', "[1, 2]", "not JSON"])
def test_a_damaged_record_says_that_nothing_was_searched(tmp_path: Path, text: str) -> None:
    (tmp_path / SEARCHED).write_text(text)
    assert Searched(tmp_path).values_of(unit("a")) == set()


def test_a_shard_that_was_made_again_without_erased_values_is_noted_for_later_ones(tmp_path: Path) -> None:
    made_again = Unit(tmp_path / "artifact", "shards", 0, Entry("key", (), {"file": "digest of a file"}, "of a record"))
    made_again.record_path.parent.mkdir(parents=True)
    made_again.record_path.write_text(json.dumps({"facts": {"searched": ["x"]}}))
    earlier = Searched(tmp_path)
    earlier.note(unit("a"), ["x"])
    earlier.write()
    Taken(["Ann Lee"], units=[unit("a"), made_again]).note_searched(tmp_path, [Line("y", Form("name"))])
    assert Searched(tmp_path).values_of(made_again) == {"x", "y"}


def test_a_build_searches_each_shard_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    sources = [{"kind": "files", "path": "texts", "licence": "MIT"}]
    raw = {"kind": "ingest", "sources": sources, "licences": {"allow": ["permissive"]}, "shard_bytes": 700}
    recipe = {"name": "small", "use_case": "tests", "plan": {"measure": False}, "data": {"raw": raw}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    for name in ("Íñigo Núñez", "Ann Lee"):
        (tmp_path / "texts" / f"{name}.txt").write_text(f"A letter of {name} on chairs and tables")

    def searched_by_a_build(number: int) -> int:
        """Return how many letters on lamps a build searches, after another one was written."""
        (tmp_path / "texts" / f"{number}.txt").write_text(f"Letter {number} of somebody else " + "on lamps " * 60)
        texts: list[str] = []
        find = Erased.find
        with monkeypatch.context() as patched:
            patched.setattr(Erased, "find", lambda self, some: texts.extend(some) or find(self, some))
            run(open_workspace(tmp_path / "recipe.yaml"), Silent(), workers=1)
        return sum("lamps" in text for text in texts)

    for number in range(6):
        assert searched_by_a_build(number) == 0
    said("INIGO NUNEZ", apply=True)
    searched_by_a_build(6)
    assert searched_by_a_build(6) == 0
    assert 0 < searched_by_a_build(7) < 4
