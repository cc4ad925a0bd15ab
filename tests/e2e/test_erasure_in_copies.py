"""Folders and stores that were copied or moved: an erasure changes none that is another's, and passes over none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e2e.erasing import said
from e2e.test_erasure_beside_a_build import Silent
from lmworks.errors import UsageError
from lmworks.workspace import open_workspace, run

RECIPE = """\
name: letters
use_case: tests
plan: {measure: false}
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts, licence: CC0-1.0}], licences: {allow: [CC0-1.0]}}
"""
WHO = "jane.roe@example.org"
LISTS = ("erased-documents.txt", "erased-values.txt")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe, in which the test works."""
    monkeypatch.delenv("LMWORKS_ID_KEY", raising=False)
    folder = tmp_path / "project"
    (folder / "texts").mkdir(parents=True)
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "texts" / "letter.txt").write_text(f"Please write to {WHO} about the invoice.")
    (folder / "texts" / "other.txt").write_text("The ferry leaves the harbour at noon.")
    monkeypatch.chdir(folder)
    return folder


def build(recipe: str = "recipe.yaml", store: str | None = None) -> None:
    run(open_workspace(Path(recipe), store=Path(store) if store else None), Silent(), workers=1)


def holds(store: Path) -> bool:
    """Whether the record that is to be erased stands in a store."""
    return any(len(ids.read_text().split()) == 2 for ids in store.glob("artifacts/ingest/*/payload/ids.txt"))


def copied(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(folder, folder.with_name(name), symlinks=True))


@pytest.mark.parametrize("named", [True, False], ids=["--store", "as last"])
def test_a_copied_store_changes_nothing_beside_the_recipes_of_what_it_was_copied_from(
    project: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    work = project.with_name("work")
    work.mkdir()
    monkeypatch.chdir(work)
    build("../project/recipe.yaml", "store")
    monkeypatch.chdir(copied(work, "copy"))
    before = {path: path.read_bytes() for path in project.glob(".lmworks-*")}
    for options in ({}, {"apply": True}):
        with pytest.raises(UsageError, match=f"its records name {project}.*does not name it(?s:.*)RECIPE --store"):
            said(WHO, **options, **({"store": Path("store")} if named else {}))
    assert holds(work / "store") and holds(Path("store")), "nothing was begun"
    assert {path: path.read_bytes() for path in project.glob(".lmworks-*")} == before
    assert not any((project / name).exists() for name in LISTS)
    build("../project/recipe.yaml", "store")
    assert f"NOT LOOKED AT: {work / 'store'} was built in, too" in said(WHO, apply=True), "it is the recipe's by now"
    assert not holds(Path("store"))
    assert all((project / name).exists() for name in LISTS)


def test_a_copied_folder_is_not_sent_to_erase_in_stores_of_what_it_was_copied_from(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = project.with_name("shared")
    build(store="../shared")
    build()
    assert f"NOT LOOKED AT: {shared} was built in, too: run this command again" in said(WHO)
    monkeypatch.chdir(copied(project, "copy"))
    told = said(WHO, apply=True)
    assert f"NOT LOOKED AT: {shared} is noted in" in told and f"was built in from {project}, not from here" in told
    assert holds(shared) and holds(project / ".lmworks") and not holds(Path(".lmworks"))
    build(store="../shared")
    assert f"{project / '.lmworks'} was built in, too" in said(WHO, store=shared), "it is of both on purpose"
    build()
    assert f"NOT LOOKED AT: {shared} was built in, too" in said(WHO, store=Path(".lmworks"), certificate=Path("c.json"))
    assert str(shared) in json.loads(Path("c.json").read_text())["not_looked_at"]


def test_a_store_of_two_folders_tells_beside_which_recipes_it_is_noted(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(store="../shared")
    other = copied(project, "copy")
    monkeypatch.chdir(other)
    build(store="../shared")
    told = said(WHO, apply=True)
    assert f"noted beside recipes in {project}\n" in told and f"in {other}\n" not in told
    assert all((folder / name).exists() for folder in (project, other) for name in LISTS)


def test_a_store_that_is_not_where_it_was_noted_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = project.with_name("away")
    away.mkdir()
    build()
    monkeypatch.chdir(away)
    build("../project/recipe.yaml", "store")
    monkeypatch.chdir(project)
    away.rename(project.with_name("unmounted"))
    told = said(WHO, apply=True)
    assert f"NOT LOOKED AT: {away / 'store'} is named in {project / '.lmworks-stores'} and is not there" in told
    assert "delete that line" in told


def test_a_moved_folder_is_told_how_to_go_on_with_a_store_that_stayed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = project.with_name("shared")
    build(store="../shared")
    build()
    moved = project.rename(project.with_name("moved"))
    monkeypatch.chdir(moved)
    told = said(WHO)
    assert f"{shared} is noted in {moved} and was built in from {project} (which is not there), not from here" in told
    assert f"`lmworks build RECIPE --store {shared}`" in told
    build(store="../shared")
    build()
    assert f"{shared} was built in, too" in said(WHO)


def test_a_folder_that_was_copied_with_a_link_for_its_store_is_told_first(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = project.with_name("disk")
    disk.mkdir()
    (project / ".lmworks").symlink_to(disk)
    build()
    monkeypatch.chdir(copied(project, "copy"))
    with pytest.raises(UsageError, match="does not name the folder"):
        said(WHO, apply=True)
    assert holds(disk)


def test_stores_that_were_read_are_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build()
    reader = project.with_name("reader")
    reader.mkdir()
    monkeypatch.chdir(reader)
    source = "{kind: artifact, store: ../project/.lmworks, artifact: raw}"
    Path("recipe.yaml").write_text(RECIPE.replace("{kind: files, path: texts, licence: CC0-1.0}", source))
    shutil.copy(project / ".lmworks-id-key", reader)
    build()
    told = json.loads(said(WHO, apply=True, certificate=Path("c.json"), as_json=True))
    read = str(project / ".lmworks")
    assert told["not_looked_at"] == {read: "was read from (artifact raw): erase there, too"}
    assert json.loads(Path("c.json").read_text())["not_looked_at"] == [read]
    assert holds(project / ".lmworks")
