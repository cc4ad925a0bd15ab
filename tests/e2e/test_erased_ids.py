"""Ids that `erase` is given are of records: what only looks like one is a value, and nothing is certified of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.data_support import KEY
from e2e.erasing import build, listed, said
from lmworks.data.shards.records import Documents
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.store import Store

MAIL, CUSTOMER, OTHER = "jane@example.org", "77d0745dc3a1524881de8cdc02bed843", "0123456789abcdef" * 2
ROWS = [
    {"text": f"Write to {MAIL} about the ladder", "patient": "", "case": OTHER},
    {"text": "The lamp in the hall is broken once more", "patient": "", "case": CUSTOMER},
    {"text": "The lamp in the garden is broken, too", "patient": "", "case": CUSTOMER},
    {"text": "Nobody wrote about the bridge over the stream", "patient": "", "case": OTHER},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    build(tmp_path, ROWS, subject_field="case")
    return tmp_path


def texts(folder: Path) -> list[str]:
    raw = Documents(Store(folder / ".lmworks").named("raw").payload, "")
    return sorted(document.text for document in raw.iterate())


def test_a_subject_that_looks_like_an_id_is_taken(folder: Path) -> None:
    said(MAIL, CUSTOMER, apply=True, certificate=folder / "told.json")
    told = json.loads((folder / "told.json").read_text())
    assert told["taken"] == [{"reason": "value", "source": "rows", "records": 3}]
    build(folder, ROWS, subject_field="case")
    assert texts(folder) == [ROWS[3]["text"]]


def test_an_id_that_no_record_has_is_told_and_certified_by_nothing(folder: Path) -> None:
    wrong = "f" * 32
    with pytest.raises(LmworksError, match=f"no document holds value 1 of 1, nor has any the id {wrong}"):
        said(wrong, apply=True)
    lines = said(MAIL, wrong, apply=True, certificate=folder / "told.json")
    assert (
        f"no document holds value 2 of 2, nor has any the id {wrong}" in lines and "1 of 4 records are taken" in lines
    )
    told = json.loads((folder / "told.json").read_text())
    assert told["taken"] == [{"reason": "value", "source": "rows", "records": 1}] and wrong not in told["records"]
    assert wrong not in (folder / "erased-documents.txt").read_text()


def test_an_id_that_was_erased_before_is_not_counted_as_taken_again(folder: Path) -> None:
    (name,) = listed(MAIL)["records"]
    said(MAIL, apply=True)
    build(folder, ROWS, subject_field="case")
    counts = listed(name, CUSTOMER)["counts"]
    assert (counts["taken"], counts["erased_before"]) == (2, 1)
    assert "1  more were erased before" in said(name, CUSTOMER, apply=True, certificate=folder / "told.json")
    told = json.loads((folder / "told.json").read_text())
    assert told["taken"] == [{"reason": "value", "source": "rows", "records": 2}]


def test_what_is_confirmed_must_be_listed(folder: Path) -> None:
    (offered,) = listed(MAIL)["not_taken"]
    unlisted = next(iter(listed(CUSTOMER)["records"]))
    before = texts(folder)
    for wrong in ("f" * 32, unlisted):
        with pytest.raises(UsageError, match=f"--with {wrong}: no record of this id is listed as NOT TAKEN"):
            said(MAIL, also=[offered, wrong], apply=True)
    assert texts(folder) == before and not (folder / "erased-documents.txt").exists()
    assert listed(MAIL, also=[offered, *listed(MAIL)["records"]])["counts"]["taken"] == 2


def test_what_was_confirmed_is_searched_for_again(folder: Path) -> None:
    (offered,) = listed(MAIL)["not_taken"]
    said(MAIL, also=[offered], apply=True)
    build(folder, ROWS, subject_field="case")
    assert "it was erased before" in said(MAIL, also=[offered], certificate=folder / "told.json")
    assert offered in json.loads((folder / "told.json").read_text())["records"]
