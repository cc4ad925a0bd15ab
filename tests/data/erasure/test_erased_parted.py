"""Names and telephones whose parts stand apart, or in several fields of a record, are offered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from data.data_support import KEY
from e2e.erasing import build, listed, said
from lmworks.data.erasure.loose import Loose


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Erika Müller", "Nachname: Müller, Vorname: Erika, Befund"),
        ("Erika Müller", "Überweisung an MÜLLER, Dr. med. Erika"),
        ("Erika Müller", "Versichert: Müller, Frau Erika"),
        ("Erika Müller", '{"given": "Erika", "family": "Müller"}'),
        ("Müller, Erika", "Erika Maria Müller"),
        ("Anna de la Cruz", "Cruz, Anna de la"),
        ("0711 8432199", "Vorwahl: 0711, Rufnummer: 84 32 199."),
        ("+49 711 8432199", "Vorwahl: 0711, Rufnummer: 8432199."),
        ("0711 8432199", "+49 711, Anschluss 8432199"),
    ],
)
def test_parts_that_stand_near_one_another_are_told(value: str, text: str) -> None:
    assert Loose(["Nobody Atall", value]).find(text) == {1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Erika Müller", "Müller war da, und nach ihm kam auch noch Erika"),
        ("0711 8432199", "0711 und dann lange nichts, gar nichts, und endlich doch noch 8432199"),
    ],
)
def test_parts_of_others_are_not_told(value: str, text: str) -> None:
    assert not Loose([value]).find(text)


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("Erika Müller", ["Müller", "p.csv", "7", "Erika"]),
        ("0711 8432199", ["8432199", "Müller", "0711"]),
        ("+49 711 8432199", ["843-2199", "+49 711"]),
        ("+49 711 8432199", ["49", "711", "8432199"]),
        ("+36 30 123 4567", ["1234567", "0630"]),
    ],
)
def test_parts_in_fields_of_a_record_are_told(value: str, fields: Sequence[str]) -> None:
    assert Loose(["Nobody Atall", value]).in_fields(fields) == {1}


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("Erika Müller", ["Anna Müller", "Erika Lis"]),
        ("Erika Müller", ["Müllerei", "Erika"]),
        ("Erika Müller", ["Müller", f"Erika {'x' * 60}"]),
        ("0711 8432199", ["8432199", "0712"]),
        ("0711 8432199", ["2199", "0711"]),
    ],
)
def test_fields_of_others_are_not_told(value: str, fields: Sequence[str]) -> None:
    assert not Loose([value]).in_fields(fields)


def test_a_record_with_the_parts_in_two_fields_is_offered_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    nobody = {"given": "", "family": "", "area": "", "number": ""}
    rows = [
        nobody | {"text": "Erika Müller was seen, and rang from 0711 8432199"},
        nobody | {"text": "Knee", "given": "Erika", "family": "Müller", "area": "0711", "number": "8432199"},
        nobody | {"text": "Hip", "given": "Hans", "family": "Müller", "area": "0711", "number": "8432198"},
    ]
    build(tmp_path, rows, keep=[*nobody], people=[*nobody])
    told = listed("Erika Müller", "0711 8432199")
    assert told["counts"]["by_reason"] == {"value": 1} and told["counts"]["not_taken"] == {"inside": 1}
    assert next(iter(told["not_taken"].values())).startswith("may hold value 1 and 2,")
    said("Erika Müller", "0711 8432199", apply=True, certificate=tmp_path / "told.json")
    assert json.loads((tmp_path / "told.json").read_text())["said"].endswith(": 1")
