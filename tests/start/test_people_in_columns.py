"""Columns that hold people's names, whatever language their header is in: never searched or learned from as is."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.start.look import look
from lmworks.start.seen import Table
from lmworks.start.words import WORDS, tokens
from start.test_look import write_csv
from start.test_start import started

FIRST = ("Anna", "Piotr", "Łucja", "Żaneta", "Marek", "Ewa", "Jan", "Olga", "Adam", "Zofia", "Jerzy", "Iga")
LAST = ("Kowalczyk", "Wiśniewska", "Źrebiec", "Nowak-Mazur", "Śliwa", "Ćwik")
PEOPLE = [f"{first} {last}" for first in FIRST for last in LAST]


def seen(folder: Path, column: str, values: list[str], text: str = "Winda stoi od piątku i nikt nie odbiera") -> Table:
    """A table in which a column holds these values, again and again, beside texts."""
    folder.mkdir()
    found = [(values[n * 7 % len(values)], f"{text}, zapisano pod numerem {n} w zeszycie.") for n in range(150)]
    write_csv(folder / "a.csv", [column, "treść"], found)
    (table,) = look(folder).tables
    return table


@pytest.mark.parametrize("column", ["lokator", "kto_pisze", "nadawca"])
def test_names_in_a_column_are_masked_and_not_searched(column: str, tmp_path: Path) -> None:
    seen(tmp_path / "own", column, PEOPLE)
    recipe = started(tmp_path / "own", task="search")
    (source,) = recipe.data["raw"].sources  # type: ignore[attr-defined]
    assert source.text_field == "treść" and source.subject_field == column
    assert recipe.data["private"].people == [column]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "values",
    [
        [f"{last}, {first}" for first in FIRST for last in LAST],
        [f"{first[0]}. {last.upper()}" for first in FIRST for last in LAST],
        [f"{first} van der {last}" for first in FIRST for last in LAST],
        [f"María del Carmen {first} {last}" for first in FIRST for last in LAST],
        [f"{first} {last}" for first in ("Иван", "Ольга", "Їжак") for last in ("Петров", "Шевченко", "Йовович")],
    ],
    ids=["surname first", "initials", "particles", "long", "Cyrillic"],
)
def test_names_are_seen_as_they_are_written(values: list[str], tmp_path: Path) -> None:
    assert seen(tmp_path / "own", "kto", values).subjects == ["kto"]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("produkt", PEOPLE),
        ("miejscowość", PEOPLE),
        ("powód", [f"Winda {last}" for last in (*LAST, "Osobowa", "Towarowa")]),
        ("powód", [f"dźwig {last}" for last in (*LAST, "Osobowy", "Towarowy")]),
        ("powód", [f"Dźwig {n}" for n in range(9)]),
        ("powód", [f"USB {last}" for last in (*LAST, "Osobowy", "Towarowy")]),
    ],
    ids=["product", "place", "words of the texts", "small letters", "digits", "abbreviations"],
)
def test_what_is_no_name_is_not_taken_for_one(column: str, values: list[str], tmp_path: Path) -> None:
    table = seen(tmp_path / "own", column, values, "Rano winda stoi od piątku i nikt nie odbiera")
    assert not table.subjects and not table.unsure


@pytest.mark.parametrize(("column", "values"), [("kto", PEOPLE[:4]), ("status", PEOPLE)], ids=["few", "a label"])
def test_what_may_be_names_is_doubted_and_not_searched(column: str, values: list[str], tmp_path: Path) -> None:
    seen(tmp_path / "own", column, values)
    recipe = started(tmp_path / "own", task="search")
    (source,) = recipe.data["raw"].sources  # type: ignore[attr-defined]
    assert source.text_field == "treść"
    written = (tmp_path / "own" / "recipe.yaml").read_text()
    assert f"# Doubt: {column} may hold people's names, and is not searched: answer `subject: {column}`" in written
    (tmp_path / "own" / "recipe.yaml").unlink()
    answered = started(tmp_path / "own", task="search", subject=column)
    assert answered.data["private"].people == [column]  # type: ignore[attr-defined]
    assert "may hold people's names" not in (tmp_path / "own" / "recipe.yaml").read_text()


def test_every_word_of_a_columns_name_is_written_as_headers_are_read() -> None:
    """Without accents: a word that no header gives is in no list."""
    assert [word for name, words in WORDS.items() if name != "code" for word in words if tokens(word) != [word]] == []
    assert tokens("Zgłoszenie") == tokens("zgloszenie") and tokens("Adı") == tokens("adi")


HEADER = ["lokator", "telefon", "poczta", "adres", "kategoria", "treść"]


def tenants(count: int) -> list[tuple[str, ...]]:
    """Complaints of 72 people, several of each."""
    kinds = ("hałas", "winda", "czynsz")
    return [
        (
            PEOPLE[n % len(PEOPLE)],
            f"601-234-{100 + n % 30}",
            f"m{n % 30}@poczta.example",
            f"ul. Lipowa {n % 30 + 1}/3, 59-300 Lubin",
            kinds[n % 3],
            f"Proszę o pomoc, {kinds[n % 3]} od tygodnia, zapisano pod numerem {n} w zeszycie.",
        )
        for n in range(count)
    ]


def test_people_are_held_out_whole_and_contacts_are_neither_text_nor_label(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    write_csv(folder / "a.csv", HEADER, tenants(240))
    (table,) = look(folder).tables
    assert table.labels == ["kategoria"] and table.texts == ["treść"]
    recipe = started(folder, task="classify")
    assert recipe.data["split"].by == "subject"  # type: ignore[attr-defined]
    (source,) = recipe.data["raw"].sources  # type: ignore[attr-defined]
    assert (source.text_field, source.label_field, source.subject_field) == ("treść", "kategoria", "lokator")


@pytest.mark.parametrize(
    ("column", "form"),
    [
        ("kontakt", "ul. Kręta {}/3, 59-300 Lubin"),
        ("where", "{} rue des Lilas, 75011 Paris"),
        ("direccion", "Calle Mayor {}, 2º izquierda"),
        ("kontakt", "tenant{}@post.example"),
        ("kontakt", "+48 601-234-1{}"),
        ("puhelin", "040-123 45{}"),
    ],
)
def test_contacts_are_seen_by_their_form(column: str, form: str, tmp_path: Path) -> None:
    table = seen(tmp_path / "own", column, [form.format(10 + n) for n in range(30)])
    assert not table.labels and table.texts == ["treść"]


def test_what_is_called_an_address_and_is_none_stays_a_text_or_a_label(tmp_path: Path) -> None:
    assert seen(tmp_path / "kinds", "address", ["home", "work", "billing"]).labels == ["address"]
    speech = "We came here 20 years ago to address the question of how a town may own its water and its lamps."
    assert "address" in seen(tmp_path / "speeches", "address", [f"{speech} ({n})" for n in range(150)]).texts


def test_contacts_are_not_told_in_the_words_of_rows(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    found = [(f"2026-03-{1 + n % 28:02}", n * 3 % 50, row[3], row[4]) for n, row in enumerate(tenants(600))]
    write_csv(folder / "a.csv", ["day", "litres", "adres", "kategoria"], found)
    recipe = started(folder, task="write")
    assert "adres" not in recipe.data["told"].template  # type: ignore[attr-defined]
    assert "{litres}" in recipe.data["told"].template  # type: ignore[attr-defined]
