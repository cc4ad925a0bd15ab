"""What was damaged in a store: erased all the same, taken by no build, told by its name; and stores beside a store."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from data.data_support import KEY
from e2e.small_recipe import lmworks
from lmworks.cli.erase import erase
from lmworks.data.shards.records import Documents
from lmworks.data.sources import sql
from lmworks.pipeline import erasure
from lmworks.pipeline.erasure import ERASED
from lmworks.pipeline.store import Store

pytestmark = pytest.mark.slow

TEXT = "note {} of the house"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few notes, a shard each, and a recipe that reads and normalises them."""
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    (tmp_path / "texts").mkdir()
    for number in range(6):
        (tmp_path / "texts" / f"{number}.txt").write_text(TEXT.format(number))
    source = {"kind": "files", "path": "texts", "licence": "MIT"}
    gate = {"allow": ["permissive"]}
    data = {
        "raw": {"kind": "ingest", "sources": [source], "licences": gate, "shard_bytes": 1},
        "clean": {"kind": "normalise", "from": "raw"},
    }
    recipe = {"name": "small", "use_case": "tests", "plan": {"measure": False}, "data": data}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    lmworks(tmp_path, "build", "recipe.yaml")
    return tmp_path


def store(project: Path) -> Store:
    return Store(project / ".lmworks")


def victim(project: Path) -> str:
    """The id of a note."""
    return next(each.id for each in Documents(store(project).named("raw").payload, "").iterate() if "3" in each.text)


def texts(project: Path) -> list[str]:
    """Of all shards that are left and can be read."""
    return [
        each.text
        for folder in {path.parent for path in (project / ".lmworks").rglob("*.parquet")}
        for each in Documents(folder, "").iterate()
    ]


def test_a_damaged_shard_keeps_nothing_from_being_erased(project: Path) -> None:
    name = victim(project)
    for shard in store(project).named("clean").payload.glob("*.parquet"):
        shard.write_bytes(shard.read_bytes()[:-5])
    assert "deleted" in lmworks(project, "erase", name, "--apply").stdout
    assert TEXT.format(3) not in texts(project)
    lmworks(project, "build", "recipe.yaml")
    assert set(texts(project)) == {TEXT.format(number) for number in (0, 1, 2, 4, 5)}


@pytest.mark.parametrize("damage", ["forged", "cut short", "index"])
def test_what_tells_of_a_unit_is_believed_as_it_was_written_alone(project: Path, damage: str) -> None:
    for path in (project / ".lmworks" / "artifacts").glob("*/*/beside/units/*/*.json"):
        content = path.read_text()
        if (damage == "index" and path.name == "index.json") or (damage == "cut short" and path.name != "index.json"):
            path.write_text(content[: len(content) // 2])
        elif damage == "forged" and path.name != "index.json":
            path.write_text(content.replace('"documents": 1', '"documents": 1000'))
    (project / "texts" / "0.txt").write_text("another note")
    lmworks(project, "build", "recipe.yaml")
    assert store(project).named("raw").manifest.counts["documents"] == 6
    assert store(project).named("clean").manifest.counts["documents"] == 6


def test_what_an_index_names_elsewhere_is_neither_read_nor_written(project: Path) -> None:
    victim_file = project / "elsewhere"
    victim_file.write_text("mine")
    for path in (project / ".lmworks" / "artifacts").glob("*/*/beside/units/*/index.json"):
        entries = json.loads(path.read_text())
        for entry in entries:
            entry[2]["beside/../../../../../../elsewhere"] = hashlib.sha256(b"mine").hexdigest()
        path.write_text(json.dumps(entries))
    (project / "texts" / "0.txt").write_text("another note")
    lmworks(project, "build", "recipe.yaml")
    assert victim_file.stat().st_nlink == 1 and victim_file.read_text() == "mine"


def test_an_erasure_follows_no_link_out_of_the_store(project: Path) -> None:
    name, photos = victim(project), project / "photos"
    photos.mkdir()
    (photos / "beach.jpg").write_text("a beach")
    folder = project / ".lmworks" / "artifacts" / "ingest" / "ffff"
    folder.mkdir()
    (folder / "payload").symlink_to(photos)
    (folder / ERASED).write_text("{}")
    said = lmworks(project, "erase", name, "--apply", code=1).stderr
    assert "ingest/ffff/payload: a link that leads out of the store" in said
    assert (photos / "beach.jpg").read_text() == "a beach"


@pytest.mark.parametrize("place", ["add_erased", "forget_rows", "write_manifest", "write_manifest again", "_shards"])
def test_an_erasure_that_was_cut_off_is_told_until_it_is_ended(
    project: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a kill meets it."""
    name, calls = victim(project), iter(range(9))
    function, *again = place.split()
    module = next(each for each in (sql, erasure) if hasattr(each, function))
    original = getattr(module, function)

    def killed(*given: Any) -> Any:
        if next(calls) < len(again):
            return original(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, contextlib.chdir(project):
        patched.setattr(module, function, killed)
        with pytest.raises(KeyboardInterrupt):
            erase([name], apply=True)
    for command in (["status"], ["gc", "--apply"], ["build", "recipe.yaml", "--until", "raw"], ["status"]):
        done = lmworks(project, *command)
        told = re.search(r"erasure was cut off.* `lmworks (erase .* --apply)`", done.stdout + done.stderr)
        assert told or command[0] == "gc", command
    again_given = told[1].replace("$(cat .lmworks/erasing.txt)", name).split()
    assert "deleted" in lmworks(project, *again_given).stdout
    assert "cut off" not in lmworks(project, "status").stdout
    assert TEXT.format(3) not in texts(project)
    lmworks(project, "build", "recipe.yaml")
    assert set(texts(project)) == {TEXT.format(number) for number in (0, 1, 2, 4, 5)}


def test_an_erasure_that_was_cut_off_is_told_beside_another_that_ended(project: Path) -> None:
    name = victim(project)
    other = next(each for each in (store(project).named("raw").payload / "ids.txt").read_text().split() if each != name)
    erasure.begin(store(project), [name])
    lmworks(project, "erase", other, "--apply")
    assert "cut off" in lmworks(project, "status").stdout
    assert TEXT.format(3) in texts(project)
    lmworks(project, "erase", name, "--apply")
    assert "cut off" not in lmworks(project, "status").stdout
    assert TEXT.format(3) not in texts(project)


def test_an_erasure_names_its_store_and_those_that_it_did_not_look_at(project: Path) -> None:
    name = victim(project)
    lmworks(project, "build", "recipe.yaml", "--until", "clean", "--store", "other")
    said = lmworks(project, "erase", name, "--apply").stdout
    assert said.startswith("in other:\n")
    beside = project / ".lmworks"
    assert f"NOT LOOKED AT: {beside} was built in, too: run this command again with --store {beside}" in said
    assert "deleted" in lmworks(project, "erase", name, "--apply", "--store", str(beside)).stdout
    assert TEXT.format(3) not in texts(project)


def is_forgotten(project: Path, name: str, *erase_from: str) -> bool:
    """Whether a note stays away from the builds after its erasure, which must be noted beside the recipe."""
    assert "deleted" in lmworks(project, "erase", name, "--apply", *erase_from).stdout
    lmworks(project, "build", "recipe.yaml", *erase_from)
    return name in (project / "erased-documents.txt").read_text() and TEXT.format(3) not in texts(project)


@pytest.mark.parametrize("written", ["now", "by an older version"])
def test_an_erasure_in_a_store_that_is_a_link_holds(project: Path, written: str) -> None:
    disk = project / "disk" / "deep" / "store"
    disk.parent.mkdir(parents=True)
    (project / ".lmworks").rename(disk)
    (project / ".lmworks").symlink_to(disk)
    lmworks(project, "build", "recipe.yaml")
    record = disk / "builds" / "small.json"
    if written == "by an older version":
        record.write_text(json.dumps(json.loads(record.read_text()) | {"recipe": "../recipe.yaml"}))
    assert is_forgotten(project, victim(project))
    assert not list(disk.parent.glob("erased*"))


def test_an_erasure_is_noted_beside_the_link_that_a_recipe_is(project: Path) -> None:
    (project / "recipes").mkdir()
    (project / "recipe.yaml").rename(project / "recipes" / "recipe.yaml")
    (project / "recipe.yaml").symlink_to("recipes/recipe.yaml")
    lmworks(project, "build", "recipe.yaml")
    assert is_forgotten(project, victim(project))


def test_an_erasure_is_noted_beside_every_recipe_that_read_the_document(project: Path) -> None:
    other = project / "other"
    recipe = json.loads((project / "recipe.yaml").read_text())
    recipe["data"].pop("clean")
    (other / "texts").mkdir(parents=True)
    (other / "texts" / "a.txt").write_text("of another folder")
    (other / "recipe.yaml").write_text(json.dumps(recipe | {"name": "another"}))
    name = victim(project)
    lmworks(project, "build", "other/recipe.yaml", "--store", ".lmworks")
    assert is_forgotten(project, name, "--store", ".lmworks")


@pytest.mark.parametrize("command", [["erase", "--apply"], ["erase"], ["data", "find"]])
def test_nothing_is_erased_or_sought_where_the_recipe_is_not(project: Path, command: list[str]) -> None:
    name = victim(project)
    (project / "recipe.yaml").rename(project / "renamed.yaml")
    said = lmworks(project, *command, name if command[0] == "erase" else "jane@example.org", code=1).stderr
    assert f"{project / 'recipe.yaml'}: " in said and "small.json" in said and "lmworks build" in said
    assert TEXT.format(3) in texts(project) and not (project / "erased-documents.txt").exists()
    lmworks(project, "build", "renamed.yaml")
    assert "deleted" in lmworks(project, "erase", name, "--apply").stdout


def test_a_step_of_which_a_file_is_gone_or_cut_is_not_told_to_be_built(project: Path) -> None:
    shard = next(store(project).named("clean").payload.glob("part-*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-10])
    said = lmworks(project, "status").stdout.splitlines()
    assert said[0].startswith("built   raw") and said[1].startswith(f"damaged clean  {shard.name} has ")
    shard.unlink()
    said = lmworks(project, "status").stdout.splitlines()
    assert f"{shard.name}: No such file or directory" in said[1] and "--rebuild clean" in said[1]
    lmworks(project, "build", "recipe.yaml", "--rebuild", "clean")
    assert all(line.startswith("built ") for line in lmworks(project, "status").stdout.splitlines())
