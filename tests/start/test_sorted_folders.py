"""Folders whose names are labels, copies of files, and columns that name things or settings rather than people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from lmworks.data.parsers.parser import Record, Skipped
from lmworks.start.look import look
from start.test_recognised import elsewhere as elsewhere
from start.test_recognised import init, recipe_of
from start.test_start import rows

SAID = {"good": ["warm", "lovely", "funny"], "bad": ["dull", "cold", "slow"]}


def write_folders(folder: Path, counts: Mapping[str, int], ending: str = ".txt") -> None:
    for label, count in counts.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            words = " and ".join(SAID[label][(number + each) % 3] for each in range(2))
            (folder / label / f"{number}{ending}").write_text(
                f"In {folder.name}, film {number} of year {number % 7} was {words}."
            )


def test_folders_of_texts_are_labels(tmp_path: Path) -> None:
    write_folders(tmp_path / "train", {"bad": 1_500, "good": 270})  # what is read first is bad
    write_folders(tmp_path / "test", {"good": 30})
    (tmp_path / "README.txt").write_text("Reviews of films.")
    said = init(tmp_path, "--minutes", "6")
    assert "labels by the names of their folders: bad (1,500), good (300)" in said
    assert "labelled texts (folder)" in said
    (source,) = recipe_of(tmp_path).data["raw"].sources  # type: ignore[attr-defined]
    assert (source.label_from_folder, source.label_field, source.text_field) == (True, None, "text")


@pytest.mark.parametrize(
    "counts, ending",
    [({"good": 90, "bad": 19}, ".txt"), ({"good": 90, "bad": 90}, ".md"), ({"good": 180}, ".txt")],
    ids=["few in one", "pages", "one folder"],
)
def test_other_folders_keep_order_alone(tmp_path: Path, counts: Mapping[str, int], ending: str) -> None:
    write_folders(tmp_path, counts, ending)
    assert not any(table.is_sorted for table in look(tmp_path).tables)


def test_folders_that_no_word_tells_apart_are_no_labels_unless_somebody_says_so(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"part-{number % 2}").mkdir(exist_ok=True)
        (tmp_path / f"part-{number % 2}" / f"{number}.txt").write_text(f"Film {number} of year {number % 7} was long.")
    said = init(tmp_path, "--minutes", "6")
    assert "passages of 300 records" in said and "labels by" not in said
    (tmp_path / "recipe.yaml").unlink()
    assert "words do not predict folder" in init(tmp_path, "--minutes", "6", "--task", "classify")


def test_equal_copies_are_counted_once(tmp_path: Path) -> None:
    write_folders(tmp_path, {"good": 30})
    for number in range(30):
        copy = (tmp_path / "good" / f"{number}.txt").read_text()
        (tmp_path / "good" / f"{number} (1).txt").write_text(copy)
    (table,) = look(tmp_path).tables
    assert (table.records, len(table.files)) == (30, 30)


def test_names_that_many_texts_state_may_be_of_things(tmp_path: Path) -> None:
    foods, areas = ["French", "Indian", "Greek"], ["riverside", "city centre"]
    found = [
        {
            "Name": (name := f"{['The Mill', 'Blue Spice', 'Cotto'][number % 3]}"),
            "Food": (food := foods[number % 7 % 3]),
            "Company": ["North Ltd", "South Ltd"][number % 2],
            "Area": (area := areas[number % 5 % 2]),
            "Text": f"{name} in the {area} serves {food} food to guests, number {number}.",
        }
        for number in range(300)
    ]
    rows(tmp_path, "places.jsonl", found)
    said = init(tmp_path, "--minutes", "6")
    assert "Name may hold people's names" in said and "confidential" not in said
    assert "held out one by one" not in said


def test_the_settings_of_a_program_name_nobody(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"part{number}.py").write_text(f"def value_{number}():\n    return {number}\n" * 9)
    (tmp_path / "package.json").write_text(json.dumps({"name": "platform-web", "version": "1.2.0", "private": True}))
    said = init(tmp_path)
    assert "columns that name people" not in said and "passages" in said


def test_questions_that_nobody_answered_are_no_passages(tmp_path: Path) -> None:
    nodes = [
        {"id": f"n{number}", "type": "answer", "user": f"Where is hall {number} of the house?"}
        | ({"bot": f"Hall {number} is on floor {number % 4}, behind the stairs."} if number % 5 else {})
        for number in range(300)
    ]
    (tmp_path / "flow.json").write_text(json.dumps({"name": "kiosk", "nodes": nodes}))
    assert "passages of 240 records" in init(tmp_path, "--task", "search")
    recipe = recipe_of(tmp_path)
    (source,) = recipe.data["raw"].sources  # type: ignore[attr-defined]
    assert (source.text_field, source.required) == (["user", "bot"], ["bot"])
    located = source.located(tmp_path)
    found = [each for piece in located.pieces("flow.json", 2**20) for each in located.read(piece)]
    assert sum(isinstance(each, Record) for each in found) == 240
    assert [each.reason for each in found if isinstance(each, Skipped)] == ["without bot"] * 60


def test_texts_in_lists_inside_of_records_are_found(tmp_path: Path) -> None:
    needs = [{f"Key{number}Name": "yes"} for number in range(150)]  # names of parameters, of which none is a person's
    operations = [
        {
            "code": f"OP-{number}",
            "needs": needs[number],
            "text": f"Submits report number {number} and returns its name.",
        }
        for number in range(150)
    ]
    services = [{"service": f"S{at}", "operations": operations[10 * at : 10 * at + 10]} for at in range(15)]
    (tmp_path / "catalogue.json").write_text(json.dumps({"shop": "en", "services": services}))
    (table,) = look(tmp_path).tables
    assert (table.json_records, table.records, table.texts) == ("services.*.operations.*", 150, ["text"])
    assert not table.subjects


@pytest.mark.parametrize("count, minutes, encoder", [(400, 6, "minilm"), (40, 6, None), (9_000, 1, None)])
def test_an_encoder_finds_english_prose_if_there_is_time(
    count: int, minutes: int, encoder: str | None, tmp_path: Path
) -> None:
    said = "Who comes to the house by bus gets off at the bridge and walks up the hill to stop {}."
    rows(tmp_path, "notes.jsonl", [{"text": said.format(number)} for number in range(count)])
    init(tmp_path, "--task", "search", "--minutes", str(minutes))
    assert recipe_of(tmp_path).data["passages"].encoder == encoder  # type: ignore[attr-defined]
