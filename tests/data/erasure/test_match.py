"""`lmworks erase --match REGEX` takes records in forms that no search for a value knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.data_support import KEY
from e2e.erasing import build, listed, said
from lmworks.data.shards.records import Documents
from lmworks.errors import UsageError
from lmworks.pipeline.store import Store

ROWS = [
    {"text": "A note on the patient P. M. Quillfeather of ward 7", "patient": ""},
    {"text": "A note on Pippa QUÍLLFEATHER, who is well and walks in the garden again", "patient": ""},
    {"text": "A note on &#81;uillfeather in another encoding", "patient": ""},
    {"text": "A note on somebody else", "patient": ""},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    build(tmp_path, ROWS)
    return tmp_path


def left(folder: Path) -> list[str]:
    raw = Documents(Store(folder / ".lmworks").named("raw").payload, "")
    return sorted(document.text for document in raw.iterate())


def test_records_that_match_are_taken_and_no_build_reads_them_again(folder: Path) -> None:
    found = listed(match=["quillfeather"])
    assert set(found["records"].values()) == {"matches --match"} and len(found["records"]) == 3
    assert found["counts"]["by_reason"] == {"match": 3} and not found["not_held"]
    path = folder / "certificate.json"
    said(match=["quillfeather"], apply=True, certificate=path)
    certificate = json.loads(path.read_text())
    assert certificate["holding"] == 0 and len(certificate["patterns"]) == 1
    assert "quillfeather" not in path.read_text().lower()
    build(folder, [*ROWS, ROWS[1] | {"patient": "again"}])
    assert left(folder) == [ROWS[3]["text"]], "not under another number either"


def test_a_certificate_searches_for_the_pattern(folder: Path) -> None:
    (folder / ".lmworks" / "log.txt").write_text("read P. Quillfeather")
    with pytest.raises(Exception, match="still hold erased values: 1"):
        said(match=["quillfeather"], apply=True, certificate=folder / "certificate.json")


def test_a_pattern_that_matches_nothing_or_is_none_erases_nothing(folder: Path) -> None:
    with pytest.raises(Exception, match=r"--match.*matches no record.*nothing was erased"):
        said(match=["nobody at all"], apply=True)
    with pytest.raises(UsageError, match=r"--match \(: "):
        said(match=["("], apply=True)
    for everything in ("", ".*", "x?"):
        with pytest.raises(UsageError, match="it matches every text"):
            said(match=[everything], apply=True)
    with pytest.raises(UsageError, match="--match REGEX"):
        said()
    assert len(left(folder)) == 4
