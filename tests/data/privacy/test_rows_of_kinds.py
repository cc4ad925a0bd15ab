"""Rows of the table of kinds: each finds its own examples, and nothing in those that look alike."""

from __future__ import annotations

import re

import pytest
import re2

from lmworks.data.personal.detectors import DETECTORS, Row, rows
from lmworks.data.personal.findings import GUESSED, KINDS, TABLE, Detectors, scan
from lmworks.data.privacy.anonymise import AnonymiseConfig

ROWS = rows()
FAR = "The operation returns a list. " * 100


def parted(example: str) -> tuple[str, list[str]]:
    """Return an example without its guillemets, and the values in them."""
    return re.sub("[«»]", "", example), re.findall("(?s)«(.*?)»", example)


def covered(text: str, detectors: Detectors) -> list[str]:
    """Return the stretches of a text that are treated."""
    return [text[finding.start : finding.end] for finding in scan(text, detectors)]


@pytest.mark.parametrize(
    ("row", "example"),
    [pytest.param(row, example, id=f"{row.kind} {row.name}") for row in ROWS for example in row.examples],
)
def test_a_row_finds_its_examples_alone_and_with_all_others_in_short_and_long_texts(row: Row, example: str) -> None:
    text, values = parted(example)
    assert covered(text, Detectors([row.detector()])) == values
    for around in ("", FAR):
        stretches = covered(f"{around}\n{text}\n{around}", DETECTORS)
        assert all(any(value in stretch for stretch in stretches) for value in values)


@pytest.mark.parametrize(
    ("row", "other"), [pytest.param(row, other, id=f"{row.kind} {row.name}") for row in ROWS for other in row.others]
)
def test_a_row_finds_nothing_in_what_looks_alike(row: Row, other: str) -> None:
    assert [finding.value for finding in scan(other, DETECTORS) if finding.kind == row.kind] == []


def test_every_row_has_an_example_and_a_name_of_its_own() -> None:
    assert all(row.examples for row in ROWS if "random" not in row.name)
    assert len({(row.kind, row.name) for row in ROWS}) == len(ROWS)


def test_every_trigger_is_a_pattern_of_re2() -> None:
    for detector in DETECTORS:
        assert re2.compile(detector.trigger)


def test_kinds_are_those_of_the_rows_and_those_that_a_model_finds() -> None:
    assert (*dict.fromkeys(row.kind for row in ROWS), *GUESSED) == KINDS
    assert set(AnonymiseConfig(**{"from": "raw"}).actions) == set()


def test_a_row_more_is_a_kind_more(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(kind="meter", name="any", pattern="M-[0-9]{6}", examples=("meter «M-123456»",))
    text, values = parted(row.examples[0])
    assert [(each.kind, each.value) for each in scan(text, Detectors([*DETECTORS, row.detector()]))] == [
        ("meter", values[0])
    ]
    assert TABLE.name == "kinds.yaml"
