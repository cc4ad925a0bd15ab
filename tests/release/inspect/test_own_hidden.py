"""What a recipe's own detectors find, and whom its `people` fields name, is hidden wherever documents are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from data_store import sentence
from small_store import TaskConfig, TrainConfig, build_store, train

from lmworks.data.tuning.conversations import Conversations, last_answer, question_of
from lmworks.errors import LmworksError
from lmworks.evaluate.items import EXACT, Scored
from lmworks.graph import STEPS, node
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.release.built import Built
from lmworks.release.cards.card import card_facts, card_text
from lmworks.release.cards.croissant import write_data_cards
from lmworks.release.inspect import dataflow
from lmworks.release.inspect.annotation import write_sample
from lmworks.release.inspect.changes import changes_of, inspectable
from lmworks.release.inspect.data_report import render
from lmworks.release.inspect.show import describe
from lmworks.release.inspect.verdicts import samples_of
from lmworks.release.items.page import write_items
from lmworks.release.report import report
from lmworks.release.serving import _page

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


@stage(version=1, measures=("model", "data"))
def evaluate_chats(config: TaskConfig, model: Handle, data: Conversations, out: Path, context: Context) -> Result:
    items = [
        {
            **{"id": each["id"], "digest": each["id"], "cluster": each["id"], "prompt": question_of(each)},
            **{"answer": "Nobody.", "reference": last_answer(each), "score": 0.0},
        }
        for each in data.iterate()
    ]
    found = Scored.written(items, out, None, Conditions())
    return found.result(found.figure(EXACT, "as written"))


@pytest.mark.parametrize("stated_by", ["people", "subject_field"])
def test_people_are_hidden_in_items_that_are_conversations(tmp_path: Path, stated_by: str) -> None:
    """An id of a conversation is no document's where one document has two answers."""
    record = {"question": f"Who is {PATIENT}?", "answers": [f"{PATIENT} is well.", "Mrs Quastenflosser is ill."]}
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "a.jsonl").write_text(json.dumps({**record, "patient": PATIENT}) + "\n")
    (tmp_path / "learned").mkdir()  # other texts than the tasks': those on trained text show no samples
    (tmp_path / "learned" / "b.txt").write_text("Rain is made of water.\n")
    (tmp_path / ".lmworks-id-key").write_text("0" * 64)
    source = {"kind": "files", "path": "sources", "licence": "MIT", "fields": "all"}
    learned = {"kind": "files", "path": "learned", "licence": "MIT"}
    private = {"kind": "anonymise", "from": "raw", "people": ["patient"], "action": "surrogate"}
    if stated_by == "subject_field":
        source, private = {**source, "subject_field": "patient"}, {"kind": "normalise", "from": "raw"}
    steps: dict[str, dict[str, Any]] = {
        "raw": {"kind": "ingest", "sources": [source], "licences": {"allow": ["MIT"]}},
        "private": private,
        "chats": {"kind": "pairs", "from": "raw", "source": "question", "target": "answers"},
        "again": {"kind": "mix", "parts": {"a": {"from": "chats"}}},
        "learned": {"kind": "ingest", "sources": [learned], "licences": {"allow": ["MIT"]}},
    }
    configs = {name: STEPS[fields["kind"]].config.model_validate(fields) for name, fields in steps.items()}
    nodes = [node(name, STEPS[config.kind], config.resolve(tmp_path)) for name, config in configs.items()]
    nodes.append(node("lm", train, TrainConfig(), base=None, data="learned", tokenizer=None, validation=None))
    for data in ("chats", "again"):
        inputs = {"model": "lm", "data": data}
        nodes.append(node(f"evaluate/{data}/lm", evaluate_chats, TaskConfig(score=0.0, kind="documentation"), **inputs))
    built = Built.open(build_store(tmp_path, nodes))
    for data in ("chats", "again"):
        shown = {
            "items": write_items(built, data).read_text(encoding="utf-8"),
            "samples": repr(samples_of(built)),
            "failures": repr(card_facts(built.store, built.models["lm"])["failures"]),
        }
        for place, text in shown.items():
            assert "Quastenflosser" not in text, place
            assert "person hidden" in text, place


def test_personal_data_in_the_use_that_a_recipe_states_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = f"Answers for {MEMBERS[1]}; ask jane.doe@example.org or +1 212 555 0143"
    (tmp_path / "recipe.yaml").write_text(json.dumps({"name": "handbook", "use_case": use, "data": RECIPE}))
    build(tmp_path, ["raw"])
    nodes = [node("raw", STEPS["ingest"], STEPS["ingest"].config.model_validate(RECIPE["raw"]).resolve(tmp_path))]
    nodes.append(node("lm", train, TrainConfig(), base=None, data="raw", tokenizer=None, validation=None))
    built = Built.open(build_store(tmp_path, nodes))
    write_data_cards(built)
    shown = {
        "data report": render(built),
        "report": report.render(built),
        "card": card_text(built, built.models["lm"]),
        "chat": repr(_page(built.store, built.models["lm"])),
        "data card": "".join(path.read_text() for path in built.store.root.rglob("*croissant.json")),
    }
    monkeypatch.setattr(
        "lmworks.release.serving.card_facts", lambda *given: (_ for _ in ()).throw(LmworksError("lost"))
    )
    shown["chat of what was altered"] = repr(_page(built.store, built.models["lm"]))
    for place, text in shown.items():
        assert "Answers for" in text, place
        for said in ("jane.doe", "555 0143", MEMBERS[1]):
            assert said not in text, (place, said)
