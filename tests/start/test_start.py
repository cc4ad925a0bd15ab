"""From a folder and answers to a recipe: what is asked, what is written, and what is refused."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docx
import pytest

from e2e.small_recipe import lmworks
from lmworks.errors import GateRefused, UsageError
from lmworks.graph import CLASSES, make_nodes
from lmworks.plan.plan import forecast_of, make_plan
from lmworks.recipe.file import load_recipe
from lmworks.recipe.schema import Recipe
from lmworks.start.answers import Answers, ask_all, check, kept_place, read_answers, write_answers
from lmworks.start.look import look
from lmworks.start.write import seen_in_words, start, told
from quick import few
from start.test_look import lines, sentences, workbook, write_csv

ENOUGH = {
    "distance": "far",
    "control": "full",
    "expertise": "team",
    "budget_usd": 1e7,
    "deadline_weeks": 52,
    "users": 500,
}
"""Answers of who has all that a training takes."""


def rows(folder: Path, name: str, found: list[dict[str, Any]]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found))


def company(folder: Path, what: str) -> Path:
    """A folder with files of a kind."""
    folder.mkdir()
    if what == "labels":
        write_csv(folder / "tickets.csv", ["message", "queue"], sentences(200))
    elif what == "people":
        found = [
            (f"Ada Byron {n % 80}", text, label, f"2026-03-{1 + n % 28:02}")
            for n, (text, label) in enumerate(sentences(200))
        ]
        write_csv(folder / "cases.csv", ["patient", "message", "queue", "day"], found)
    elif what == "pairs":
        rows(
            folder,
            "a.jsonl",
            [{"question": f"what is {n} less one, teacher?", "answer": f"it is {n - 1}, pupil"} for n in range(130)],
        )
    elif what == "talks":
        turns = [
            [{"who": "a", "says": f"where is hall {n}?"}, {"who": "b", "says": f"behind hall {n - 1}, on the left"}]
            for n in range(120)
        ]
        rows(folder, "a.jsonl", [{"talk": each} for each in turns])
    elif what == "spans":
        spans = [{"start": 0, "end": 3, "label": "PERSON"}]
        rows(folder, "a.jsonl", [{"text": f"Ada came at {n} to the mill", "spans": spans} for n in range(130)])
    elif what == "texts":
        for n in range(40):
            (folder / f"{n}.md").write_text(f"# Part {n}\n\n" + " ".join(text for text, _ in sentences(12, n)))
    elif what == "code":
        for n in range(40):
            (folder / f"m{n}.py").write_text(f"def area_{n}(side: float) -> float:\n    return side * {n}\n\n\n" * 20)
    elif what == "events":
        found = [(n, f"2026-03-01T10:{n % 60:02}:00", "pump" if n % 3 else "valve", n * 0.5) for n in range(900)]
        write_csv(folder / "log.csv", ["nr", "time", "part", "bar"], found)
    return folder


def started(folder: Path, **answers: object) -> Recipe:
    """The recipe of a folder, read as a build reads it."""
    complete = Answers.model_validate({"use_case": "trying", "licence": "LicenseRef-own", **answers})
    found = start(folder, folder, look(folder), complete, lambda path: load_recipe(path, CLASSES))
    recipe = load_recipe(found.path, CLASSES)
    make_nodes(recipe, make_plan(recipe, folder, folder / ".lmworks", measure=False), folder)
    for name in recipe.serve.candidates if recipe.serve else ():
        if name in recipe.models:
            assert recipe.evaluate and name in recipe.evaluate.models
        else:
            assert recipe.data[name].kind == "passages"  # type: ignore[attr-defined]
    return recipe


@pytest.mark.parametrize("means", few([ENOUGH, {}], 1), ids=["much", "little"])
@pytest.mark.parametrize("privacy", few(["internal", "secret"], 1))
@pytest.mark.parametrize(
    ("what", "task"),
    [
        *(
            ("labels", "classify"),
            ("people", "classify"),
            ("pairs", "chat"),
            ("pairs", "summarise"),
            ("spans", "extract"),
        ),
        *(("pairs", "translate"), ("talks", "chat"), ("texts", "search"), ("texts", "write"), ("texts", "chat")),
        *(("code", "write"), ("events", "write")),
    ],
)
def test_what_is_written_can_be_built_and_serves_what_it_measures(
    what: str, task: str, privacy: str, means: Mapping[str, object], tmp_path: Path
) -> None:
    folder = company(tmp_path / "own", what)
    recipe = started(folder, task=task, privacy=privacy, **means)
    kinds = {config.kind for config in recipe.data.values()}  # type: ignore[attr-defined]
    is_quoted = bool(recipe.serve and recipe.serve.model == "passages")
    assert task != "search" or is_quoted
    if is_quoted:
        assert task in ("search", "chat") and kinds - {"anonymise"} == {"ingest", "normalise", "passages"}
        assert ("anonymise" in kinds) == (privacy == "secret")
        return  # nothing learns
    assert ("anonymise" in kinds) == (privacy == "secret" or what == "people")
    split = recipe.data["split"]
    assert split.by == ("subject" if what == "people" else "id")  # type: ignore[attr-defined]
    assert (split.assign == "time") == (what in ("people", "events"))  # type: ignore[attr-defined]


def test_a_verdict_against_training_trains_nothing_that_costs(tmp_path: Path) -> None:
    recipe = started(company(tmp_path / "own", "labels"), task="classify", budget_usd=0)
    assert [config.objective for config in recipe.models.values()] == ["bag-of-words"]  # type: ignore[attr-defined]
    recipe = started(company(tmp_path / "other", "labels"), task="classify", **ENOUGH)
    assert "sequence-classification" in [config.objective for config in recipe.models.values()]  # type: ignore[attr-defined]
    assert recipe.evaluate and [gate.not_worse_than for gate in recipe.evaluate.gates] == ["majority", "words"]
    assert recipe.serve and (recipe.serve.model, recipe.serve.otherwise) == ("tuned", "words")


@pytest.mark.parametrize("means", [{}, ENOUGH, {"budget_usd": 0}], ids=["little", "much", "no money"])
@pytest.mark.parametrize(
    ("what", "task"),
    [
        *(("labels", "classify"), ("spans", "extract"), ("pairs", "translate"), ("pairs", "summarise")),
        *(("pairs", "chat"), ("talks", "chat"), ("texts", "write"), ("texts", "search"), ("events", "chat")),
    ],
)
def test_no_model_is_served_that_was_not_trained_on_the_files(
    what: str, task: str, means: Mapping[str, object], tmp_path: Path
) -> None:
    folder = company(tmp_path / "own", what)
    recipe = started(folder, task=task, **means)
    for name in recipe.serve.candidates if recipe.serve else ():
        served = recipe.models.get(name)
        assert served is None or served.objective != "pretrained"  # type: ignore[attr-defined]
        gates = recipe.evaluate.gates if recipe.evaluate else []
        assert served is None or any(name in gate.asked_of(recipe.serve.candidates) for gate in gates)  # type: ignore[union-attr]
    if not recipe.serve:
        assert "# Doubt: nothing is served, " in (folder / "recipe.yaml").read_text()


@pytest.mark.parametrize(
    ("what", "task", "goes_on"),
    [("code", "write", True), ("texts", "write", True), ("events", "chat", True), ("pairs", "write", False)],
)
def test_a_recipe_says_how_a_model_that_goes_on_is_asked(what: str, task: str, goes_on: bool, tmp_path: Path) -> None:
    folder = company(tmp_path / "own", what)
    started(folder, task=task, **ENOUGH | {"tokens": 10**8})
    recipe = folder / "recipe.yaml"
    assert (f"# Ask: lmworks predict {recipe} FILE --continue\n" in recipe.read_text()) == goes_on
    assert ("--continue" in recipe.read_text()) == goes_on


@pytest.mark.parametrize(("what", "task"), [("labels", "classify"), ("spans", "extract")])
@pytest.mark.parametrize("means", [{}, ENOUGH], ids=["little", "much"])
def test_a_floor_is_asked_of_whatever_may_be_served(
    what: str, task: str, means: Mapping[str, object], tmp_path: Path
) -> None:
    recipe = started(company(tmp_path / "own", what), task=task, **means)
    assert recipe.evaluate and recipe.serve
    served = [name for name in (recipe.serve.model, recipe.serve.otherwise) if name]
    assert {name for gate in recipe.evaluate.gates for name in gate.asked_of(served)} == {*served}


@pytest.mark.parametrize(
    ("what", "task"), [("talks", "chat"), ("texts", "write"), ("code", "write"), ("pairs", "chat")]
)
def test_where_the_verdict_is_not_to_train_the_recipe_trains_nothing(what: str, task: str, tmp_path: Path) -> None:
    recipe = started(company(tmp_path / "own", what), task=task, budget_usd=0)
    assert {config.objective for config in recipe.models.values()} <= {"pretrained"}  # type: ignore[attr-defined]


def test_what_a_text_is_called_is_no_answer_in_a_chat(tmp_path: Path) -> None:
    """A headline is about its article, and answers nobody's question."""
    news = [
        {"body": f"The mill at {n} closed on Monday, as its owners had said.", "headline": f"The mill at {n} is closed"}
        for n in range(900)
    ]
    rows(tmp_path / "own", "a.jsonl", news)
    recipe = started(tmp_path / "own", task="chat", **ENOUGH)
    assert "pairs" not in {config.kind for config in recipe.data.values()}  # type: ignore[attr-defined]


def test_remarks_on_events_are_learned_as_pairs(tmp_path: Path) -> None:
    found = [
        {"events": f"08:1{n % 9} bus={n} brake hard at stop {n % 7}", "remark": f"Bus {n} braked hard at stop {n % 7}."}
        for n in range(200)
    ]
    rows(tmp_path / "own", "a.jsonl", found)
    recipe = started(tmp_path / "own", task="write", **ENOUGH)
    train = recipe.data["train"]
    assert (train.kind, train.source, train.target) == ("pairs", "events", "remark")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("what", "more"), [("texts", {"page.html": "<p>{}</p>", "letter.txt": "{}"}), ("code", {"a.js": "// {}"})]
)
def test_texts_of_several_forms_are_read_together(what: str, more: Mapping[str, str], tmp_path: Path) -> None:
    folder = company(tmp_path / "own", what)
    for name, form in more.items():
        (folder / name).write_text(form.format(" ".join(text for text, _ in sentences(30, 99))))
    recipe = started(folder, task="write", **ENOUGH)
    sources = recipe.data["raw"].sources  # type: ignore[attr-defined]
    assert {path for source in sources for path in source.located(folder).paths()} == {
        path.name for path in folder.iterdir() if path.name != "recipe.yaml"
    }


def test_passages_are_sought_in_texts_and_in_rows_and_nothing_found_is_said_in_their_language(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    asked = [
        {"pregunta": f"¿Cuánto cuesta la llave número {n}?", "respuesta": f"La llave cuesta {n} euros en la tienda."}
        for n in range(200)
    ]
    rows(folder, "a.jsonl", asked)
    (folder / "notas.md").write_text("La tienda abre los lunes y cierra los domingos por la tarde. " * 9)
    recipe = started(folder, task="chat", budget_usd=0)
    sources = {source.name: source for source in recipe.data["raw"].sources}  # type: ignore[attr-defined]
    assert sorted(sources) == ["jsonl-1", "text-2"] and sources["jsonl-1"].text_field == ["pregunta", "respuesta"]
    assert recipe.data["passages"].least_score != 0, "below some score nothing is found"  # type: ignore[attr-defined]
    assert (
        recipe.serve
        and recipe.serve.model == "passages"
        and recipe.serve.not_found == "Los documentos no dicen nada sobre esto."
    )


@pytest.mark.parametrize("form", ["lines", "po"])
def test_parallel_files_are_learned_as_translations(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    if form == "lines":
        lines(folder, "a.en", "en", 100)
        lines(folder, "a.de", "de", 100)
    else:
        body = "".join(
            f'msgid "open the window {n} now"\nmsgstr "das Fenster {n} jetzt öffnen"\n\n' for n in range(100)
        )
        (folder / "de.po").write_text(body)
    recipe = started(folder, task="translate", **ENOUGH | {"use_case": "from English into German"})
    source = recipe.data["raw"].sources[0].located(folder)  # type: ignore[attr-defined]
    train = recipe.data["train"]
    sides = [train.source, train.target]  # type: ignore[attr-defined]
    assert sides == (["en", "de"] if form == "lines" else ["source", "target"]) and {*source.fields} == {*sides}
    assert source.kind == ("parallel" if form == "lines" else "files")


@pytest.mark.parametrize(
    ("use", "way"), [("translating", "de en English"), ("English letters into German", "en de German")]
)
def test_a_translation_goes_as_columns_stand_unless_the_use_says_otherwise(use: str, way: str, tmp_path: Path) -> None:
    found = [(f"das Fenster {n} bitte auf", f"please open the window with the number {n}") for n in range(130)]
    (tmp_path / "own").mkdir()
    write_csv(tmp_path / "own" / "a.csv", ["de", "en"], found)
    train = started(tmp_path / "own", task="translate", use_case=use).data["train"]
    source, target, language = way.split()
    assert (train.source, train.target) == (source, target)  # type: ignore[attr-defined]
    assert train.ask.endswith(f"Translate this into {language}.")  # type: ignore[attr-defined]
    said = f"{target} is written from {source}: answer `text: {target}`"
    assert said in (tmp_path / "own" / "recipe.yaml").read_text()


def test_a_book_that_is_one_file_is_cut_so_that_some_can_be_held_out(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    pages = ("\n\n".join(text for text, _ in sentences(90, page)) for page in range(60))
    (tmp_path / "own" / "saga.txt").write_text("\n\n".join(pages))
    recipe = started(tmp_path / "own", task="write", **ENOUGH)
    (source,) = recipe.data["raw"].sources  # type: ignore[attr-defined]
    assert source.format == "parts"


def test_of_many_texts_no_more_are_held_out_than_can_be_read_in_a_first_build(tmp_path: Path) -> None:
    """Every model reads all that is held out: a tenth of many megabytes would take longer than its training."""
    (tmp_path / "own").mkdir()
    for part in range(400):
        page = " ".join(text for text, _ in sentences(160, part))
        (tmp_path / "own" / f"{part}.txt").write_text(page)
    split = started(tmp_path / "own", task="write", **ENOUGH).data["split"]
    size = sum(path.stat().st_size for path in (tmp_path / "own").glob("*.txt"))
    assert 100_000 < split.test * size < 300_000 and split.validation <= 0.05  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("what", "task", "words"),
    [
        ("texts", "classify", "60 texts and a column with their labels"),
        ("labels", "extract", "texts with labelled spans"),
        ("labels", "translate", "60 pairs of texts in two columns"),
    ],
)
def test_what_the_files_do_not_give_is_refused_with_what_it_takes(
    what: str, task: str, words: str, tmp_path: Path
) -> None:
    folder = company(tmp_path / "own", what)
    with pytest.raises(GateRefused, match=words):
        started(folder, task=task)
    assert not (folder / "recipe.yaml").exists()


def test_the_command_ends_with_3_where_nothing_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.bin").write_bytes(bytes(range(256)))
    done = lmworks(tmp_path, "init", "own", "--yes", code=3)
    assert "not read: .bin" in done.stdout and "nothing in the folder can be read" in done.stderr


def test_answers_of_a_file_are_checked_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text("use_case: sorting\nprivacy: secrt\n")
    with pytest.raises(UsageError, match=r"answers.yaml: privacy: expected 'public'.*found 'secrt'"):
        read_answers(path)
    path.write_text("use_case: sorting\nprivcy: secret\n")
    with pytest.raises(UsageError, match="did you mean 'privacy'"):
        read_answers(path)
    with pytest.raises(UsageError, match=r"licence: .*expected an SPDX expression"):
        check("licence", "do what you like")
    assert check("licence", "LicenseRef-house AND MIT") and check("budget_usd", "7.5") == 7.5
    write_answers(path, {"use_case": 'say "hello": yes', "minutes": 3})
    assert read_answers(path) == {"use_case": 'say "hello": yes', "minutes": 3.0}


@pytest.mark.slow
def test_a_wrong_answer_is_asked_again_and_a_stop_keeps_the_others(tmp_path: Path) -> None:
    company(tmp_path / "own", "labels")
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "lmworks", "init", "own"]
    running = subprocess.Popen(command, cwd=tmp_path, stdin=child, stdout=child, stderr=child, start_new_session=True)
    said = ""

    def until(words: str) -> None:
        nonlocal said
        limit = time.monotonic() + 60
        while words not in said and time.monotonic() < limit:
            said += os.read(parent, 4096).decode()
        assert words in said

    until("What is the model for?")
    os.write(parent, b"sorting our mail\n")
    until("What shall it do with a text")
    os.write(parent, b"clasify\n")
    until("found 'clasify'")
    os.write(parent, b"classify\n")
    until("The files are")
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(60) == 130
    kept = kept_place(tmp_path / "own")
    assert read_answers(kept) == {"use_case": "sorting our mail", "task": "classify"}
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["tickets.csv"]
    done = lmworks(tmp_path, "init", "own", "--yes")
    assert 'use_case: "sorting our mail"; task: "classify"' in done.stderr
    assert 'use_case: "sorting our mail"' in (tmp_path / "own" / "recipe.yaml").read_text()
    assert not kept.exists()


def test_a_stop_before_the_first_answer_names_no_file(tmp_path: Path) -> None:
    company(tmp_path / "own", "labels")
    command = [sys.executable, "-m", "lmworks", "init", "own"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert "stopped; no answers are kept" in done.stderr


@pytest.mark.slow
def test_answers_that_lie_in_the_folder_are_named_and_not_taken(tmp_path: Path) -> None:
    folder = company(tmp_path / "own", "labels")
    (folder / "answers.yaml").write_text("privacy: public\nlicence: CC0-1.0\nbudget_usd: 1000000\n")
    done = lmworks(tmp_path, "init", "own", "--yes", "--task", "classify")
    assert 'not read: own/answers.yaml (privacy: "public"; licence: "CC0-1.0"; budget_usd: 1000000.0)' in done.stderr
    recipe = load_recipe(folder / "recipe.yaml", CLASSES)
    assert recipe.needs and (recipe.needs.privacy, recipe.needs.budget_usd) == ("internal", 10_000)
    assert "CC0-1.0" not in (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").unlink()
    lmworks(tmp_path, "init", "own", "--answers", "own/answers.yaml", "--task", "classify")
    recipe = load_recipe(folder / "recipe.yaml", CLASSES)
    assert recipe.needs and (recipe.needs.privacy, recipe.needs.budget_usd) == ("public", 1e6)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "long"])
def test_answers_that_are_no_file_of_ordinary_size_are_refused_and_not_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("# more\n" * 2**16)
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32)); from pathlib import Path; "
    code += "from lmworks.start.answers import in_words; print(in_words(Path(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("no answers: ") and "expected a file of at most" in done.stdout


@pytest.mark.slow
def test_the_recipe_may_lie_beside_the_files_and_is_never_overwritten(tmp_path: Path) -> None:
    company(tmp_path / "own", "labels")
    lmworks(tmp_path, "init", "new", "--data", "own", "--yes", "--task", "classify")
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["tickets.csv"]
    text = (tmp_path / "new" / "recipe.yaml").read_text()
    assert 'path: "../own"' in text
    assert "is there already" in lmworks(tmp_path, "init", "new", "--data", "own", "--yes", code=2).stderr
    assert (tmp_path / "new" / "recipe.yaml").read_text() == text


PESEL = "44051401359"
"""Of which the last digit is the check digit of the others."""


def insured(folder: Path, what: str) -> Path:
    """Files about people of whom no column's name says so."""
    folder.mkdir()
    if what == "letters":
        for n in range(40):
            (folder / f"{n}.txt").write_text(
                f"Letter {n}. PESEL: {PESEL}. " + " ".join(text for text, _ in sentences(12, n))
            )
    else:
        found = [(text, label, PESEL) for text, label in sentences(200)]
        write_csv(folder / "register.csv", ["message", "queue", "PESEL"], found)
    return folder


@pytest.mark.parametrize(
    ("what", "task"), [("letters", "write"), ("letters", "chat"), ("letters", "search"), ("rows", "classify")]
)
def test_personal_data_that_are_seen_keep_the_files_here_and_are_masked(what: str, task: str, tmp_path: Path) -> None:
    folder = insured(tmp_path / "own", what)
    said: list[str] = []
    answers = ask_all(look(folder), {"use_case": "letters", "task": task}, None, lambda _: None, said.append)
    assert (answers.privacy, answers.residency) == ("confidential", "on-premise")
    assert all("personal data (national_id" in line for line in said) and len(said) == 2
    recipe = started(folder, **answers.model_dump(exclude_none=True, exclude={"use_case", "licence"}))
    assert "anonymise" in {config.kind for config in recipe.data.values()}  # type: ignore[attr-defined]
    assert "hosted" not in (folder / "recipe.yaml").read_text()
    for_all = ask_all(look(folder), {"task": task, "privacy": "public"}, None, lambda _: None, said.append)
    assert for_all.residency == "anywhere", "who says that files are public need not say so twice"
    own = ask_all(look(folder), {"task": task, "residency": "anywhere"}, None, lambda _: None, said.append)
    assert own.residency == "anywhere"


def test_of_one_long_text_no_more_is_held_out_than_models_read_in_minutes(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    book = "\n\n".join(text for text, _ in sentences(2000))
    (tmp_path / "own" / "book.txt").write_text("\n\n".join(f"{n}. {book}" for n in range(4_000_000 // len(book))))
    split = started(tmp_path / "own", task="write", distance="far", control="full").data["split"]
    assert 0.02 < split.test < 0.06  # type: ignore[attr-defined]


def test_what_is_looked_for_by_a_word_of_any_column_is_found(tmp_path: Path) -> None:
    """A glossary: short terms of two languages beside what explains them, and a column that names people."""
    folder, parts = tmp_path / "own", ("valve", "pump", "flange", "gasket", "rotor", "nozzle")
    teile = ("Ventil", "Pumpe", "Flansch", "Dichtung", "Rotor", "Düse")
    folder.mkdir()
    found = [
        (
            f"{parts[n % 6]} {parts[n % 5]}",
            f"{teile[n % 5]} am {teile[n % 6]}",
            f"Ada Byron {n % 9}",
            f"{text} It is part {n}.",
            n,
        )
        for n, (text, _) in enumerate(sentences(120))
    ]
    write_csv(folder / "terms.csv", ["english", "deutsch", "author", "definition", "page"], found)
    (source,) = started(folder, task="search").data["raw"].sources  # type: ignore[attr-defined]
    assert source.text_field == ["english", "deutsch", "definition"]


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("Dokumenten", "Dokumenten säger inget om detta."),
        ("documentos", "Os documentos não dizem nada sobre isto."),
    ],
    ids=["sv", "pt"],
)
def test_a_term_of_one_word_is_searched_and_what_is_not_is_said(language: str, says: str, tmp_path: Path) -> None:
    """A glossary in which no term comes twice: one word each, of letters; codes and people are no terms."""
    folder, letters = tmp_path / "own", "abcdefghij"
    folder.mkdir()
    explained = {
        "Dokumenten": "Vätskan för bort värmen från kylskåpet och måste bytas av en fackman vartannat år.",
        "documentos": "O líquido retira o calor da máquina e precisa ser trocado por um técnico todos os anos.",
    }[language]
    terms = [f"köld{letters[n // 10]}{letters[n % 10]}medium" for n in range(80)]
    terms[7] = "R134a"  # a term with digits is one among others
    found = [(term, f"K{n:04}", f"Ada{n}", f"{explained} ({n})") for n, term in enumerate(terms)]
    write_csv(folder / "glossary.csv", ["term", "code", "author", "explanation"], found, delimiter=";")
    recipe = started(folder, task="search")
    (source,) = recipe.data["raw"].sources  # type: ignore[attr-defined]
    assert source.text_field == ["term", "explanation"]
    said = "Not searched, as identifiers, addresses or names of people: code, author;"
    assert said in (folder / "recipe.yaml").read_text()
    assert recipe.serve and recipe.serve.not_found == says


def test_files_without_personal_data_may_be_read_anywhere(tmp_path: Path) -> None:
    answers = ask_all(look(company(tmp_path / "own", "labels")), {}, None, lambda _: None, print)
    assert (answers.privacy, answers.residency) == ("internal", "anywhere")


@pytest.mark.parametrize("field", few(["label", "text", "target", "subject"], 1))
def test_an_answer_that_names_no_column_is_refused_with_those_that_there_are(field: str, tmp_path: Path) -> None:
    company(tmp_path / "own", "labels")
    (tmp_path / "mine.yaml").write_text(f"use_case: sorting\ntask: classify\n{field}: quueue\n")
    done = lmworks(tmp_path, "init", "own", "--answers", "mine.yaml", code=2)
    assert f"{field}: no column is called 'quueue'; did you mean 'queue'?; there are message, queue" in done.stderr
    assert not (tmp_path / "own" / "recipe.yaml").exists()


def test_a_table_that_has_the_columns_which_were_answered_goes_before_a_larger_one(tmp_path: Path) -> None:
    folder = company(tmp_path / "own", "labels")
    write_csv(folder / "small.csv", ["remark", "kind"], sentences(70))
    recipe = started(folder, task="classify", label="kind")
    source = recipe.data["raw"].sources[0].located(folder)  # type: ignore[attr-defined]
    assert (list(source.include), source.label_field, source.text_field) == (["small.csv"], "kind", "remark")
    (folder / "recipe.yaml").unlink()
    started(folder, task="search", subject="kind")
    (folder / "recipe.yaml").unlink()
    started(folder, task="classify", label="kind", subject="queue")
    assert "`subject: queue` was answered, and nothing" in (folder / "recipe.yaml").read_text()


def test_the_label_is_asked_of_a_table_that_is_smaller_than_the_letters_beside_it(tmp_path: Path) -> None:
    folder = company(tmp_path / "own", "texts")
    found = [(text, label, "open" if n % 2 else "closed") for n, (text, label) in enumerate(sentences(90))]
    write_csv(folder / "tickets.csv", ["message", "queue", "status"], found)
    asked: dict[str, str] = {}

    def ask(words: str, default: str) -> str:
        asked[words] = default
        return "status" if words.startswith("Which column") else default

    given = {"use_case": "sorting", "task": "classify"}
    answers = ask_all(look(folder), given, ask, lambda _: None, print)
    assert asked["Which column is right: queue, status"] == "queue" and answers.label == "status"
    said: list[str] = []
    ask_all(look(folder), given, None, lambda _: None, said.append)
    assert said == ["label is queue unless you answer another: the likeliest of queue, status"]


@pytest.mark.slow
def test_an_encoding_is_said_to_be_a_guess_with_words_that_show_whether_it_is_right(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for n in range(9):
        words = f"W\u0142a\u015bciciel domu {n} zg\u0142asza szkod\u0119 i prosi o wyp\u0142at\u0119. " * 9
        (tmp_path / "own" / f"{n}.txt").write_bytes(words.encode("iso8859-2"))
    done = lmworks(tmp_path, "init", "own", "--task", "search", "--yes")
    guess = "not UTF-8, and iso8859-2 by a guess: do these words read well: zg\u0142asza, szkod\u0119"
    assert guess in done.stdout and f"# Doubt: *.txt: {guess}" in (tmp_path / "own" / "recipe.yaml").read_text()


def test_words_that_show_an_encoding_are_whole_and_frequent_and_no_names(tmp_path: Path) -> None:
    rows = [(f"ο πελάτης Άννα ζητά {n}", "ab"[n % 2]) for n in range(40)]
    rows[3] = ("ο πελάτης γιώργος ζητά 3", "a")
    (tmp_path / "a.csv").write_bytes("\n".join(["text,label", *map(",".join, rows)]).encode("iso8859-7"))
    (table,) = look(tmp_path).tables
    assert table.encoding == "iso8859-7" and set(table.decoded) == {"ο", "πελάτης", "ζητά"} - {"ο"}


def test_the_verdict_counts_what_texts_say_and_examples_of_the_task_alone(tmp_path: Path) -> None:
    folder = company(tmp_path / "own", "labels")
    letter = docx.Document()
    letter.add_paragraph("The belt on line two has worn through.")
    letter.save(str(folder / "letter.docx"))
    with zipfile.ZipFile(folder / "letter.docx", "a") as packed:
        packed.writestr("word/media/image.png", bytes(900_000))
    seen = look(folder)
    assert seen.bytes > 900_000 > 50_000 > seen.text_bytes
    assert started(folder, task="classify").needs.labelled_examples == 200  # type: ignore[union-attr]
    (folder / "recipe.yaml").unlink()
    assert started(folder, task="search").needs.labelled_examples == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("what", "task", "both"),
    [
        ("labels", "classify", "text and label in 110 of them"),
        ("pairs", "translate", "both texts in 110 of them"),
        ("spans", "extract", "text and spans in 110 of them"),
    ],
)
def test_examples_are_records_that_have_both_what_is_read_and_what_is_right(
    what: str, task: str, both: str, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    said, queues = zip(*sentences(600), strict=True)
    given: list[Any] = [
        {
            "labels": {"message": text, "queue": queues[n]},
            "pairs": {"question": text, "answer": f"{text}, and we have answered it"},
            "spans": {"text": text, "spans": [{"start": 0, "end": 3, "label": "PART"}]},
        }[what]
        for n, text in enumerate(said)
    ]
    empty = {"labels": "queue", "pairs": "answer", "spans": "spans"}[what]
    asked = next(iter(given[0]))
    whole = [{**row, asked: ""} if n < 10 else row if n < 120 else {**row, empty: None} for n, row in enumerate(given)]
    rows(folder, "a.jsonl", whole)
    seen = look(folder)
    assert any(both in line for line in seen_in_words(seen))
    assert started(folder, task=task).needs.labelled_examples == 110  # type: ignore[union-attr]
    first = (folder / "recipe.yaml").read_text().splitlines()[0]
    assert " 110 " in first and "600" not in first


def test_labels_that_are_too_few_beside_many_texts_are_refused_with_their_number(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    found = [(text, label if n < 50 else "") for n, (text, label) in enumerate(sentences(1200))]
    write_csv(folder / "tickets.csv", ["message", "queue"], found)
    with pytest.raises(GateRefused, match=r"1,200 texts with labels .csv.; text and label in 50 of them"):
        started(folder, task="classify")


@pytest.mark.slow
def test_what_the_verdict_costs_is_told_and_doubted_where_there_is_less(tmp_path: Path) -> None:
    folder = company(tmp_path / "own", "texts")
    asked = ("--task", "write", "--privacy", "secret", "--budget-usd", "500", "--yes")
    done = lmworks(tmp_path, "init", "own", *asked)
    (cost,) = (line for line in done.stdout.splitlines() if line.startswith("cost: "))
    assert cost.startswith("cost: $") and cost.endswith(" for twelve months, of $500")
    doubt = f"what the verdict costs is more than there is: {cost.removeprefix('cost: ')}"
    assert f"doubt: {doubt}" in done.stdout
    assert doubt in (folder / "recipe.yaml").read_text()


def test_a_plan_is_told_the_lengths_of_the_texts_and_counts_no_pictures(tmp_path: Path) -> None:
    folder = company(tmp_path / "own", "labels")
    needs = started(folder, task="classify").needs
    assert needs and needs.answer_tokens == 5 and needs.prompt_tokens < 100 and needs.tokens == "auto"
    (folder / "recipe.yaml").unlink()
    asked = started(folder, task="classify", prompt_tokens=700, answer_tokens=9).needs
    assert asked and (asked.prompt_tokens, asked.answer_tokens) == (700, 9)
    report = docx.Document()
    report.add_paragraph("The belt on line two has worn through. " * 700)
    (tmp_path / "reports").mkdir()
    report.save(str(tmp_path / "reports" / "a.docx"))
    with zipfile.ZipFile(tmp_path / "reports" / "a.docx", "a") as packed:
        packed.writestr("word/media/image.png", bytes(900_000))
    recipe = started(tmp_path / "reports", task="write")
    forecast = forecast_of(recipe, tmp_path / "reports")
    assert forecast and forecast.tokens == recipe.needs.tokens < 8_000  # type: ignore[union-attr, operator]


def test_what_is_an_identifier_in_one_file_is_searched_in_none(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    said = [text for text, _ in sentences(300)]
    write_csv(folder / "new.csv", ["reference", "message"], [(f"2026-{n:05}", each) for n, each in enumerate(said)])
    old = [
        {"reference": f"file {n // 30}", "message": f"{each}, as of old", "year": 2022} for n, each in enumerate(said)
    ]
    rows(folder, "old.jsonl", old)
    recipe = started(folder, task="search")
    raw: Any = recipe.data["raw"]
    assert all("reference" not in source.text_field for source in raw.sources) and len(raw.sources) == 2
    assert (
        "# Not searched, as identifiers, addresses or names of people: reference;"
        in (folder / "recipe.yaml").read_text()
    )


@pytest.mark.parametrize(("sentences_each", "questions"), [(1, 200), (30, 80)])
def test_no_more_questions_are_asked_than_the_minutes_hold(sentences_each: int, questions: int, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    said = [text for text, _ in sentences(1200)]
    whole = [" ".join(said[(n * 7 + k) % 1200] for k in range(sentences_each)) for n in range(1200)]
    rows(folder, "a.jsonl", [{"body": f"{n}. {text}", "abstract": said[n]} for n, text in enumerate(whole)])
    recipe = started(folder, task="summarise", text="body", target="abstract", minutes=6, **ENOUGH)
    assert recipe.evaluate
    (task,) = recipe.evaluate.tasks
    assert abs(task.limit - questions) <= 20  # type: ignore[attr-defined]
    plan = make_plan(recipe, folder, folder / ".lmworks", measure=False)
    assert not [doubt for doubt in plan.doubts if doubt.startswith("evaluation")]


@pytest.mark.parametrize(("different", "is_enough"), [(40, False), (90, True)])
def test_copies_of_a_text_are_one_example(different: int, is_enough: bool, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    greeting = "Dear all, thank you for your message, to which we answer as soon as anybody of us is back at work. " * 3
    found = [(str(n), f"{greeting}{text}", label) for n, (text, label) in enumerate(sentences(different) * 5)]
    write_csv(folder / "tickets.csv", ["number", "message", "queue"], found)
    said = [*seen_in_words(look(folder))]
    assert any(f"{5 * different} texts with labels" in line for line in said)
    assert any(f"{different} without copies" in line for line in said)
    if is_enough:
        assert started(folder, task="classify").needs.labelled_examples == different  # type: ignore[union-attr]
    else:
        with pytest.raises(GateRefused, match="it takes 60 texts"):
            started(folder, task="classify")


@pytest.mark.parametrize(("alone", "others"), [("message", 300), ("message", 6_000), ("subject", 300)])
def test_copies_are_one_example_beside_texts_without_a_label_and_in_a_column_of_titles(
    alone: str, others: int, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    labelled = [(text, f"Ticket {n % 40}", label) for n, (text, label) in enumerate(sentences(90) * 7)]
    rest = [(f"{n}. {text}", f"Ticket {n}", "") for n, (text, _) in enumerate(sentences(others))]
    write_csv(folder / "tickets.csv", ["message", "subject", "queue"], labelled + rest)
    if alone == "message":
        recipe = started(folder, task="classify", label="queue", text=alone)
        assert recipe.needs.labelled_examples == 90  # type: ignore[union-attr]
    else:  # of which forty differ
        with pytest.raises(GateRefused, match="it takes 60 texts"):
            started(folder, task="classify", label="queue", text=alone)


def test_copies_of_a_conversation_are_one_example(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    turns = [
        [{"role": "user", "content": text}, {"role": "assistant", "content": label}] for text, label in sentences(30)
    ]
    rows(folder, "chats.jsonl", [{"id": f"c{n}", "messages": each} for n, each in enumerate(turns * 5)])
    assert any("150 conversations" in line and "30 without copies" in line for line in seen_in_words(look(folder)))
    recipe = started(folder, task="chat", **ENOUGH)
    assert recipe.serve and recipe.serve.model == "passages", "too few to learn from are quoted"


def test_labels_are_told_with_their_numbers_and_those_that_a_build_would_refuse(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    odd = {0: "Repair", 1: "north  gate", 2: "north gate ", 3: "ada.byron@lovelace.org"}
    found = [(text, odd.get(n, label)) for n, (text, label) in enumerate(sentences(200))]
    write_csv(folder / "tickets.csv", ["message", "queue"], found)
    done = lmworks(tmp_path, "init", "own", "--task", "classify", "--yes")
    counts = Counter(" ".join(label.lower().split()) for _, label in found)
    assert (
        f"labels of queue: {', '.join(f'{name} ({count})' for name, count in counts.most_common(3))}, " in done.stdout
    )
    recipe = (folder / "recipe.yaml").read_text()
    for said in (
        "labels of fewer than 3 texts cannot be in each of train, validation and test",
        "north gate (2), ‹email hidden› (1): label more",
    ):
        assert said in done.stdout and said in recipe
    assert "lovelace" not in done.stdout + recipe
    alike = f"repair ({counts['repair'] - 1}) and Repair (1); north  gate (1) and north gate (1)"
    assert f"one label each, since only case or spaces differ: {alike}" in done.stdout
    assert "label_case: lower" in recipe


def test_sheets_that_are_not_used_are_said_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    workbook(
        folder / "desk.xlsx",
        {"2022": ["Text", "Queue"], "2023": ["Text", "Queue"], "2024": ["Message", "Service"]},
    )
    seen = look(folder)
    assert any(line.startswith("desk.xlsx, sheets 2022, 2023: 180") for line in seen_in_words(seen))
    answers = Answers(use_case="trying", licence="LicenseRef-own", task="classify")
    found = start(folder, folder, seen, answers, lambda path: load_recipe(path, CLASSES))
    assert "not used: sheet 2024 of desk.xlsx" in told(found, seen)


@pytest.mark.parametrize("what", ["labels", "texts"])
def test_answers_that_a_model_wrote_beside_the_files_are_no_data(what: str, tmp_path: Path) -> None:
    folder = company(tmp_path / "own", what)
    recipe = started(folder, task="classify" if what == "labels" else "search")
    source = recipe.data["raw"].sources[0].located(folder)  # type: ignore[attr-defined]
    before, seen = source.paths(), look(folder)
    for path in [*folder.iterdir()]:
        if path.suffix in (".csv", ".md"):
            path.with_suffix(f".predicted{path.suffix}").write_bytes(path.read_bytes())
    assert source.paths() == before
    again = look(folder)
    assert [table.records for table in again.tables] == [table.records for table in seen.tables]
    assert not again.aside and any("predicted" in line for line in seen_in_words(again))


def test_a_column_that_words_predict_is_the_label_whatever_it_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    found = [(text, label, "open" if n % 3 else "closed") for n, (text, label) in enumerate(sentences(300))]
    write_csv(folder / "export.csv", ["msg", "grp_x", "status"], found)
    seen = look(folder)
    (table,) = seen.tables
    assert (table.shape, table.labels) == ("labelled", ["grp_x", "status"])
    assert re.search(
        r"labels: grp_x \(1\.00 against 0\.\d\d for the most common label\), status \(0\.",
        "\n".join(seen_in_words(seen)),
    )
    started(folder, task="classify", label="status")
    assert "# Doubt: words do not predict status: 0." in (folder / "recipe.yaml").read_text()
    write_csv(folder / "export.csv", ["msg", "status"], [(text, status) for text, _, status in found])
    assert look(folder).tables[0].shape == "texts", "a label by its name alone, which no word tells"


def test_numbers_that_words_tell_are_labels_and_amounts_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    draw = random.Random(0)
    words = [f"{first}{last}" for first in ("bal", "cor", "dem", "fil", "gos") for last in ("ta", "mi", "ru")]
    rows = []
    for _ in range(600):
        code = draw.randrange(len(words))
        rows.append(
            (f"why does my {words[code]} come so late, order {draw.random():.6f}", code + 20, draw.randrange(90))
        )
    write_csv(folder / "export.csv", ["a", "b", "c"], rows)
    (table,) = look(folder).tables
    assert (table.shape, table.labels, table.column("c").kind) == ("labelled", ["b"], "number")
    started(folder, task="classify")
    assert "label_field: b" in (folder / "recipe.yaml").read_text()


@pytest.mark.parametrize(("people", "by"), [(7, "id"), (30, "id"), (80, "subject")])
def test_whole_people_are_held_out_where_there_are_enough(people: int, by: str, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    found = [(f"Ada Byron {n % people}", text, label) for n, (text, label) in enumerate(sentences(300))]
    write_csv(folder / "cases.csv", ["patient", "message", "queue"], found)
    recipe = started(folder, task="classify")
    split = recipe.data["split"]
    assert split.by == by  # type: ignore[attr-defined]
    assert by == "id" or split.test * people >= 15  # type: ignore[attr-defined]
    assert ("too few to hold whole groups out" in (folder / "recipe.yaml").read_text()) == (by == "id")
    assert recipe.data["private"].people == ["patient"]  # type: ignore[attr-defined]


def test_copies_in_large_groups_are_left_out_of_training_and_do_not_join_the_groups(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    found = [(f"Ada Byron {n % 60}", text, label) for n, (text, label) in enumerate(sentences(2_400))]
    write_csv(folder / "cases.csv", ["patient", "message", "queue"], found)
    recipe = started(folder, task="classify", budget_usd=20_000, minutes=2)
    split, corpus = recipe.data["split"], recipe.data["corpus"]
    assert (split.by, split.near_duplicates) == ("subject", None)  # type: ignore[attr-defined]
    assert corpus.avoid == ["split.validation", "split.test"]  # type: ignore[attr-defined]
    assert {recipe.models[name].data for name in ("tuned", "words")} == {"corpus"}  # type: ignore[attr-defined]
    assert recipe.evaluate and recipe.evaluate.tasks[0].limit == 500  # type: ignore[attr-defined]


def test_authors_of_public_texts_are_searched_and_not_masked(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    found = [(f"Ada Byron {'abcdefghij'[n % 10]}", text) for n, (text, _) in enumerate(sentences(120))]
    write_csv(folder / "books.csv", ["author", "abstract"], found)
    recipe = started(folder, task="search", privacy="public")
    (source,) = recipe.data["raw"].sources  # type: ignore[attr-defined]
    assert "private" not in recipe.data and source.text_field == ["author", "abstract"]


def test_all_conversations_of_one_layout_are_learned_from(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    turns = [
        {
            "messages": [
                {"role": "user", "content": f"Where is hall {n}?"},
                {"role": "assistant", "content": f"Behind {n}."},
            ]
        }
        for n in range(160)
    ]
    (folder / "a.json").write_text(json.dumps(turns[:60]))
    (folder / "b.json").write_text(json.dumps([{**each, "desk": n % 3} for n, each in enumerate(turns[60:110])]))
    rows(folder, "c.jsonl", turns[110:])
    recipe = started(folder, task="chat", **ENOUGH)
    sources = recipe.data["raw"].sources  # type: ignore[attr-defined]
    assert sorted(path for each in sources for path in each.located(folder).paths()) == ["a.json", "b.json", "c.jsonl"]
    assert recipe.needs and recipe.needs.labelled_examples == 160


def test_the_advice_on_another_base_works_when_it_is_typed(tmp_path: Path) -> None:
    folder = company(tmp_path / "own", "talks")
    started(folder, task="chat", **ENOUGH)
    recipe = folder / "recipe.yaml"
    (advice,) = (line for line in recipe.read_text().splitlines() if "lmworks models get" in line)
    command, base, model, *_ = re.findall("`([^`]+)`", advice)
    assert command == "lmworks models get HuggingFaceTB/SmolLM2-360M-Instruct --yes"
    assert "--yes" in lmworks(tmp_path, "models", "get", "--help").stdout
    recipe.write_text(recipe.read_text().replace(f"\n  {model}:\n", f"\n  {base}\n  {model}:\n"))
    models = load_recipe(recipe, CLASSES).models
    assert models[models[model].base].path == "HuggingFaceTB/SmolLM2-360M-Instruct"  # type: ignore[attr-defined]


@pytest.mark.whole
@pytest.mark.parametrize(("what", "task"), [("labels", "classify"), ("lines", "translate"), ("talks", "chat")])
def test_a_folder_is_looked_at_without_any_extra(what: str, task: str, tmp_path: Path) -> None:
    if what == "lines":
        (tmp_path / "own").mkdir()
        lines(tmp_path / "own", "a.en", "en", 100)
        lines(tmp_path / "own", "a.de", "de", 100)
    else:
        company(tmp_path / "own", what)
    code = (
        "import runpy, sys\n"
        "for name in ('babel', 'sklearn', 'scipy', 'transformers', 'bm25s', 'gguf', 'sacrebleu'):\n"
        "    sys.modules[name] = None\n"
        f"sys.argv = ['lmworks', 'init', 'own', '--yes', '--task', {task!r}]\n"
        "runpy.run_module('lmworks', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\ninstall: pip install 'lmworks[" in done.stdout
    recipe = tmp_path / "own" / "recipe.yaml"
    assert "# Install: pip install 'lmworks[" in recipe.read_text()
    recipe.unlink()
    done = lmworks(tmp_path, "init", "own", "--yes", "--task", task)
    assert "\ninstall:" not in done.stdout, "all is installed"
    assert "# Install: pip install 'lmworks[" in recipe.read_text(), "another machine may lack it"


def test_near_copies_do_not_make_a_column_of_chance_look_predictable(tmp_path: Path) -> None:
    chance, folder = random.Random(4), tmp_path / "own"
    folder.mkdir()
    words = [f"word{n}" for n in range(400)]
    texts = [chance.sample(words, 20) for _ in range(100)]
    labels = [chance.choice("abc") for _ in texts]
    copies = [
        (" ".join([*text, f"copy{n}"]), label) for text, label in zip(texts, labels, strict=True) for n in range(4)
    ]
    write_csv(folder / "export.csv", ["msg", "grp_x"], copies)
    (told,) = seen_in_words(look(folder))
    found = re.search(r"grp_x \(0\.(\d\d) against", told)
    assert found and int(found[1]) < 50, "every label stands beside its copies, and a third of them is right by chance"


def test_a_rare_label_is_not_told_for_every_text(tmp_path: Path) -> None:
    chance, folder = random.Random(5), tmp_path / "own"
    folder.mkdir()
    words = [f"word{n}" for n in range(300)]
    rows = [(" ".join(chance.sample(words, 15)), "five" if n % 20 else f"rare{n % 3}") for n in range(600)]
    write_csv(folder / "export.csv", ["msg", "grp_x"], rows)
    (told,) = seen_in_words(look(folder))
    found = re.search(r"grp_x \((\d\.\d\d) against", told)
    assert found and float(found[1]) > 0.85, "words say nothing, so the most common label is told of nearly all"
