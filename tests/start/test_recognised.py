"""What `init` recognises by what files hold, and what it leaves out."""

from __future__ import annotations

import bz2
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmworks.cli import app
from lmworks.errors import GateRefused
from lmworks.graph import CLASSES
from lmworks.recipe.file import load_recipe
from lmworks.recipe.schema import Recipe
from lmworks.start.look import look

TOWNS = ["Aldea", "Borne", "Calder", "Dunmore", "Elva", "Farsund", "Gorinchem", "Halden"]
FOODS = ["French", "Indian", "Chinese", "Greek", "Polish"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands note the last build in the folder that they are given in."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


def init(folder: Path, *options: str, refused: bool = False) -> str:
    result = CliRunner().invoke(app, ["init", str(folder), "--yes", *options])
    assert isinstance(result.exception, GateRefused) if refused else not result.exit_code, result.output
    return " ".join(f"{result.output} {result.exception or ''}".split())


def recipe_of(folder: Path) -> Recipe:
    return load_recipe(folder / "recipe.yaml", CLASSES)


def test_a_translation_memory_is_pairs_in_two_languages(tmp_path: Path) -> None:
    units = "".join(
        f'<tu tuid="{n}"><prop type="x">A</prop><tuv xml:lang="de-DE"><seg>Der Zug {n} nach {TOWNS[n % 8]} hat heute '
        f'<bpt i="1">{{b</bpt>leider<ept i="1">}}</ept> Verspätung.</seg></tuv><tuv xml:lang="en-GB"><seg>Train {n} to '
        f"{TOWNS[n % 8]} is <hi>late</hi> today, we are sorry.</seg></tuv></tu>"
        for n in range(150)
    )
    lone = '<tu><tuv xml:lang="de"><seg>Nur deutsch.</seg></tuv></tu>'
    (tmp_path / "memory.tmx").write_text(f'<?xml version="1.0"?><tmx version="1.4"><body>{units}{lone}</body></tmx>')
    (table,) = look(tmp_path).tables
    assert (table.form, table.shape, table.records, [*table.texts]) == ("tmx", "pairs", 150, ["de", "en"])
    said = init(tmp_path, "--use-case", "translating from German to English")
    assert "de → en" in said
    assert {"de", "en"} == {*recipe_of(tmp_path).data["raw"].sources[0].fields}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("pairs", "objective"), [(2_400, "text-to-text"), (900, "pretrained")])
def test_many_short_pairs_are_learned_by_a_translator_of_their_own(pairs: int, objective: str, tmp_path: Path) -> None:
    lines = [f"{FOODS[n % 5]} {n} nach {TOWNS[n % 8]}.;{FOODS[n % 5]} {n} to {TOWNS[n % 8]}." for n in range(pairs)]
    (tmp_path / "sätze.csv").write_text("\n".join(["deutsch;english", *lines]))
    init(tmp_path, "--task", "translate", "--minutes", "6")
    recipe = recipe_of(tmp_path)
    model = next(iter(recipe.models.values()))
    assert model.objective == objective  # type: ignore[attr-defined]
    assert {gate.not_worse_than for gate in recipe.evaluate.gates} >= {"word-table", "copy-source"}  # type: ignore[union-attr]
    if objective == "text-to-text":
        assert model.steps == 600, "another reading of the same pairs teaches little"  # type: ignore[attr-defined]
        assert recipe.data["train"].ask == "{source}"  # type: ignore[attr-defined]


def test_a_dump_of_a_wiki_is_read_by_its_beginning_though_it_is_packed(tmp_path: Path) -> None:
    page = (
        "<page><title>Town {0}</title><ns>0</ns><id>{0}</id><revision><text>'''Town {0}''' is a [[town]] of {1} people."
        " Its river floods each spring, and its mill is old.</text></revision></page>"
    )
    pages = "".join(page.format(n, 37 * n) for n in range(60))
    (tmp_path / "dump.xml.bz2").write_bytes(bz2.compress(f"<mediawiki>{pages}</mediawiki>".encode()))
    (table,) = look(tmp_path).tables
    assert (table.form, table.shape, table.records) == ("mediawiki", "texts", 60)
    init(tmp_path)
    assert recipe_of(tmp_path).data["raw"].sources[0].format == "mediawiki"  # type: ignore[attr-defined]


def node(number: int, depth: int = 0) -> dict[str, object]:
    said = (
        f"I would like {number} cakes for {TOWNS[number % 8]}, please."
        if depth % 2 == 0
        else f"That is {number} in all."
    )
    replies = [node(number + at, depth + 1) for at in range(2 if depth == 0 else 1)] if depth < 3 else []
    return {"node": f"n{number}", "by": "bot" if depth % 2 else "guest", "line": said, "answers": replies}


def test_trees_of_messages_become_conversations(tmp_path: Path) -> None:
    trees = {"trees": [{"tree": f"T{n:04}", "root": node(7 * n)} for n in range(120)]}
    (tmp_path / "export.json").write_text(json.dumps(trees))
    (table,) = look(tmp_path).tables
    assert table.shape == "conversations" and table.roles == {"guest": "user", "bot": "assistant"}
    assert "SmolLM2-135M tuned on 120 conversations" in init(tmp_path)
    fields = recipe_of(tmp_path).data["train"].fields  # type: ignore[attr-defined]
    assert fields["prompt.*.text"] == "root.*.line" and fields["prompt.*.replies"] == "root.*.answers"
    result = CliRunner().invoke(app, ["build", str(tmp_path / "recipe.yaml"), "--until", "train"])
    assert result.exit_code == 0, result.output
    (made,) = (tmp_path / ".lmworks" / "artifacts" / "conversations").rglob("conversations.jsonl")
    first = json.loads(made.read_text().splitlines()[0])["messages"]
    assert [turn["role"] for turn in first] == ["user", "assistant"] * 2


def test_questions_with_answers_on_web_pages_are_found_one_by_one_without_menus(tmp_path: Path) -> None:
    for page in range(4):
        asked = "".join(
            f"<details><summary>When is waste of kind {page}-{n} collected?</summary><p>On day {n} of each week, "
            f"from seven in the morning, in all streets of {TOWNS[n]}.</p></details>"
            for n in range(6)
        )
        (tmp_path / f"p{page}.html").write_text(f"<html><nav><a>Home</a></nav>{asked}<footer>Privacy</footer></html>")
    (tmp_path / "site.css").write_text("body {margin: 0}\n" * 99)
    table = next(each for each in look(tmp_path).tables if each.form == "faq")
    assert (table.records, [*table.texts]) == (24, ["question", "answer"])
    assert "it serves passages of 24 records" in init(tmp_path)
    needs = recipe_of(tmp_path).needs
    assert needs and needs.privacy == "internal", "nobody said that they are public"


def test_texts_about_the_other_columns_are_written_from_them(tmp_path: Path) -> None:
    lines = ["place,food,town,rating,editor,blurb"]
    for n in range(160):
        place, food, town = f"{TOWNS[n % 8]} Arms {n}", FOODS[n % 5], TOWNS[n % 7]
        lines.append(
            f'{place},{food},{town},{n * 7 % 11},ed{n % 3},"{place} in {town} serves {food} food to all who come."'
        )
    (tmp_path / "blurbs.csv").write_text("\n".join(lines))
    assert "facts to text" in init(tmp_path)
    recipe = recipe_of(tmp_path)
    assert recipe.data["train"].source == ["place", "food", "town"]  # type: ignore[attr-defined]
    assert recipe.data["train"].target == "blurb"  # type: ignore[attr-defined]
    assert {gate.not_worse_than for gate in recipe.evaluate.gates} >= {"nearest-facts", "template"}  # type: ignore[union-attr]
    assert recipe.serve and "nearest" in recipe.serve.candidates, "people's texts are served where no model is better"
    assert recipe.models["nearest"].baseline == "nearest-facts"  # type: ignore[attr-defined]


def test_a_value_inside_of_another_word_is_not_stated(tmp_path: Path) -> None:
    kinds = ("art", "hen", "ate", "low", "old")
    lines = ["first,second,third,text"]
    for n in range(160):
        row = [kinds[n % 5], kinds[(n + n // 5) % 5], kinds[(n + n // 25) % 5]]
        lines.append(f'{",".join(row)},"Then we party below, late and cold, in {TOWNS[n % 8]} on day {n} of our tour."')
    (tmp_path / "trips.csv").write_text("\n".join(lines))
    assert not [table.facts for table in look(tmp_path).tables if table.facts]


def test_readings_of_sensors_need_no_language_model(tmp_path: Path) -> None:
    rows = "\n".join(f"2026-03-01T10:{n % 60:02}:00,unit{n % 3},{n * 0.5},{20 + n % 7}" for n in range(600))
    (tmp_path / "log.csv").write_text(f"time,unit,bar,celsius\n{rows}")
    said = init(tmp_path, refused=True)
    assert "no language model is needed" in said and "lmworks handles text alone" in said
    assert not (tmp_path / "recipe.yaml").exists()
    init(tmp_path, "--task", "write")  # who says so may have its rows told in words


@pytest.mark.parametrize("folder", ["node_modules", "lib/site-packages"])
def test_libraries_of_others_are_left_out_and_named(folder: str, tmp_path: Path) -> None:
    code = "def area_{0}(side: float) -> float:\n    return side * {0}\n\n\n"
    (tmp_path / folder / "left-pad").mkdir(parents=True)
    for n in range(40):
        (tmp_path / f"m{n}.py").write_text(code.format(n) * 20)
        (tmp_path / folder / "left-pad" / f"x{n}.py").write_text(code.format(n) * 30)
    said = init(tmp_path)
    assert f"not read: {folder} and 39 more" in said or f"not read: {folder} (40)" in said
    (source,) = recipe_of(tmp_path).data["raw"].sources  # type: ignore[attr-defined]
    assert source.exclude == ["*.predicted.*", f"*{folder.rpartition('/')[2]}/*"]
    result = CliRunner().invoke(app, ["build", str(tmp_path / "recipe.yaml"), "--until", "raw"])
    assert result.exit_code == 0, result.output
    (counts,) = (tmp_path / ".lmworks" / "artifacts" / "ingest").rglob("counts.json")
    assert json.loads(counts.read_text())["documents"] == 40


def test_of_equal_files_one_is_read(tmp_path: Path) -> None:
    for n in range(30):
        (tmp_path / f"{n}.md").write_text(
            f"# Part {n}\n\n" + f"The mill of {TOWNS[n % 8]} grinds {n} sacks a day. " * 9
        )
    (tmp_path / "3 (old version).md").write_text((tmp_path / "3.md").read_text())
    assert 'left out: 1 file, equal copies of other files: ["3 (old version).md"]' in init(tmp_path)
    assert "3 (old version).md" in recipe_of(tmp_path).data["raw"].sources[0].exclude  # type: ignore[attr-defined]


def test_texts_that_are_not_english_get_the_name_of_a_base_that_has_read_them(tmp_path: Path) -> None:
    said = ["Der Aufzug in der Halle steht schon wieder still", "Die Rechnung wurde leider zweimal bezahlt"]
    rows = [f'"{said[n % 2]} seit Tag {n}, bitte kommen Sie bald.",{"AB"[n % 2]}' for n in range(900)]
    (tmp_path / "tickets.csv").write_text("\n".join(["text,gruppe", *rows]))
    told = init(tmp_path, "--task", "classify", "--budget-usd", "50000")
    assert "`lmworks models get FacebookAI/xlm-roberta-base --yes`" in told


@pytest.mark.parametrize(("minutes", "tried"), [(6, ["tuned", "words"]), (30, ["tuned", "decoder", "words"])])
def test_labels_are_tried_by_as_many_models_as_there_is_time_for(
    minutes: int, tried: list[str], tmp_path: Path
) -> None:
    said = ["the lift in the hall is stuck again", "the invoice of the yard was paid twice"]
    rows = [f'"{said[n % 2]} since day {n}, please come soon",{"AB"[n % 2]}' for n in range(900)]
    (tmp_path / "tickets.csv").write_text("\n".join(["text,queue", *rows]))
    init(tmp_path, "--task", "classify", "--budget-usd", "50000", "--minutes", str(minutes))
    recipe = recipe_of(tmp_path)
    assert recipe.evaluate and [*recipe.evaluate.models] == tried
    assert recipe.serve and recipe.serve.candidates == ["tuned", "words"]
