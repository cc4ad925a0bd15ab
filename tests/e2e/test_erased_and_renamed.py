"""Erased documents whose file was renamed are read again under other ids, and that is told once a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.data_support import KEY
from e2e.test_erased_lists_restored import Told
from lmworks.data.identity import ID_KEY
from lmworks.data.records import Documents
from lmworks.pipeline.erasure import add_erased
from lmworks.workspace import open_workspace, run

pytestmark = pytest.mark.slow

RECIPE = """
name: renamed
use_case: a test
data:
  first: {kind: ingest, licences: {allow: [MIT]}, sources: [{kind: files, path: first, licence: MIT}]}
  second: {kind: ingest, licences: {allow: [MIT]}, sources: [{kind: files, path: second, licence: MIT}]}
"""


def test_erased_documents_that_no_step_meets_are_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    for name in ("first/a", "first/b", "first/c", "second/d", "second/e"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.txt").write_text(f"text {name}")
    (tmp_path / "recipe.yaml").write_text(RECIPE)

    def built() -> tuple[list[str], dict[str, str]]:
        told = Told()
        made = run(open_workspace(tmp_path / "recipe.yaml"), told, workers=1)
        documents = (each for name in ("first", "second") for each in Documents(made[name].payload, "").iterate())
        return [line for line in told.lines if "erased documents" in line], {each.text: each.id for each in documents}

    said, ids = built()
    assert said == []
    add_erased(tmp_path, [ids["text first/a"], ids["text second/d"]], ID_KEY.digest(tmp_path))
    assert built()[0] == []  # each step meets one of them
    (tmp_path / "first" / "a.txt").rename(tmp_path / "first" / "renamed.txt")
    (line,), texts = built()
    assert line.startswith("1 of 2 erased documents stand in no source any more")
    assert "text first/a" in texts
    assert built()[0] == [line]  # also where nothing is made anew
