"""Opening a recipe only looks; a build makes what is kept beside it."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest

from lmworks.cli.artifacts import gc
from lmworks.cli.data import data_report
from lmworks.cli.recipes import plan
from lmworks.data.base.identity import KEY_FILE, PRIVACY_KEY, key_digest, load_id_key
from lmworks.errors import UsageError
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.lineage import unused
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built
from lmworks.stores import LAST, STORES, find_named, open_store, other_stores
from lmworks.workspace import open_workspace, run

RECIPE = """\
name: small
use_case: looking
plan: {measure: false}
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
  private: {kind: anonymise, from: raw}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("LMWORKS_ID_KEY", PRIVACY_KEY.variable):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project" / "texts").mkdir(parents=True)
    (tmp_path / "project" / "texts" / "text.txt").write_text("Write to me at one@example.org.")
    (tmp_path / "project" / "recipe.yaml").write_text(RECIPE)
    return tmp_path / "project" / "recipe.yaml"


def test_a_plan_elsewhere_leaves_the_recipes_folder_as_it_is(recipe: Path, tmp_path: Path) -> None:
    workspace = open_workspace(recipe, store=tmp_path / "elsewhere")
    reasons = [workspace.build.look(node)[1] for node in workspace.build.nodes]
    assert sorted(path.name for path in recipe.parent.rglob("*")) == ["recipe.yaml", "text.txt", "texts"]
    assert reasons[0] == "not built before"


def test_a_build_makes_the_keys_and_the_next_one_finds_its_steps(recipe: Path, tmp_path: Path) -> None:
    workspace = open_workspace(recipe, store=tmp_path / "elsewhere")
    made = run(workspace, PlainDisplay(io.StringIO()), workers=1)
    assert {KEY_FILE, PRIVACY_KEY.file} <= {path.name for path in recipe.parent.iterdir()}
    assert made["raw"].manifest.config["id_key_digest"] == key_digest(load_id_key(recipe.parent))
    again = open_workspace(recipe, store=tmp_path / "elsewhere")
    assert [again.build.look(node)[0] for node in again.build.nodes] == [made["raw"], made["private"]]


def build(recipe: Path, store: Path | None = None, until: str | None = None) -> str:
    said = io.StringIO()
    run(open_workspace(recipe, store=store), PlainDisplay(said), workers=1, until=until)
    return said.getvalue()


def stored(recipe: Path, step: str) -> Artifact:
    workspace = open_workspace(recipe)
    found = {node.name: workspace.build.look(node)[0] for node in workspace.build.nodes}[step]
    assert found
    return found


def test_a_step_that_a_build_did_not_reach_is_recorded_as_changed_where_the_recipe_asks_for_another(
    recipe: Path,
) -> None:
    build(recipe)
    build(recipe, until="raw")
    store = open_store(None, recipe)
    assert Built.open(store).outdated == []
    recipe.write_text(RECIPE.replace("from: raw", "from: raw, action: surrogate"))
    build(recipe, until="raw")
    assert Built.open(store).outdated == ["private"]
    build(recipe)
    assert Built.open(store).outdated == []


def test_what_a_namesake_was_built_as_is_kept(recipe: Path) -> None:
    variant = recipe.with_name("variant.yaml")
    variant.write_text(
        RECIPE.replace("from: raw", "from: raw, actions: {email: keep}") + "  more: {kind: normalise, from: raw}\n"
    )
    build(recipe)
    first = stored(recipe, "private")
    said = build(variant)
    store = open_workspace(recipe).store
    assert first not in unused_artifacts(store) and stored(variant, "private") not in unused_artifacts(store)
    assert f"{recipe} was built in this store under the same name, 'small'" in said

    assert "was built in this store" not in build(variant)
    build(recipe, until="raw")
    assert unused_artifacts(store) == set(), "the steps that this build did not reach are as they were built"
    build(variant)
    build(recipe)
    assert len(store.builds.names) == 2, "a file has one record"
    variant.unlink()
    assert "was built in this store" not in build(recipe)


def test_a_recipe_that_is_renamed_has_no_namesake(recipe: Path) -> None:
    build(recipe)
    renamed = recipe.rename(recipe.with_name("renamed.yaml"))
    assert "was built in this store" not in build(renamed)
    assert open_workspace(renamed).store.builds.names == ["small"]


def test_recipes_of_two_folders_whose_stores_are_links_to_one_are_told_apart(recipe: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "recipe.yaml"
    shutil.copytree(recipe.parent, other.parent)
    (tmp_path / "disk").mkdir()
    for folder in (recipe.parent, other.parent):
        (folder / ".lmworks").symlink_to(tmp_path / "disk")
    build(recipe)
    first = stored(recipe, "private")
    assert f"{recipe} was built in this store under the same name, 'small'" in build(other)
    assert first not in unused_artifacts(open_workspace(other).store)


def test_a_report_of_the_data_is_of_the_recipe_that_is_named(recipe: Path, capfd: pytest.CaptureFixture[str]) -> None:
    variant = recipe.with_name("variant.yaml")
    variant.write_text(RECIPE.replace("private:", "veiled:"))
    build(recipe)
    build(variant)
    pages = []
    for path in (recipe, variant):
        data_report(path)
        pages.append(Path(capfd.readouterr().out.strip()).read_text())
    assert ">private<" in pages[0] and "veiled" not in pages[0]
    assert ">veiled<" in pages[1] and ">private<" not in pages[1]


def test_a_recipe_that_is_given_another_name_is_kept_under_that_alone(recipe: Path) -> None:
    variant = recipe.with_name("variant.yaml")
    variant.write_text(RECIPE.replace("from: raw", "from: raw, actions: {email: keep}"))
    build(recipe)
    before = stored(recipe, "private")
    build(variant)
    recipe.write_text(RECIPE.replace("name: small", "name: other").replace("private", "hidden"))
    build(recipe)
    store = open_workspace(recipe).store
    assert store.builds.names == ["other", "small"]
    assert before in unused_artifacts(store) or before == stored(recipe, "hidden")


def test_what_a_recipe_that_is_out_of_reach_was_built_as_is_kept_and_told(
    recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shared, other = tmp_path / "shared", tmp_path / "other" / "recipe.yaml"
    shutil.copytree(recipe.parent, other.parent)
    build(recipe, shared)
    first = {each.folder for each in open_workspace(recipe, store=shared).store.all()}
    recipe.parent.rename(tmp_path / "unmounted")
    gc(apply=True, store=shared)
    assert first == {each.folder for each in open_workspace(other, store=shared).store.all()}
    build(other, shared)
    gc(apply=True, store=shared)
    assert first <= {each.folder for each in open_workspace(other, store=shared).store.all()}
    said = capfd.readouterr().err
    assert f"{recipe}, which is not there: " in said
    (record,) = (shared / "builds").glob("small@*.json")
    assert str(record) in said
    record.unlink()
    gc(store=shared)
    assert "not there" not in capfd.readouterr().err


def unused_artifacts(store: Store) -> set[Artifact]:
    return {Artifact(waste.path) for waste in unused(store) if (waste.path / "manifest.json").exists()}


def test_a_store_that_was_built_in_from_another_folder_is_known(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, away = recipe.parent, tmp_path / "away"
    (away / "deep").mkdir(parents=True)
    monkeypatch.chdir(away)
    build(Path("../project/recipe.yaml"))
    assert not (folder / STORES).exists(), "the store beside a recipe is always known"
    build(Path("../project/recipe.yaml"), Path("deep/store"))
    build(Path("../project/recipe.yaml"), Path("../project/within"))
    monkeypatch.chdir(folder)
    beside = open_workspace(Path("recipe.yaml")).store
    assert [*other_stores(beside, folder)] == [away / "deep" / "store", folder / "within"]
    folder.rename(tmp_path / "moved")
    assert tmp_path / "moved" / "within" in other_stores(beside, tmp_path / "moved")


def test_a_store_that_is_not_remembered_as_the_last_is_known(recipe: Path, tmp_path: Path) -> None:
    run(open_workspace(recipe, store=tmp_path / "trials"), PlainDisplay(io.StringIO()), workers=1, remember=False)
    assert [*other_stores(open_workspace(recipe).store, recipe.parent)] == [tmp_path / "trials"]


def test_stores_that_an_older_version_noted_stay_known(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recipe.parent)
    build(recipe, tmp_path / "old")
    (recipe.parent / STORES).unlink()
    LAST.write_text(json.dumps({"recipe": "recipe.yaml", "store": "../old", "settings": [], "later": 1}))
    build(recipe, tmp_path / "new")
    assert json.loads(LAST.read_text())["later"] == 1, "what a newer version noted is kept"
    assert tmp_path / "old" in other_stores(open_workspace(recipe).store, recipe.parent)
    monkeypatch.chdir(tmp_path)
    assert tmp_path / "old" in other_stores(open_workspace(recipe).store, recipe.parent)


def test_a_store_that_cannot_be_noted_is_told(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = write_atomically

    def refusing(path: Path, content: str) -> None:
        if path.name == STORES:
            raise PermissionError(13, "Permission denied", str(path))
        real(path, content)

    monkeypatch.setattr("lmworks.stores.write_atomically", refusing)
    assert f"{STORES} cannot be written (Permission denied): `lmworks erase`" in build(recipe, tmp_path / "other")


def test_names_that_stay_in_confidential_texts_are_told_before_the_build(recipe: Path) -> None:
    for privacy, told in (("internal", False), ("confidential", True)):
        recipe.write_text(f"{RECIPE}needs: {{privacy: {privacy}}}\n")
        said = build(recipe)
        assert ("private: `needs.privacy` is confidential, but names of persons" in said) == told


LEARNED = """\
  apart: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
  sums: {kind: arithmetic}
tokenizer: {kind: bpe, from: apart}
models:
  lm: {objective: causal-lm, from: scratch, data: DATA, hidden_size: 32, num_heads: 2, num_layers: 1,
    sequence_length: 64, global_batch_tokens: 256, steps: 2}
  tuned: {objective: sft, from: lm, data: sums.train, sequence_length: 64, global_batch_tokens: 256, steps: 2}
"""
WITHOUT = RECIPE.replace("private: {kind: anonymise", "private: {kind: normalise")


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        (WITHOUT, "private"),
        (RECIPE, ""),
        (RECIPE + LEARNED.replace("DATA", "private"), ""),
        (RECIPE + LEARNED.replace("DATA", "apart"), "apart, which lm, tuned learn from"),
        (WITHOUT + LEARNED.replace("DATA", "private"), "private, which lm, tuned learn from"),
    ],
)
def test_where_nobody_looks_for_personal_data_in_confidential_texts_is_told_first(
    recipe: Path, text: str, bare: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for privacy in ("internal", "confidential", "secret"):
        recipe.write_text(f"{text}needs: {{privacy: {privacy}}}\n")
        said = build(recipe, until="raw")
        plan(recipe)
        told = f"`needs.privacy` is {privacy}, and no step looks for personal data in {bare}"
        for words in (said, capsys.readouterr().err):
            assert (told in words) == bool(bare and privacy != "internal"), words
            assert ("no step looks for personal data" in words) == bool(bare and privacy != "internal"), words
        if bare and privacy != "internal":
            assert said.startswith(told), "before any step"


def test_the_last_build_is_found_from_any_folder_of_the_project(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = recipe.parent
    monkeypatch.chdir(folder)
    build(Path("recipe.yaml"))
    deep = folder / "texts" / "deep"
    deep.mkdir()
    monkeypatch.chdir(deep)
    assert open_store(None).root.resolve() == folder / ".lmworks"
    assert f"as last in {folder}: ../../recipe.yaml, store ../../.lmworks" in capfd.readouterr().err
    workspace = open_workspace(None, ["name=renamed"])
    run(workspace, PlainDisplay(io.StringIO()), workers=1)
    assert not (deep / ".lmworks").exists(), "what was taken from above is noted there"
    monkeypatch.chdir(folder)
    assert json.loads(LAST.read_text())["settings"] == ["name=renamed"]
    assert (open_workspace(None).path, open_store(None).root) == (Path("recipe.yaml"), Path(".lmworks"))


def test_a_recipe_that_was_not_built_is_not_passed_by_on_the_way_up(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = recipe.parent
    monkeypatch.chdir(folder.parent)
    build(Path(folder.name) / "recipe.yaml")
    monkeypatch.chdir(folder)
    assert open_store(None).root.resolve() == folder / ".lmworks", "its own was built from above"
    other = folder.parent / "other" / "below"
    other.mkdir(parents=True)
    (other.parent / "recipe.yaml").write_text("name: other\n")
    for place in (other.parent, other):
        monkeypatch.chdir(place)
        with pytest.raises(UsageError, match=r"other/recipe\.yaml was not built yet"):
            open_store(None)


def test_the_way_up_ends_at_a_home_and_at_a_folder_of_somebody_else(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = recipe.parent
    monkeypatch.chdir(folder)
    build(Path("recipe.yaml"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder / "texts")
    with pytest.raises(UsageError, match="or in a folder of yours above it"):
        open_store(None)
    monkeypatch.setenv("HOME", "/elsewhere")
    folder.chmod(0o777)
    with pytest.raises(UsageError, match="or in a folder of yours above it"):
        open_store(None)
    folder.chmod(0o755)
    assert open_store(None)
    monkeypatch.setattr("os.geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(UsageError, match="or in a folder of yours above it"):
        open_store(None)


def test_a_recipe_stands_for_its_last_build_wherever_that_is(recipe: Path, tmp_path: Path) -> None:
    variant = recipe.with_name("variant.yaml")
    variant.write_text(RECIPE.replace("name: small", "name: other").replace("private:", "veiled:"))
    build(recipe)
    build(variant, tmp_path / "elsewhere")
    build(variant)
    build(recipe, tmp_path / "elsewhere")
    assert open_store(None, variant).root == recipe.parent / ".lmworks"
    assert open_store(None, recipe).root == tmp_path / "elsewhere"
    opened, (found,) = find_named([str(variant), "veiled"], None)
    assert (found.stage, opened.builds.last) == ("anonymise", "other")
    assert Built.holding(opened, find_named([str(variant), "raw"], None)[1][0]).name == "other"
    with pytest.raises(UsageError, match="names no model to serve"):
        find_named([str(variant)], None)
    with pytest.raises(UsageError, match=r"absent.yaml: there is no such recipe"):
        find_named(["absent.yaml"], None)
    variant.with_name("new.yaml").write_text(RECIPE)
    with pytest.raises(UsageError, match=r"new.yaml: it was never built here or in a store"):
        find_named([str(variant.with_name("new.yaml"))], None)


def test_a_copied_project_speaks_of_itself(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An erasure in a copy must delete there, and not in what it was copied from."""
    build(recipe)
    shutil.copytree(recipe.parent, tmp_path / "copy")
    shutil.move(tmp_path / LAST.parent, tmp_path / "of the folder above")
    monkeypatch.chdir(tmp_path / "copy")
    assert open_store(None).root.resolve() == tmp_path / "copy" / ".lmworks"
    assert open_workspace(None).path.resolve() == tmp_path / "copy" / "recipe.yaml"
    assert [*other_stores(open_store(None), tmp_path / "copy")] == []


def test_a_folder_names_no_store_elsewhere_that_does_not_name_the_folder(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who fills a folder writes what is the last store there, and `gc` deletes in it."""
    monkeypatch.chdir(recipe.parent)
    monkeypatch.setenv("PWD", str(recipe.parent))
    apart = tmp_path / "apart"
    run(open_workspace(Path("recipe.yaml"), store=apart), PlainDisplay(io.StringIO()), workers=1)
    assert open_store(None).root.resolve() == apart, "built from here"
    other = tmp_path / "other"
    (other / LAST.parent).mkdir(parents=True)
    shutil.copy(recipe, other)
    for store in (str(apart), "../apart"):
        (other / LAST).write_text(json.dumps({"recipe": "recipe.yaml", "store": store, "stores": [], "settings": []}))
        monkeypatch.chdir(other)
        with pytest.raises(UsageError, match=r"names a store outside of its folder(?s:.*)--store"):
            open_store(None)
        assert open_store(apart).root == apart


def test_a_moved_project_names_the_key_that_did_not_come_along(recipe: Path, tmp_path: Path) -> None:
    run(open_workspace(recipe.parent), PlainDisplay(io.StringIO()), workers=1)
    moved = tmp_path / "moved"
    shutil.copytree(recipe.parent, moved)
    (moved / KEY_FILE).unlink()
    with pytest.raises(UsageError, match=rf"moved/{KEY_FILE} is missing: .*\nCopy the file from .* --new-id-key"):
        run(open_workspace(moved), PlainDisplay(io.StringIO()), workers=1)
    assert not (moved / KEY_FILE).exists()
    shutil.copy(recipe.parent / KEY_FILE, moved)
    again = open_workspace(moved)
    assert again.path == moved / "recipe.yaml" and again.build.look(again.build.nodes[0])[0]


def test_a_folder_stands_for_its_recipe(recipe: Path) -> None:
    run(open_workspace(recipe.parent), PlainDisplay(io.StringIO()), workers=1)
    opened, (found,) = find_named([str(recipe.parent), "raw"], None)
    assert found.stage == "ingest" and open_store(None, recipe.parent).root == opened.root
    with pytest.raises(UsageError, match=r"texts/recipe.yaml: this file cannot be read"):
        open_workspace(recipe.parent / "texts")
