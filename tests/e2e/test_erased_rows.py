"""Of rows without a key, a number that goes over to another record takes none out, and both commands tell of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.data_support import KEY
from e2e.erasing import listed, said
from e2e.test_erasure_beside_a_build import Silent
from lmworks.data.shards.records import Documents
from lmworks.pipeline.erasure import erased_contents, erased_documents
from lmworks.pipeline.store import Store
from lmworks.workspace import open_workspace, run

MAIL = "quennell@ash.example"


class Hearing(Silent):
    """Keeps what a build says."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows() -> list[dict[str, str]]:
    made = [{"n": str(number), "text": f"Member {number} asked about the lamp in hall {number}"} for number in range(6)]
    made[2]["text"] = f"Letter of Quennell Ashdown about the lamp in hall three, {MAIL}"
    return made


def build(folder: Path, rows: list[dict[str, str]], **source: Any) -> tuple[list[str], str]:
    """The texts that a build reads, and what it says."""
    (folder / "rows").mkdir(exist_ok=True)
    (folder / "rows" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources = [{"kind": "files", "name": "letters", "path": "rows", "licence": "CC0-1.0", **source}]
    data: dict[str, Any] = {"raw": {"kind": "ingest", "sources": sources, "licences": {"allow": ["CC0-1.0"]}}}
    recipe = {"name": "mill", "use_case": "tests", "plan": {"measure": False}, "data": data}
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    heard = Hearing()
    run(open_workspace(folder / "recipe.yaml"), heard, workers=1)
    raw = Documents(Store(folder / ".lmworks").named("raw").payload, "")
    return sorted(document.text for document in raw.iterate()), "\n".join(heard.lines)


def test_the_row_behind_one_that_was_erased_and_deleted_stays(folder: Path) -> None:
    build(folder, rows())
    assert listed(MAIL)["without_key_field"] == ["letters"]
    assert "source letters has no key_field" in said(MAIL, apply=True)
    others = [row for row in rows() if MAIL not in row["text"]]
    for _ in range(2):
        texts, lines = build(folder, others)
        assert texts == [row["text"] for row in others]
    texts, lines = build(folder, others[1:])
    assert texts == [row["text"] for row in others[1:]]
    assert "1 records have the number of an erased one in their file, and another text" in lines
    texts, _ = build(folder, rows())
    assert texts == [row["text"] for row in others], "what was erased is left out in its place"
    said("Member 3", apply=True)
    assert {*erased_contents(folder)} == {*erased_documents(folder)}
    assert build(folder, others)[0] == [row["text"] for row in others if "Member 3" not in row["text"]]


def test_a_row_that_was_erased_by_its_id_is_known_by_its_text(folder: Path) -> None:
    texts, _ = build(folder, rows())
    (name,) = listed("Member 4")["records"]
    said(name, apply=True)
    assert build(folder, rows())[0] == [text for text in texts if "Member 4" not in text]
    changed = rows()
    del changed[4]
    assert build(folder, changed)[0] == [text for text in texts if "Member 4" not in text]


def test_a_row_with_a_key_stays_out_though_its_text_was_changed(folder: Path) -> None:
    build(folder, rows(), key_field="n")
    (name,) = listed("Member 4")["records"]
    assert listed(name)["without_key_field"] == []
    assert "key_field" not in said(name, apply=True)
    changed = rows()
    changed[4]["text"] = "The member asked about something else"
    texts, lines = build(folder, changed, key_field="n")
    assert changed[4]["text"] not in texts and "erased one" not in lines
