"""Opening a recipe only looks; a build makes what is kept beside it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lmworks.data.identity import KEY_FILE, PRIVACY_KEY, key_digest, load_id_key
from lmworks.pipeline.display import PlainDisplay
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
