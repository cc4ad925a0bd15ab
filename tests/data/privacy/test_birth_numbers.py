"""Numbers by which states of Europe register people: found by check digit and day of birth, and beside their name."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lmworks.data.personal.detectors import DETECTORS
from lmworks.data.personal.findings import scan
from lmworks.data.privacy.surrogates import surrogate
from lmworks.start.look import look


def found(text: str) -> list[tuple[str, str]]:
    return [(finding.kind, text[finding.start : finding.end]) for finding in scan(text, DETECTORS)]


BY_ITSELF = (
    "Pan Novák, «710319/2745», hlásí poruchu",
    "Mrs Nova («855112/0006») called",
    "otec «780101/0020»",
    "paní «045512 / 0006»",
    "Matti Meikäläinen «131052-308T»",
    "Maija, «010190A120J», Espoo",
    "Kari Nordmann «15108695088» ringte",
    "Kari Nordmann «151086 95088» ringte",
)
BESIDE_A_WORD_OR_LETTERS = (
    "odběratel pan Řehoř «7103192745» hlásí",
    "rodné číslo «7103192745»",
    "rodné číslo: «471120/001»",
    "r. č. «471120/001»",
    "RČ «471120001»",
    "rodné číslo «710319/2746» with a slip",
    "rodné číslo pacienta «710319/2745»",
    "CNP «1630615123457»",
    "domnul Țepeș, «1630615123457», din Cluj",
    "ЕГН «7523169263»",
    "Иван, роден в София, «8501120003»",
    "EMŠO: «0101006500006»",
    "gospa Čepič, «0101006500006»",
    "JMBG «0101006500006»",
    "OIB: «33392005961»",
    "osobni identifikacijski broj «33392005961»",
    "personnummer «811228-9874»",
    "Åsa, «811228-9874», ringde",
    "Åsa, «19811228-9874», ringde",
    "person-id «850372-1204»",
    "CPR-nr. «211062-5629»",
    "CPR «211062-5628», given since 2007",
    "Søren, «211062-5629», København",
    "NIF «234567805»",
    "contribuinte n.º «234 567 805»",
    "ΑΜΚΑ «01013099997»",
    "η Μαρία «01013099997»",
    "ΑΦΜ: «094259216»",
    "isikukood «36805280109»",
    "pilietis Žukauskas, gimė Vilniuje, «33309240064»",
    "personas kods «161175-19997»",
    "Jānis, «161175-19997», Rīga",
    "személyi szám: «1-850312-1205»",
    "TAJ «123 456 702»",
    "adóazonosító jel «8123456700»",
)


@pytest.mark.parametrize("written", [*BY_ITSELF, *BESIDE_A_WORD_OR_LETTERS])
def test_numbers_that_register_people_are_found_to_the_character(written: str) -> None:
    before, value, after = written.replace("»", "«").split("«")
    assert ("national_id", value) in found(before + value + after)
    far = "and so on, with nothing in it. " * 20
    assert ("national_id", value) in found(f"{far}\n{before}{value}{after}\n{far}")


@pytest.mark.parametrize(
    "text",
    [
        "účet 710319/2746, zakázka 991345/1233",
        "case 240911-0042 of the batch 1702955412345",
        "part 131052-308A and 131352-308T",
        "invoice 7103192746 and 33392005961",
        "article 15108695087",
        "rodné město 12345",
    ],
)
def test_numbers_that_fail_the_check_or_lack_a_word_are_left(text: str) -> None:
    assert "national_id" not in [kind for kind, _ in found(text)]


def test_a_surrogate_is_a_birth_number_in_the_same_form() -> None:
    for text in ("710319/2745", "131052-308T", "151086 95088"):
        (finding,) = scan(text, DETECTORS)
        made = surrogate(b"key" * 11, finding, 1)
        assert made and made != text and [kind for kind, _ in found(made)] == ["national_id"], made
        assert [character.isalnum() for character in made] == [character.isalnum() for character in text]


def test_a_folder_of_letters_with_birth_numbers_holds_personal_data(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(["Text podání", "Rodné číslo"])
        for number in range(60):
            ten = (8551120000 + number * 37) // 11 * 11
            said = f"Odběratel hlásí, že v ulici číslo {number} neteče voda, a prosí o brzkou kontrolu přípojky."
            writer.writerow([said, f"{ten // 10_000}/{ten % 10_000:04d}"])
    (table,) = look(tmp_path).tables
    assert table.personal["national_id"] == 60
