"""What stands inside of a longer name, number, address or in a folder's name is offered by `erase`, and not taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.data_support import KEY
from e2e.erasing import listed, said
from e2e.test_erasure_beside_a_build import Silent
from lmworks.data.shards.records import Documents
from lmworks.errors import LmworksError
from lmworks.pipeline.store import Store
from lmworks.workspace import open_workspace, run

pytestmark = pytest.mark.slow

ROWS = {
    "ko": "김민수 고객님께 내일 오전에 전화 바랍니다",
    "ko2": "고객 김민수의 주소는 서울시 종로구입니다",
    "ko3": "어제 김민수빈이 전화했습니다",
    "de": "Ring Ulf on +49 171 5550123 about the boiler in Bonn",
    "at": "Ring Resi on +43 171 5550123 about the ski lift in Graz",
    "mail": "Padraig is at dalaigh@post.example about the kiln",
    "mail2": "Siobhan is at o'dalaigh@post.example about the mill",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    for name in ("Petra Holm", "rows"):
        (tmp_path / "files" / name).mkdir(parents=True)
    for name, text in ROWS.items():
        (tmp_path / "files" / "rows" / f"{name}.txt").write_text(text)
    (tmp_path / "files" / "Petra Holm" / "x.txt").write_text("A letter of somebody whom she looks after")
    (tmp_path / "files" / "rows" / "Petra Holm.txt").write_text("I was born by the sea and like lamps")
    build(tmp_path)
    return tmp_path


def build(folder: Path) -> dict[str, str]:
    """Build the files; id → text."""
    sources = [{"kind": "files", "name": "files", "path": "files", "licence": "CC0-1.0"}]
    data: dict[str, Any] = {"raw": {"kind": "ingest", "sources": sources, "licences": {"allow": ["CC0-1.0"]}}}
    recipe = {"name": "mill", "use_case": "tests", "plan": {"measure": False}, "data": data}
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    run(open_workspace(folder / "recipe.yaml"), Silent(), workers=1)
    raw = Documents(Store(folder / ".lmworks").named("raw").payload, "")
    return {document.id: document.text for document in raw.iterate()}


@pytest.mark.parametrize(
    ("value", "taken", "offered"),
    [("김민수", ["ko", "ko2"], "ko3"), ("+49 171 5550123", ["de"], "at"), ("dalaigh@post.example", ["mail"], "mail2")],
)
def test_what_may_be_of_others_is_offered_and_counted_by_the_certificate(
    folder: Path, value: str, taken: list[str], offered: str
) -> None:
    text_of = build(folder)
    told = listed(value)
    assert sorted(map(text_of.__getitem__, told["records"])) == sorted(ROWS[name] for name in taken)
    ((name, why),) = told["not_taken"].items()
    assert text_of[name] == ROWS[offered]
    assert why == "may hold value 1, inside of something longer, in another order or parted"
    said(value, apply=True, certificate=folder / "told.json")
    certificate = json.loads((folder / "told.json").read_text())
    assert certificate["said"].startswith("nothing was found as it was given; offered and not taken")
    assert certificate["said"].endswith(": 1")
    assert certificate["not_taken"] == [{"reason": "inside", "source": "files", "records": 1}]
    left = build(folder)
    assert ROWS[offered] in left.values() and not {ROWS[each] for each in taken} & {*left.values()}


def test_what_is_offered_alone_is_told_and_can_be_confirmed(folder: Path) -> None:
    with pytest.raises(LmworksError, match="nothing was erased; NOT TAKEN; to erase one too, add --with ID") as raised:
        said("김민수빈이이", "민수빈", apply=True)
    (line,) = str(raised.value).splitlines()[1:]
    name = line.split()[0]
    told = listed("민수빈", also=[name], apply=True)
    assert told["records"] == {name: "confirmed by --with"} and told["counts"]["by_value"] == {"1": 1}
    assert ROWS["ko3"] not in build(folder).values()
    assert (folder / "erased-values.txt").read_text().count(" name") == 2, "the value is noted, too, in both spacings"


def test_a_folder_that_is_called_after_somebody_takes_no_record_in_it(folder: Path) -> None:
    text_of = build(folder)
    told = listed("Petra Holm")
    assert [text_of[name] for name in told["records"]] == ["I was born by the sea and like lamps"]
    assert [*told["not_taken"].values()] == ["is in a folder whose name holds value 1"]
    said("Petra Holm", apply=True)
    left = build(folder).values()
    assert "A letter of somebody whom she looks after" in left and "I was born by the sea and like lamps" not in left
