"""What `lmworks init` sees in a folder."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl
import pytest

from lmworks.data.parsers.parser import Piece, Record, Unreadable
from lmworks.data.sources.files import Files
from lmworks.start.look import look
from lmworks.start.seen import Table
from lmworks.start.write import seen_in_words

TOPICS = {
    "billing": ["the invoice of last month shows a sum twice", "please explain the fee on this bill"],
    "access": ["my badge does not open the north door", "the new password is refused at the gate"],
    "repair": ["the pump in hall four leaks again", "a belt on line two has worn through"],
}


def sentences(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Labelled sentences, no two alike."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        label = draw.choice(sorted(TOPICS))
        found.append((f"{draw.choice(TOPICS[label])}, seen by us for the {number}th time since spring", label))
    return found


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]], **how: str) -> None:
    held = io.StringIO()
    writer = csv.writer(held, delimiter=how.get("delimiter", ","))
    writer.writerows([header, *rows])
    path.write_bytes(held.getvalue().encode(how.get("encoding", "utf-8")))


def only(folder: Path) -> Table:
    (table,) = look(folder).tables
    return table


def test_labels_people_and_dates_of_a_table_are_told_apart(tmp_path: Path) -> None:
    rows = [
        (number, f"C-{number % 40:04}", f"2026-0{1 + number % 9}-11", text, label, 1 + number % 5)
        for number, (text, label) in enumerate(sentences(300))
    ]
    write_csv(tmp_path / "tickets.csv", ["nr", "customer", "opened", "message", "queue", "urgency"], rows)
    table = only(tmp_path)
    assert (table.shape, table.records, table.texts, table.labels[0]) == ("labelled", 300, ["message"], "queue")
    assert (table.subjects, table.dates) == (["customer"], ["opened"])
    assert table.languages == {"en": 1.0}
    assert "urgency" in table.labels  # a grade, which somebody may mean


@pytest.mark.parametrize("day", ["{:02}.12.2024", "2024-12-{:02}", "{:02}/12/2024", "{:02}.12.2024 09:30"])
def test_dates_are_dates_however_they_are_written(day: str, tmp_path: Path) -> None:
    rows = [
        (day.format(1 + n % 28), f"{n}.50", f"1.{n:03}", text, label) for n, (text, label) in enumerate(sentences(90))
    ]
    write_csv(tmp_path / "a.csv", ["day", "price", "sum", "message", "queue"], rows)
    assert only(tmp_path).dates == ["day"]


def test_a_table_of_another_delimiter_and_encoding_is_read_as_it_is(tmp_path: Path) -> None:
    rows = [
        (
            f"¿Cuándo llega el pedido número {number} que hice la semana pasada?",
            f"Llegará mañana, señora, día {number}.",
        )
        for number in range(80)
    ]
    write_csv(tmp_path / "tienda.csv", ["pregunta", "respuesta"], rows, delimiter=";", encoding="cp1252")
    table = only(tmp_path)
    assert (table.shape, table.texts, table.encoding) == ("pairs", ["pregunta", "respuesta"], "cp1252")
    assert table.language == "es"


@pytest.mark.parametrize(
    ("first", "second", "texts"),
    [("answer", "question", ["question", "answer"]), ("summary", "body", ["body", "summary"])],
)
def test_of_two_texts_their_names_say_which_asks(first: str, second: str, texts: list[str], tmp_path: Path) -> None:
    rows = [
        {first: f"it says so on page {n} of the book", second: f"what does it say there, reader {n}?"}
        for n in range(70)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert (only(tmp_path).shape, list(only(tmp_path).texts)) == ("pairs", texts)


def test_conversations_and_spans_are_told_by_what_they_hold(tmp_path: Path) -> None:
    turns = [
        {
            "dialog": [
                {"who": "Gast", "says": f"Ist Tisch {n} frei?"},
                {"who": "Haus", "says": f"Ja, ab {n} Uhr ist er frei."},
            ]
        }
        for n in range(50)
    ]
    (tmp_path / "talks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in turns))
    marked = [
        {"text": f"Ada met Grace at stop {n}", "spans": [{"start": 0, "end": 3, "label": "P"}]} for n in range(70)
    ]
    (tmp_path / "marked.json").write_text(json.dumps({"made": "2026", "items": marked}))
    shapes = {table.files[0]: table for table in look(tmp_path).tables}
    assert shapes["talks.jsonl"].renamed["messages.*.role"] == "dialog.*.who"
    assert shapes["talks.jsonl"].roles == {"Gast": "user", "Haus": "assistant"}
    assert (shapes["marked.json"].shape, shapes["marked.json"].json_records) == ("spans", "items.*")
    assert shapes["marked.json"].records == 70


@pytest.mark.parametrize("written", ["DE89 3704 0044 0532 0130 {:02}", "(0049) 30 1234 56 {:02}"])
def test_identifiers_are_no_texts_however_they_are_grouped(written: str, tmp_path: Path) -> None:
    found = [(text, written.format(n % 100), label) for n, (text, label) in enumerate(sentences(90))]
    write_csv(tmp_path / "a.csv", ["message", "account", "queue"], found)
    (table,) = look(tmp_path).tables
    assert table.texts == ["message"] and table.column("account").kind == "id"


@pytest.mark.parametrize(
    "name", ["Πελάτης", "Μεταφραστής", "ΑΦΜ", "Mittente", "Traduttore", "Cliente", "expéditeur", "remitente"]
)
def test_columns_of_people_are_known_in_their_languages(name: str, tmp_path: Path) -> None:
    found = [(f"Ada Byron {n % 30}", text, label) for n, (text, label) in enumerate(sentences(90))]
    write_csv(tmp_path / "a.csv", [name, "message", "queue"], found)
    (table,) = look(tmp_path).tables
    assert list(table.subjects) == [name]


def test_what_cannot_be_read_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "sheet.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    (tmp_path / "picture.dat").write_bytes(bytes(range(256)))
    (tmp_path / "rows.jsonl").write_text('{"text": "a first line of text"}\n{broken\n')
    seen = look(tmp_path)
    told = {each.what: each.why for each in seen.unread}
    assert told["empty.txt"] == "an empty file" and "save it as XLSX" in told[".xls"]
    assert "not text" in told[".dat"] and "not JSON" in told["rows.jsonl, record 2"]
    assert [table.records for table in seen.tables] == [1]


def test_what_is_lost_for_one_reason_is_told_once(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"package{number}.txt").write_text("")
    held = '{"text": "a first line of text"}\n' + "{broken\n" * 30
    (tmp_path / "rows.jsonl").write_text(held)
    told = [line for line in seen_in_words(look(tmp_path)) if line.startswith("not read: ")]
    assert told[0].startswith("not read: rows.jsonl, record 2 and 29 more: not JSON")
    assert told[1:] == ["not read: package0.txt and 8 more: an empty file"]


def test_records_that_are_lost_are_told_by_the_file_that_they_are_of(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(f'{{"text": "a first line of {name}"}}\n' + "{broken\n" * 3)
    told = [line for line in seen_in_words(look(tmp_path)) if line.startswith("not read: ")]
    assert [line.partition(":")[2].partition(":")[0] for line in told] == [
        " a.jsonl, record 2 and 2 more",
        " b.jsonl, record 2 and 2 more",
    ]


def test_a_sheet_with_a_title_above_its_header_is_a_table_like_others(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["Register of 2026"], [], ["message", "queue"], *map(list, sentences(90))):
        book.active.append(row)
    book.save(tmp_path / "desk.xlsx")
    table = only(tmp_path)
    assert (table.shape, table.records, table.texts, table.labels) == ("labelled", 90, ["message"], ["queue"])


def test_mail_is_texts_whatever_its_headers(tmp_path: Path) -> None:
    for number in range(6):
        more = "X-Priority: 1\n" * (number % 2)
        (tmp_path / f"{number}.eml").write_text(
            f"From: a{number}@example.org\nDate: 5 May 2025 10:00:00 +0000\n{more}Subject: leeks\n\n"
            f"The leeks of plot {number} were eaten by slugs, and the committee was told of it.\n"
        )
    table = only(tmp_path)
    assert (table.shape, table.records, table.form) == ("texts", 6, "eml")


def test_sheets_of_a_workbook_are_tables(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["message", "queue"])
    for text, label in sentences(90):
        book.active.append([text, label])
    book.save(tmp_path / "desk.xlsx")
    table = only(tmp_path)
    assert (table.shape, table.records, table.labels) == ("labelled", 90, ["queue"])
    assert (list(table.files), list(table.include)) == (["desk.xlsx"], ["*.xlsx"])


def test_sheets_with_other_columns_are_tables_of_their_own_and_empty_cells_are_none(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for name, columns in {
        "Desk": ["message", "queue", "note"],
        "Hall": ["message", "queue", "note"],
        "Rooms": ["room"],
    }.items():
        sheet = book.create_sheet(name)
        sheet.append(columns)
        for number, (text, label) in enumerate(sentences(60, seed=len(name))):
            sheet.append([text, label, None if number % 3 else "urgent"][: len(columns)])
    del book["Sheet"]
    book.save(tmp_path / "desk.xlsx")
    tables = {tuple(table.sheets): table for table in look(tmp_path).tables}
    assert {sheets: table.records for sheets, table in tables.items()} == {("Desk", "Hall"): 120, ("Rooms",): 60}
    for sheets, table in tables.items():
        name = table.columns[0].name
        source = Files(
            kind="files",
            path=str(tmp_path),
            include=list(table.include),
            sheets=list(sheets),
            text_field=name,
            licence="MIT",
        )
        read = list(source.read(Piece("desk.xlsx", source.size("desk.xlsx"))))
        assert sum(isinstance(found, Record) for found in read) == table.records
        assert not any(isinstance(found, Unreadable) for found in read)


def test_licence_files_are_read_for_their_words_and_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("SPDX-License-Identifier: MIT\n")
    (tmp_path / "a.py").write_text("def area(side: float) -> float:\n    return side * side\n" * 9)
    seen = look(tmp_path)
    assert seen.licences == {"LICENSE": "MIT"}
    assert [(table.shape, table.form, list(table.include)) for table in seen.tables] == [("code", "code", ["*.py"])]


def test_personal_data_are_counted_by_kind_and_not_shown(tmp_path: Path) -> None:
    rows = [{"text": f"write to ada.lovelace{n}@example.org about the engine of hall {n}"} for n in range(40)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = only(tmp_path)
    assert table.personal["email"] == table.looked_at == 40
    assert "lovelace" not in repr(table)


def test_personal_data_of_every_column_are_counted_and_not_those_of_the_text_alone(tmp_path: Path) -> None:
    rows = [
        (text, label, "44051401359", f"ada{n}@example.org", "DE89370400440532013000")
        for n, (text, label) in enumerate(sentences(90))
    ]
    write_csv(tmp_path / "a.csv", ["message", "queue", "PESEL", "contact", "account"], rows)
    table = only(tmp_path)
    assert {table.personal[kind] for kind in ("national_id", "email", "iban")} == {table.looked_at} == {90}


def test_letters_of_other_languages_inside_of_turns_are_not_read_as_escapes(tmp_path: Path) -> None:
    rows = [
        {
            "turns": [
                {"role": "user", "content": f"Hätten Sie für {n + 2} Nächte noch etwas frei?"},
                {
                    "role": "assistant",
                    "content": f"Sehr gern. Für Sie ist ein Stellplatz {n} reserviert, das Fahrzeug bleibt dort.",
                },
            ]
        }
        for n in range(60)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = only(tmp_path)
    assert table.looked_at and not table.personal


def test_patterns_match_the_files_of_a_table_and_no_others(tmp_path: Path) -> None:
    for name in ("a[1].csv", "b.csv"):
        write_csv(
            tmp_path / name, ["question", "answer"], [(f"what of {n}?", f"it is {n} in {name}") for n in range(60)]
        )
    write_csv(tmp_path / "c.csv", ["text", "label"], sentences(60))
    tables = {tuple(table.files): table for table in look(tmp_path).tables}
    assert {*tables} == {("a[1].csv", "b.csv"), ("c.csv",)}
    for files, table in tables.items():
        source = Files(kind="files", path=str(tmp_path), include=list(table.include), licence="MIT")
        assert tuple(source.paths()) == files


def test_a_table_is_seen_alike_inside_an_archive(tmp_path: Path) -> None:
    import zipfile

    write_csv(tmp_path / "c.csv", ["text", "label"], sentences(90))
    bare = only(tmp_path)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "c.csv", "in/c.csv")
    (tmp_path / "c.csv").unlink()
    packed = only(tmp_path)
    assert (packed.files, packed.shape, packed.records) == (["all.zip/in/c.csv"], bare.shape, bare.records)


def test_folders_of_what_no_longer_holds_may_be_excluded_and_equal_copies_are(tmp_path: Path) -> None:
    for name, what in {
        "rules.md": "the rules of this year",
        "Old/rules.md": "the rules of last year",
        "Old/deep/more.md": "and of the one before",
        "gold/notes.md": "notes on gold",
        "gold/again.md": "the rules of this year",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(what)
    seen = look(tmp_path)
    assert [(list(each.patterns), each.count) for each in seen.aside] == [(["Old/*"], 2), (["gold/again.md"], 1)]
    assert sum(table.records for table in seen.tables) == 4, "an equal copy is not counted"
    told = [line for line in seen_in_words(seen) if line.startswith(("perhaps not wanted: ", "left out: "))]
    assert (
        'exclude: ["Old/*"]' in told[0] and told[1] == "left out: 1 file, equal copies of other files: [gold/again.md]"
    )
    assert seen.left_out == ["gold/again.md"]
    (pattern,) = [pattern for each in seen.aside[:1] for pattern in each.patterns]
    source = Files(kind="files", path=str(tmp_path), exclude=[pattern], licence="MIT")
    assert source.paths() == ["gold/again.md", "gold/notes.md", "rules.md"]


@pytest.mark.parametrize(
    "original, copy",
    [
        ("2022/evidence/register.md", "archiv/register - kopie.md"),
        ("2022/evidence/register.md", "Old/register.md"),
        ("2022/rules/of the house.md", "copy of rules.md"),
        ("2022/Regeln.md", "Kopie von Regeln.md"),
        ("register/of 2022.md", "register (1).md"),
        ("register_b.md", "register_a_copy.md"),
        ("notes/of mine.md", "passwords.md"),
        ("kunden/hans.meier@example.com.md", "kunden/anna.meier@example.com.md"),
    ],
)
def test_what_may_be_excluded_leaves_one_of_equal_files(tmp_path: Path, original: str, copy: str) -> None:
    for name in (original, copy):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("what was written down in 2022")
    patterns = [pattern for each in look(tmp_path).aside for pattern in each.patterns]
    left = Files(kind="files", path=str(tmp_path), exclude=patterns, licence="MIT").paths()
    assert original in left and (left == [original] or "@" in copy), "no pattern names people"


def test_of_copies_in_folders_of_what_no_longer_holds_alone_each_but_one_may_be_excluded(tmp_path: Path) -> None:
    for name in ("old/a.md", "old/b.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("what was written down in 2022")
    assert [list(each.patterns) for each in look(tmp_path).aside] == [["old/*"], ["old/b.md"]]


def lines(folder: Path, name: str, language: str, count: int) -> None:
    said = {"en": "This is the rule number {} of our house.", "de": "Dies ist die Regel Nummer {} unseres Hauses."}
    (folder / name).write_text("".join(said[language].format(number) + "\n" for number in range(count)))


def test_files_that_say_the_same_line_by_line_are_pairs(tmp_path: Path) -> None:
    for name in ("train", "held"):
        for language in ("en", "de"):
            lines(tmp_path, f"{name}.{language}.txt", language, 70)
            with (tmp_path / f"{name}.{language}.txt").open("a") as file:
                file.write(f"{name}\n")
    (tmp_path / "notes.txt").write_text("Notes on how these came to be.")
    tables = {table.shape: table for table in look(tmp_path).tables}
    pair = tables["pairs"]
    assert dict(pair.parallel) == {"de": "*.de.txt", "en": "*.en.txt"} and (pair.records, len(pair.files)) == (142, 2)
    assert list(tables["texts"].include) == ["notes.txt"]


def test_languages_of_unequal_numbers_of_lines_are_told_with_both(tmp_path: Path) -> None:
    lines(tmp_path, "a.en", "en", 70)
    lines(tmp_path, "a.de", "de", 69)
    (told,) = [line for line in seen_in_words(look(tmp_path)) if line.startswith("not read: ")]
    assert "a.de has 69, a.en has 70: unequal numbers of lines" in told


def test_a_catalogue_of_each_language_is_a_table_of_pairs(tmp_path: Path) -> None:
    for language in ("de", "fr"):
        head = f'msgid ""\nmsgstr ""\n"Language: {language}\\n"\n\n'
        body = "".join(f'msgid "open the window {n} now"\nmsgstr "{language} {n} offen machen"\n\n' for n in range(70))
        (tmp_path / f"{language}.po").write_text(head + body)
    tables = {tuple(table.include): table for table in look(tmp_path).tables}
    assert {*tables} == {("de.po",), ("fr.po",)}
    for table in tables.values():
        assert (table.shape, table.records, table.texts) == ("pairs", 70, ["source", "target"])


def workbook(path: Path, sheets: Mapping[str, Sequence[str]]) -> None:
    """A workbook of labelled texts, whose sheets have these columns."""
    book = openpyxl.Workbook()
    del book["Sheet"]
    for seed, (name, columns) in enumerate(sheets.items()):
        sheet = book.create_sheet(name)
        sheet.append(columns)
        for number, (text, label) in enumerate(sentences(90, seed)):
            held = {"Message": text, "Service": label, "Number": number, "Text": text, "Queue": label}
            sheet.append([held[column] for column in columns])
    book.save(path)


def test_a_sheet_that_has_a_column_more_is_read_with_the_others(tmp_path: Path) -> None:
    workbook(tmp_path / "desk.xlsx", {"2023": ["Message", "Service"], "2024": ["Service", "Message", "Number"]})
    table = only(tmp_path)
    assert (table.records, list(table.sheets), table.texts, table.labels[0]) == (180, [], ["Message"], "Service")
