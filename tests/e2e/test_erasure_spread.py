"""From a value an erasure goes on to no other person's records, and counts what each step adds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.data_support import KEY
from e2e.erasing import build, listed, said
from lmworks.errors import LmworksError

GIVEN = ("Ayşe", "Bernd", "Clara", "Dieter", "Emil", "Frieda", "Gerd")
PHONE, IBAN, MAIL = "+49 176 55512345", "DE89 3704 0044 0532 0130 00", "anneliese@example.org"


def patient(number: int, given: str, text: str, **fields: Any) -> dict[str, Any]:
    """A row of a hospital's table."""
    return {"text": f"{text} of day {number}", "patient": "Hoffmann", "Vorname": given, "case": f"F{number}"} | fields


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hoffmanns() -> list[dict[str, Any]]:
    texts = [f"Examined for a cough with result {number}" for number in range(7)]
    texts[0] += ", to be called at +49 151 83960310,"
    return [patient(number, given, texts[number]) for number, given in enumerate(GIVEN)]


PEOPLE = ["patient", "Vorname"]


def test_people_of_one_surname_stay(folder: Path) -> None:
    build(folder, hoffmanns(), people=PEOPLE)
    told = listed("+49 151 83960310")
    assert told["counts"]["by_reason"] == {"value": 1}
    listed("+49 151 83960310", apply=True)
    lines = (folder / "erased-values.txt").read_text()
    assert " person" not in lines and len((folder / "erased-documents.txt").read_text().splitlines()) == 1


def test_what_each_step_offers_is_counted(folder: Path) -> None:
    rows = hoffmanns()
    rows[0]["case"] = rows[1]["case"] = "F17"
    rows[1]["Vorname"] = "Ayşe"
    rows.append(patient(9, "Ayşe", rows[1]["text"].removesuffix(" of day 1")) | {"text": rows[1]["text"], "case": ""})
    build(folder, rows, people=PEOPLE, subject_field="case")
    counts = listed("+49 151 83960310")["counts"]
    assert counts["by_reason"] == {"value": 1} and counts["not_taken"] == {"subject": 1}
    lines = said("+49 151 83960310").splitlines()
    assert "       1  NOT taken: of the subject of records with a value (below)" in lines
    assert "           1  in source rows" in lines
    (other,) = listed("+49 151 83960310")["not_taken"]
    counts = listed("+49 151 83960310", also=[other])["counts"]
    assert counts["by_reason"] == {"value": 1, "confirmed": 1} and counts["not_taken"] == {"copy": 1}
    assert listed("+49 151 83960310", "F17")["counts"]["taken"] == 2, "who names the subject means all that are of it"


def test_a_subject_of_several_people_is_offered(folder: Path) -> None:
    rows = hoffmanns()
    rows[0]["case"] = rows[1]["case"] = "Room 17"
    build(folder, rows, people=PEOPLE, subject_field="case")
    counts = listed("+49 151 83960310")["counts"]
    assert counts["taken"] == 1 and counts["not_taken"] == {"subject": 1}


def test_a_subject_that_some_holders_lack_is_offered(folder: Path) -> None:
    rows = [
        {"text": f"A parcel was sent on day {number} of the month", "patient": "United States"} for number in range(5)
    ]
    rows.append({"text": f"Please write to {MAIL} about the parcel", "patient": ""})
    rows.append({"text": f"Somebody quotes {MAIL} in a letter", "patient": "United States"})
    build(folder, rows, subject_field="patient")
    counts = listed(MAIL)["counts"]
    assert counts["taken"] == 2 and counts["not_taken"] == {"subject": 5}, "who quotes an address chooses the subject"


def test_a_subject_most_of_whose_records_hold_a_value_is_offered_with_the_share(folder: Path) -> None:
    rows = [{"text": f"{MAIL} wrote on day {number} of it", "patient": "C17"} for number in range(2)]
    rows += [{"text": "Sie schrieb uns gestern noch einmal", "patient": "C17"}]
    rows += [{"text": f"A note of nobody quotes {MAIL} once", "patient": ""}]
    build(folder, rows, subject_field="patient")
    told = listed(MAIL)
    assert told["counts"]["by_reason"] == {"value": 3}
    assert [*told["not_taken"].values()] == ["of the subject, 2 of whose 3 records hold a value (67%)"]


def test_who_repeats_what_others_wrote_does_not_erase_it(folder: Path) -> None:
    rows = [
        {"text": f"A letter about garden {number} and its chairs", "patient": f"m{number}@x.org"} for number in range(3)
    ]
    rows += [row | {"patient": MAIL} for row in rows]
    build(folder, rows, subject_field="patient")
    told = listed(MAIL, apply=True)
    assert told["counts"]["taken"] == 3 and told["counts"]["not_taken"] == {"copy": 3}
    assert " text" not in (folder / "erased-values.txt").read_text(), "later builds keep what others wrote"
    build(folder, rows, subject_field="patient")
    assert listed("m1@x.org")["counts"]["taken"] == 1


def test_one_record_under_a_forged_subject_does_not_erase_the_others(folder: Path) -> None:
    rows = [{"text": f"Vera wrote on day {number} of the month", "patient": "vera@x.org"} for number in range(8)]
    rows += [{"text": f"This is {MAIL} who writes for Vera", "patient": "vera@x.org"}]
    build(folder, rows, subject_field="patient")
    counts = listed(MAIL)["counts"]
    assert counts["taken"] == 1 and counts["not_taken"] == {"subject": 8}


def test_a_subject_of_one_word_is_offered(folder: Path) -> None:
    rows = hoffmanns()
    build(folder, rows, people=["Vorname"], subject_field="patient")
    counts = listed("+49 151 83960310")["counts"]
    assert counts["taken"] == 1 and counts["not_taken"] == {"subject": 6}
    assert listed("Hoffmann")["counts"]["taken"] == 7, "who types a name means it"


def written(folder: Path) -> None:
    rows = [{"text": f"Anneliese Grünwald has called for the {number}th time", "patient": ""} for number in range(3)]
    rows += [{"text": f"Call 0176 555 12345 about thing {number}", "patient": ""} for number in range(7)]
    rows += [{"text": f"Pay to {IBAN}, please, or write to {MAIL}", "patient": ""}]
    build(folder, rows)


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        (["Anneliese Grünwald", "Grünwald, Anneliese"], [3, 3]),
        ([PHONE, "0176 55512345"], [7, 7]),
        ([IBAN, IBAN.replace(" ", "")], [1, 1]),
        ([MAIL.title(), IBAN, MAIL], [1, 1, 1]),
        ([PHONE, "Grünwald, Anneliese", "01765 5512345"], [7, 3, 7]),
    ],
)
def test_spellings_of_one_value_hold_the_same_records(folder: Path, values: list[str], counts: list[int]) -> None:
    written(folder)
    told = listed(*values)["counts"]
    assert [*told["by_value"].values()] == counts


def test_a_value_that_nothing_holds_is_told_and_stops_no_other(folder: Path) -> None:
    written(folder)
    with pytest.raises(LmworksError, match=r"no document holds value 1 of 2; .*value 2 of 2; nothing was erased"):
        listed("Nobody Atall", "new@example.org")
    assert listed("new@example.org", MAIL, apply=True)["counts"]["by_value"] == {"1": 0, "2": 1}
    noted = (folder / "erased-values.txt").read_text()
    assert noted.count(" email") == 1, "what nothing holds is not noted as erased"
    written(folder)
    lines = said(MAIL, PHONE, "new@example.org", apply=True)
    assert "no document holds value 1 of 3 any more: it was erased before" in lines
    assert "no document holds value 3 of 3\n" in lines and "7  with value 2" in lines


def test_what_anonymise_found_of_another_country_is_offered(folder: Path) -> None:
    rows = [{"text": f"Please call {code} 176 55512345 about the boiler", "patient": ""} for code in ("+49", "+43")]
    build(folder, rows)
    told = listed(PHONE)
    assert told["counts"]["by_reason"] == {"value": 1} and told["counts"]["not_taken"] == {"inside": 1}
    assert listed("0176 55512345")["counts"]["by_reason"] == {"value": 2}
