"""What `lmworks init` counts in a folder: personal data, and examples in the columns that were answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lmworks.errors import GateRefused
from lmworks.start.look import look
from start.test_start import rows, started

OTHER_NUMBERS = {
    "datum": "2024-08-05",
    "tag": "05.08.2024",
    "stand": "15-08-2024",
    "ende": "05-08-2024 10:15",
    "zeit": "2024-08-05T10:15:00",
    "beginn": "05.08.2024 10:15:30",
    "nr": "202408051234",
    "vorgang": "0012345678",
    "betrag": "1.234.567,89",
    "summe": "12 345 678",
    "preis": "1,234,567.89 EUR",
    "stempel": 1722852900,
}
"""Dates, times, ids and amounts of seven digits and more."""
TELEPHONES = {
    "a": "+49 30 1234567",
    "b": "0049 30 1234567",
    "c": "030 1234567",
    "d": "(212) 555-2368",
    "telefon": "1701234567",
    "f": "Please call 5551234567.",
}


def test_dates_ids_and_amounts_are_no_telephone_numbers(tmp_path: Path) -> None:
    counted = {}
    for number, (name, value) in enumerate([*OTHER_NUMBERS.items(), *TELEPHONES.items()]):
        found = [{"titel": f"Die Sitzung des Rates Nummer {n}", name: value} for n in range(8)]
        rows(tmp_path / f"{number}", "a.jsonl", found)
        counted[name] = look(tmp_path / f"{number}").personal.get("phone", 0)
    assert counted == dict.fromkeys(OTHER_NUMBERS, 0) | dict.fromkeys(TELEPHONES, 8)


@pytest.mark.parametrize(
    ("task", "answers"),
    [("translate", {"text": "source", "target": "translation"}), ("classify", {"text": "source", "label": "kind"})],
)
def test_examples_are_counted_in_the_columns_that_were_answered(
    task: str, answers: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    glossary = [
        {"source": f"Pumpe{n}", "translation": f"pompa{n}", "kind": "valve" if n % 3 else "belt"} for n in range(150)
    ]
    rows(folder, "a.jsonl", glossary)
    with pytest.raises(GateRefused, match="say `"):
        started(folder, task=task)
    needs = started(folder, task=task, **answers).needs
    assert needs and needs.labelled_examples == 150
    assert needs.prompt_tokens < 100, "short texts, by their own length"
