"""What a recipe's own detectors find, and whom its `people` fields name, is hidden wherever documents are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from data_store import sentence
from small_store import build_store

from lmworks.graph import STEPS, node
from lmworks.release.built import Built
from lmworks.release.inspect import dataflow
from lmworks.release.inspect.annotation import write_sample
from lmworks.release.inspect.changes import changes_of, inspectable
from lmworks.release.inspect.data_report import render
from lmworks.release.inspect.show import describe

NUMBERS = [f"S-{1950 + number}0890{number}" for number in range(8)]
MEMBERS = [f"M/{number}/77" for number in range(8)]
PATIENT = "Ottilie Quastenflosser"
OWN = {"name": "insured_number", "pattern": r"S-\d{8,9}"}
RECIPE: dict[str, dict[str, Any]] = {
    "raw": {
        "kind": "ingest",
        "sources": [
            {"kind": "files", "path": "sources", "licence": "MIT", "key_field": "id", "keep": ["patient", "number"]}
        ],
        "licences": {"allow": ["MIT"]},
    },
    "clean": {"kind": "normalise", "from": "raw"},
    "few": {"kind": "curate", "from": "clean", "filters": ["length"]},
    "private": {"kind": "anonymise", "from": "few", "people": ["patient"], "own": [OWN], "action": "redact"},
    "more": {"kind": "anonymise", "from": "private", "own": [{"name": "member", "pattern": "M/[0-9]/77"}]},
    "split": {"kind": "split", "from": "clean", "by": "number", "test": 2, "validation": 2},
}


def build(folder: Path, steps: list[str]) -> Built:
    lines: list[dict[str, Any]] = [
        {
            "id": str(number),
            "text": f"{PATIENT} has {own}, {MEMBERS[number]}.  \n\n\n\n{sentence(number)}",
            "number": own,
        }
        for number, own in enumerate(NUMBERS)
    ]
    lines += [{"id": "x", "text": f"Too short, {NUMBERS[0]}."}, {"id": NUMBERS[1], "text": 7}]
    lines = [{**line, "patient": PATIENT} for line in lines]
    (folder / "sources").mkdir(parents=True)
    (folder / "sources" / f"{NUMBERS[2]}.jsonl").write_text(
        "\n".join(map(json.dumps, lines)) + f'\n{{"text": "{NUMBERS[3]}'
    )
    (folder / ".lmworks-id-key").write_text("0" * 64)
    configs = {name: STEPS[RECIPE[name]["kind"]].config.model_validate(RECIPE[name]) for name in steps}
    nodes = [node(name, STEPS[config.kind], config.resolve(folder)) for name, config in configs.items()]
    return Built.open(build_store(folder, nodes))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("own"), list(RECIPE))


def pages(built: Built, folder: Path) -> Iterator[tuple[str, str]]:
    """Whatever shows documents."""
    for name in inspectable(built):
        changes = changes_of(built, name, 99)
        yield f"inspect {name}", changes.as_text() + json.dumps(asdict(changes), ensure_ascii=False)
        yield f"show {name}", describe(built.artifacts[name], built)
        if not name.startswith("split"):
            (folder / "g.md").write_text("judge")
            write_sample(built, name, 99, folder / "g.md", folder / name, ["good"])
            yield f"sample {name}", "".join(path.read_text() for path in (folder / name).iterdir())
    yield "report", render(built)
    yield "steps", repr(dataflow.data_steps(built)) + repr(dataflow.quarantine(built)) + repr(dataflow.held_out(built))


def test_nothing_shows_what_own_detectors_find(built: Built, tmp_path: Path) -> None:
    for name, page in pages(built, tmp_path):
        assert not [number for number in NUMBERS if number in page], name
        assert not [number for number in MEMBERS if number in page], name
        assert PATIENT not in page and "Quastenflosser" not in page, name
    shown = dict(pages(built, tmp_path))
    assert "‹insured_number hidden›" in shown["inspect clean"] and "‹person hidden›" in shown["inspect clean"]
    assert "‹member hidden›" in shown["sample private"] and "[INSURED_NUMBER]" in shown["sample private"]


def test_who_asks_sees_everything(built: Built) -> None:
    assert NUMBERS[0] in changes_of(built, "clean", 99, personal=True).as_text()


def test_a_detector_of_a_step_that_is_not_built_yet_counts(tmp_path: Path) -> None:
    built = build(tmp_path, ["raw", "clean"])
    recipe = {"name": "toy", "data": RECIPE}
    built.recipe.write_text(json.dumps(recipe))
    for name in ("raw", "clean"):
        page = changes_of(built, name, 99).as_text() + describe(built.artifacts[name], built)
        assert not [number for number in NUMBERS if number in page], name
