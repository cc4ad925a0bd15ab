"""A certificate can be had again, and later, of what was erased; and an erasure that was cut off is ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.data_support import KEY
from e2e.erasing import build, said
from lmworks.data.shards.records import Documents
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline import erasure
from lmworks.pipeline.erasure import unfinished
from lmworks.pipeline.store import Store

MAIL = "jane@example.org"
ROWS = [
    {"text": f"Write to {MAIL} about the ladder", "patient": "", "case": "F1"},
    {"text": "Der Garten ist wieder grün", "patient": "", "case": "F1"},
    {"text": "A letter of somebody else on chairs", "patient": "", "case": "F2"},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    build(tmp_path, ROWS, subject_field="case")
    return tmp_path


@pytest.mark.whole
@pytest.mark.parametrize("apply", [False, True])
def test_a_certificate_is_had_again(folder: Path, apply: bool) -> None:
    path = folder / "told.json"
    with pytest.raises(UsageError, match="add --apply"):
        said(MAIL, certificate=path)
    said(MAIL, "der Garten", apply=True)
    build(folder, ROWS, subject_field="case")
    (folder / ".lmworks" / "reports").mkdir(exist_ok=True)
    (folder / ".lmworks" / "reports" / "mine.json").write_text("{}")
    lines = said(MAIL.upper(), apply=apply, certificate=path)
    told = json.loads(path.read_text())
    assert told["holding"] == 0 and told["again"] and told["files"] > 3 and told["values"]
    assert "it was erased before" in lines and "searched afterwards: nothing was found" in lines
    assert (folder / ".lmworks" / "reports" / "mine.json").exists(), "nothing more is deleted"
    (folder / ".lmworks" / "left.jsonl").write_text('{"said": "Im Garten steht der Garten"}\n')
    with pytest.raises(LmworksError, match="files that still hold erased values: 1"):
        said(MAIL, apply=apply, certificate=path)


def test_a_certificate_of_an_id_is_had_again(folder: Path) -> None:
    raw = Documents(Store(folder / ".lmworks").named("raw").payload, "")
    name = next(each.id for each in raw.iterate() if "chairs" in each.text)
    said(name, apply=True)
    build(folder, ROWS, subject_field="case")
    said(name, certificate=folder / "told.json")
    assert json.loads((folder / "told.json").read_text())["records"] == [name]
    with pytest.raises(LmworksError, match="nor has any the id 0"):
        said("0" * 32, certificate=folder / "told.json")


@pytest.mark.parametrize("at", ["add_erased", "begin"])
def test_what_was_killed_before_anything_was_deleted_is_told_how_to_be_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    store, path = Store(folder / ".lmworks"), folder / "told.json"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(erasure, at, killed)
        with pytest.raises(KeyboardInterrupt):
            said(MAIL, apply=True, certificate=path)
    if at == "begin":  # nothing of it is known: the same command does it
        assert "1 of 3 records are taken:\n       1  with a value" in said(MAIL, apply=True, certificate=path)
        certified = json.loads(path.read_text())
        assert unfinished(store) == "" and certified["holding"] == 0
        assert certified["taken"] == [{"reason": "value", "source": "rows", "records": 1}]
    else:
        assert "--apply" in unfinished(store)
        ids = (folder / ".lmworks" / "erasing.txt").read_text().split()
        said(*ids, apply=True)
        assert "an erasure was interrupted" not in unfinished(store)
