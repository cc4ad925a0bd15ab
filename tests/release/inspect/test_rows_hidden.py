"""Of rows that no step has anonymised yet, fields that name people are hidden whole wherever they are shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from data_store import sentence
from small_store import build_store

from lmworks.data.shards.records import Document
from lmworks.graph import STEPS, node
from lmworks.release.built import Built
from lmworks.release.inspect.annotation import write_sample
from lmworks.release.inspect.changes import changes_of
from lmworks.release.inspect.data_report import render
from lmworks.release.inspect.hidden import make_show, outputs
from lmworks.release.inspect.show import describe

WHO, LONE, MAIL = "of the Quastenflosser", "Balthasar Trockenfuss", "ottilie@example.org"
TEAM = "of"  # which nothing would find by itself
RECIPE: dict[str, dict[str, Any]] = {
    "raw": {
        "kind": "ingest",
        "sources": [{"kind": "files", "path": "sources", "licence": "MIT", "fields": "all"}],
        "licences": {"allow": ["MIT"]},
    },
    "clean": {"kind": "normalise", "from": "raw"},
    "few": {"kind": "curate", "from": "clean", "filters": ["length"]},
    "private": {"kind": "anonymise", "from": "few", "people": ["patient", "team.*.name"], "action": "redact"},
    "after": {"kind": "curate", "from": "private", "filters": ["length"]},
    "both": {"kind": "mix", "parts": {"one": {"from": "few"}, "two": {"from": "after"}}},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("rows")
    rows = [
        {
            "patient": WHO if number else LONE,
            "team": [{"name": TEAM, "role": "nurse", "rooms": 3}],
            "n": 491701234567,
            "passport": "C01X00T47",
            "note": f"Ottilie Quastenflosser, {MAIL}.  \n\n\n\n{sentence(number)}" if number else "Too short.",
        }
        for number in range(5)
    ]
    (folder / "sources").mkdir()
    (folder / "sources" / "a.jsonl").write_text("\n".join(map(json.dumps, [*rows, rows[1]])))
    (folder / ".lmworks-id-key").write_text("0" * 64)
    configs = {name: STEPS[row["kind"]].config.model_validate(row) for name, row in RECIPE.items()}
    return Built.open(
        build_store(folder, [node(name, STEPS[each.kind], each.resolve(folder)) for name, each in configs.items()])
    )


def documents(built: Built, step: str) -> list[Document]:
    return [document for some in outputs(built.artifacts[step]) for document in some.iterate()]


@pytest.mark.parametrize("step", ["raw", "clean", "few"])
def test_a_field_that_names_people_is_hidden_whole(built: Built, step: str, tmp_path: Path) -> None:
    (tmp_path / "g.md").write_text("judge")
    write_sample(built, step, 9, tmp_path / "g.md", tmp_path / step, ["good"])
    shown = "".join(path.read_text() for path in (tmp_path / step).iterdir())
    shown += changes_of(built, step, 9).as_text() + describe(built.artifacts[step], built) + render(built)
    for said in (WHO, LONE, MAIL, "Quastenflosser", "Trockenfuss", "491701234567", "C01X00T47", f"name: {TEAM}"):
        assert said not in shown, said
    for said in ("patient: ‹person hidden›", "team.0.name: ‹person hidden›", "role: nurse", "rooms: 3", "n: ‹phone"):
        assert said in shown, said


def test_what_was_anonymised_and_what_is_asked_for_is_shown_as_it_is(built: Built) -> None:
    artifact = built.artifacts["few"]
    (document, *_) = documents(built, "few")
    assert f"patient: {WHO}" in make_show(built, artifact, personal=True)(document)
    (document, *_) = documents(built, "after")
    assert "patient: [PERSON]" in make_show(built, built.artifacts["after"])(document)


def test_a_mix_of_what_was_anonymised_and_what_was_not_is_hidden(built: Built) -> None:
    shown = [make_show(built, built.artifacts["both"])(document) for document in documents(built, "both")]
    assert {text.split("\n")[0] for text in shown} == {"patient: ‹person hidden›"}
