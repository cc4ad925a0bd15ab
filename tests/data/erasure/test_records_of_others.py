"""Who asks that a value of theirs be erased has no record of others erased: it is offered, with its source and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from data.data_support import KEY
from e2e.erasing import listed, said
from e2e.test_erasure_beside_a_build import Silent
from lmworks.data.shards.records import Documents
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.store import Store
from lmworks.workspace import open_workspace, run

MINE, VICTIM = "zork@evil.example", "victor@mill.example"
PAGES = [f"The page of number {number} tells of lanterns and of gravel" for number in range(3)]
Rows = Sequence[dict[str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build(folder: Path, **sources: Rows) -> list[str]:
    """Build sources of rows, each of whose `from` is its subject and of which `author` is kept; the texts read."""
    made = []
    for name, rows in sources.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        fields = {"text_field": "text", "keep": ["author"], "subject_field": "from"}
        made.append({"kind": "files", "name": name, "path": name, "licence": "CC0-1.0"} | fields)
    data: dict[str, Any] = {"raw": {"kind": "ingest", "sources": made, "licences": {"allow": ["CC0-1.0"]}}}
    recipe = {"name": "mill", "use_case": "tests", "plan": {"measure": False}, "data": data}
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    run(open_workspace(folder / "recipe.yaml"), Silent(), workers=1)
    raw = Documents(Store(folder / ".lmworks").named("raw").payload, "")
    return sorted(document.text for document in raw.iterate())


def rows(texts: Sequence[str], **fields: str) -> list[dict[str, str]]:
    """A row of each text."""
    return [{"text": text, "from": "", "author": ""} | fields for text in texts]


def letters(count: int, of: str = VICTIM) -> list[dict[str, str]]:
    return rows([f"Letter {number} of somebody about the mill" for number in range(count)], **{"from": of})


def forged(count: int) -> list[dict[str, str]]:
    return rows([f"Sent in haste {number} by {MINE}" for number in range(count)], **{"from": VICTIM})


@pytest.mark.parametrize("fields", [{}, {"from": VICTIM}, {"from": "somebody@mill.example"}])
@pytest.mark.parametrize("forum", ["forum", "book"])
def test_who_repeats_pages_with_an_address_beside_them_leaves_them_in_place(
    folder: Path, forum: str, fields: dict[str, str]
) -> None:
    book, copies = rows(PAGES, **fields), rows(PAGES, **{"author": MINE, **fields})
    sources = {"book": book, "forum": copies} if forum == "forum" else {"book": [*book, *copies]}
    build(folder, **sources)
    told = listed(MINE)["counts"]
    assert told["by_reason"] == {"value": 3}, "the records that hold it, and no others"
    assert told["by_source"] == [{"reason": "value", "source": forum, "records": 3}]
    assert {each["source"] for each in told["not_taken_by_source"]} == {"book"}
    assert sum(told["not_taken"].values()) == 3
    lines = said(MINE, apply=True)
    assert "in source book" in lines
    assert "of rows.jsonl" in lines[lines.index("NOT TAKEN") :], "a person who reviews them can open the file"
    assert build(folder, **sources) == sorted(PAGES), "nor does a later build leave them out"
    moved = {"other": book} | {name: each for name, each in sources.items() if name != "book"}
    assert build(folder, **moved) == sorted(PAGES)


def test_pages_that_are_read_after_their_copies_were_erased_stay(folder: Path) -> None:
    build(folder, forum=[*rows(PAGES, author=MINE), *letters(1)])
    said(MINE, apply=True)
    assert build(folder, forum=rows(PAGES, author=MINE), book=rows(PAGES)) == sorted(PAGES)


@pytest.mark.parametrize(("own", "false"), [(12, 4), (12, 40), (1, 1)])
def test_a_forged_sender_takes_no_letter_of_whom_it_names(folder: Path, own: int, false: int) -> None:
    mail = [*letters(own), *forged(false), *letters(5, "other@mill.example")]
    build(folder, mail=mail)
    told = listed(MINE)
    assert told["counts"]["by_reason"] == {"value": false}
    assert told["counts"]["not_taken"] == {"subject": own}
    said_of = set(told["not_taken"].values())
    share = f"{false / (own + false):.0%}"
    assert said_of == {f"of the subject, {false} of whose {own + false} records hold a value ({share})"}
    said(MINE, apply=True)
    kept = sorted(row["text"] for row in [*letters(own), *letters(5, "other@mill.example")])
    assert build(folder, mail=mail) == kept


def test_who_writes_before_the_forged_sender_does_keeps_later_letters_out_of_no_build(folder: Path) -> None:
    build(folder, mail=[*forged(3), *letters(1, "other@mill.example")])
    said(MINE, apply=True)
    assert len(build(folder, mail=forged(3), new=letters(2))) == 2
    assert len(build(folder, mail=forged(3), new=rows(["Written to them all"], author=VICTIM))) == 1


def test_a_document_that_is_named_takes_no_copy_of_it(folder: Path) -> None:
    sources = {"book": rows(PAGES), "forum": rows(PAGES[:1], **{"from": MINE})}
    build(folder, **sources)
    (name,) = listed(MINE)["records"]
    told = listed(name)
    assert [*told["records"]] == [name] and told["counts"]["not_taken"] == {"copy": 1}
    assert next(iter(told["not_taken"].values())) == f"an exact copy of {name[:12]}, in source book"
    said(name, apply=True)
    assert build(folder, **sources) == sorted(PAGES)


def test_what_is_confirmed_goes_and_stays_out(folder: Path) -> None:
    sources = {"book": rows(PAGES), "forum": rows(PAGES[:1], author=MINE), "mail": [*letters(1), *forged(1)]}
    build(folder, **sources)
    offered = [*listed(MINE)["not_taken"]]
    assert len(offered) == 2
    certificate = folder / "told.json"
    said(MINE, also=offered, apply=True, certificate=certificate)
    told = json.loads(certificate.read_text())
    assert told["holding"] == 0 and told["not_taken"] == []
    assert {"reason": "confirmed", "source": "book", "records": 1} in told["taken"]
    (folder / "book" / "rows.jsonl").rename(folder / "book" / "moved.jsonl")
    assert build(folder, mail=sources["mail"], again=rows(PAGES)) == sorted(PAGES[1:])


def test_a_certificate_tells_how_much_of_which_source_was_taken_and_offered(folder: Path) -> None:
    sources = {"book": rows(PAGES), "forum": rows(PAGES, author=MINE), "mail": letters(2)}
    build(folder, **sources)
    said(MINE, apply=True, certificate=folder / "told.json")
    told = json.loads((folder / "told.json").read_text())
    assert told["taken"] == [{"reason": "value", "source": "forum", "records": 3}]
    assert told["not_taken"] == [{"reason": "copy", "source": "book", "records": 3}]
    assert "offered and not taken" in told["said"] and told["said"].endswith(": 3")
    build(folder, **sources)
    said(MINE, certificate=folder / "again.json")
    assert "offered and not taken, were not" in json.loads((folder / "again.json").read_text())["limits"][-1]


def test_what_is_kept_stays_in_place_in_later_builds_and_is_told_as_kept(folder: Path) -> None:
    sources = {"book": rows([*PAGES, f"Two Zorks: ask {MINE} for the other"]), "mail": forged(1)}
    build(folder, **sources)
    name = next(name for name in listed(MINE)["records"] if listed(MINE, keep=[name])["kept"] and _text(name)[0] == "T")
    told = listed(MINE, keep=[name])
    assert told["kept"] == {name: "holds value 1"} and len(told["records"]) == 1
    with pytest.raises(UsageError, match=r"--keep 0{32}: no record of this id is listed; nothing was erased"):
        said(MINE, keep=["0" * 32], apply=True)
    with pytest.raises(UsageError, match="you also named this record to be erased"):
        said(MINE, keep=[name], also=[name], apply=True)
    path = folder / "told.json"
    assert "1  kept by --keep" in said(MINE, keep=[name], apply=True, certificate=path)
    certificate = json.loads(path.read_text())
    assert certificate["kept"] == [name] and certificate["holding"] == 0
    assert certificate["said"].endswith("kept on purpose, and not counted, were records that hold it, or may: 1")
    again = {**sources, "new": rows([f"A new one of {MINE}"])}
    assert build(folder, **again) == sorted(row["text"] for row in sources["book"]), "and no other that holds it"
    with pytest.raises(LmworksError, match="it was erased before, but what is kept; nothing was erased"):
        said(MINE, apply=True)
    assert list(listed(MINE, "Two Zorks")["records"]) == [name], "it is listed for another value"
    said(MINE, also=[name], apply=True, certificate=path)
    assert build(folder, **again) == sorted(PAGES)


def _text(name: str) -> str:
    raw = Documents(Store(Path(".lmworks")).named("raw").payload, "")
    return next(each.text for each in raw.iterate() if each.id == name)


def test_a_subject_that_is_given_goes_as_a_whole(folder: Path) -> None:
    mail = [*letters(3, f"Victor <{VICTIM}>"), *letters(2, VICTIM), *forged(1)]
    build(folder, mail=[*mail, *letters(1, "other@mill.example")])
    assert listed(VICTIM)["counts"]["taken"] == 6
    said(VICTIM, apply=True)
    assert len(build(folder, mail=mail, new=letters(2), more=letters(1, "a@b.example"))) == 1
