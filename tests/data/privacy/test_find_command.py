"""From a recipe to one person's documents, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks

RECIPE = """\
name: letters
use_case: answering letters
plan: {measure: false}
data:
  raw: {kind: ingest, sources: [{kind: files, path: letters, licence: CC0-1.0}], licences: {allow: [CC0-1.0]}}
  private: {kind: anonymise, from: raw, action: surrogate, actions: {card: drop}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A built recipe over three letters."""
    (tmp_path / "letters").mkdir()
    letters = ["Write to jane@example.com.", "My card 4111 1111 1111 1111; jane@example.com", "Nothing to see here."]
    for number, letter in enumerate(letters):
        (tmp_path / "letters" / f"{number}.txt").write_text(letter)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    lmworks(tmp_path, "build", "recipe.yaml")
    return tmp_path


@pytest.mark.slow
def test_a_person_is_found_with_the_key_that_the_build_made(project: Path) -> None:
    found = json.loads(lmworks(project, "data", "find", "Jane@Example.com", "--json").stdout)
    assert [place["kind"] for place in found] == ["email", "email"]
    said = lmworks(project, "data", "find", "4111111111111111").stdout.split()
    assert said[1:] == ["card", "private"]
    assert said[0] in {place["document"] for place in found}
    told = lmworks(project, "data", "find", "joe@example.com", code=1).stderr
    assert "not in the index of data masked by `anonymise` steps" in told
    assert json.loads(lmworks(project, "data", "find", "Nothing to see", "--json", code=1).stdout) == []
    told = lmworks(project, "data", "find", "Nothing to see", code=1).stderr
    assert "no text was searched" in told and "no document" not in told, "a letter holds it"
    assert (project / ".lmworks-privacy-key").stat().st_mode & 0o77 == 0
    (project / ".lmworks-privacy-key").unlink()
    assert "restore" in lmworks(project, "data", "find", "jane@example.com", code=2).stderr
    assert not (project / ".lmworks-privacy-key").exists()


@pytest.mark.whole
def test_what_is_shown_tells_how_much_is_found_and_no_personal_text(project: Path) -> None:
    shown = lmworks(project, "show", "private").stdout
    assert "recall of email" in shown and "recall of phone/DE" in shown and "templates of another author" in shown
    assert "[CARD]; [EMAIL]" in shown
    assert "jane@" not in shown and "4111" not in shown


@pytest.mark.slow
def test_a_person_is_erased_by_what_the_person_is_found_by(project: Path) -> None:
    said = lmworks(project, "erase", "jane@example.com", "joe@example.com", "--apply").stdout
    assert "no document holds value 2 of 2" in said and "joe" not in said and "deleted" in said
    lmworks(project, "build")
    assert json.loads(lmworks(project, "show", "raw", "--json").stdout)["counts"]["erased"] == 2
    assert "not in the index" in lmworks(project, "data", "find", "jane@example.com", code=1).stderr
