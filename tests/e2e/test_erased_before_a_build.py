"""What is to be erased while no search can reach it is noted, told of, and left out by the next build."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from data.data_support import KEY
from e2e.erasing import build, said
from lmworks.data.shards.records import Documents
from lmworks.errors import LmworksError
from lmworks.pipeline.erasure import unfinished
from lmworks.pipeline.store import Store

pytestmark = pytest.mark.slow

JANE, JOHN = "jane@example.org", "john@example.org"
ROWS = [
    {"text": f"Write to {JANE} about the ladder", "patient": "", "case": "F1"},
    {"text": f"Write to {JOHN} about the chairs", "patient": "", "case": "F2"},
    {"text": "A letter of somebody else on tables", "patient": "", "case": "F3"},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    build(tmp_path, ROWS, subject_field="case")
    return tmp_path


def texts(folder: Path) -> str:
    return " ".join(each.text for each in Documents(Store(folder / ".lmworks").named("raw").payload, "").iterate())


@pytest.mark.parametrize("who", [JOHN, "F2"])
def test_a_second_request_before_the_next_build_is_noted_and_not_lost(folder: Path, who: str) -> None:
    store, path = Store(folder / ".lmworks"), folder / "told.json"
    said(JANE, apply=True)
    with pytest.raises(LmworksError, match=r"not searched: 1\. Type `lmworks build`, then this command"):
        said(who)
    with pytest.raises(LmworksError, match="the next build leaves out records with them"):
        said(who, apply=True, certificate=path)
    told = json.loads(path.read_text())
    assert told["said"].startswith("not complete") and "raw was deleted" in str(told["before"]["not_read"])
    build(folder, ROWS, subject_field="case")
    assert JOHN not in texts(folder) and "tables" in texts(folder)
    assert "searched afterwards: nothing was found" in said(who, apply=True, certificate=path)
    assert unfinished(store) == ""


@pytest.mark.parametrize("is_confirmed", [False, True])
def test_an_id_that_is_given_before_the_next_build_is_noted(folder: Path, is_confirmed: bool) -> None:
    raw = Documents(Store(folder / ".lmworks").named("raw").payload, "")
    name = next(each.id for each in raw.iterate() if JOHN in each.text)
    said(JANE, apply=True)
    with pytest.raises(LmworksError, match="the next build leaves out"):
        said("nobody@example.org" if is_confirmed else name, also=[name] if is_confirmed else [], apply=True)
    build(folder, ROWS, subject_field="case")
    assert JOHN not in texts(folder) and "tables" in texts(folder)


def test_what_a_killed_build_has_read_is_noted_and_deleted(folder: Path) -> None:
    store = Store(folder / ".lmworks")
    (raw,) = (store.root / "artifacts" / "ingest").glob("*")
    work = store.work("0" * 32)
    (work / "beside" / "files").mkdir(parents=True)
    shutil.copytree(raw / "payload", work / "out")
    with pytest.raises(LmworksError, match="not searched: 1"):
        said("nobody@example.org", apply=True)
    assert not work.exists()
    with pytest.raises(LmworksError, match="nothing was erased"):
        said("another@example.org", apply=True)


def test_a_certificate_before_the_build_does_not_say_less_than_the_first_one(folder: Path) -> None:
    rows = [*ROWS, {"text": "A letter on stools by the same person", "patient": "", "case": "F1"}]
    build(folder, rows, subject_field="case")
    path = folder / "told.json"
    said(JANE, apply=True, certificate=path)
    assert json.loads(path.read_text())["not_taken"], "the letter on stools is offered, and comes back with the build"
    with pytest.raises(LmworksError, match="values were erased before, and the next build"):
        said(JANE, certificate=path)
    told = json.loads(path.read_text())
    assert told["said"].startswith("not complete") and told["again"]
    assert "raw was deleted" in str(told["before"]["not_read"])
    with pytest.raises(LmworksError, match="no document that is there holds value 1"):
        said(JANE)
    build(folder, rows, subject_field="case")
    assert "stools" in texts(folder)
    assert "searched afterwards: nothing was found" in said(JANE, certificate=path)
    assert unfinished(Store(folder / ".lmworks")) == ""
