"""Recall on templates of another author."""

from __future__ import annotations

import json
from importlib.resources import files

from lmworks.data.personal.detectors import DETECTORS
from lmworks.data.personal.findings import KINDS, Detector, Finding
from lmworks.data.privacy.recall import covered, kind_of, measure, samples

FOLDER = files("lmworks.data.privacy")


def test_every_template_is_filled_once_and_its_values_stand_where_they_are_said_to() -> None:
    templates = json.loads((FOLDER / "printed_templates.json").read_text(encoding="utf-8"))["cells"]
    assert len(samples()) == sum(map(len, templates.values()))
    for sample in samples():
        assert kind_of(sample.cell) in KINDS
        pieces, place = [], 0
        for start, end in sample.spans:
            assert end > start
            pieces += [sample.text[place:start], "{value}"]
            place = end
        assert "".join([*pieces, sample.text[place:]]) in templates[sample.cell]


def test_recall_is_told_by_kind_and_by_country_and_for_what_is_looked_for_only() -> None:
    figures = {figure.name: figure for figure in measure(DETECTORS, ["phone", "iban"])}
    assert {"recall of phone", "recall of phone/DE", "recall of phone/IN", "recall of iban"} <= figures.keys()
    assert not [name for name in figures if "email" in name]
    assert figures["recall of phone/DE"].n >= 12 and figures["recall of phone"].n >= 10 * 12
    total = next(figure for name, figure in figures.items() if name.startswith("recall on"))
    assert total.n == figures["recall of phone"].n + figures["recall of iban"].n
    low, high = total.interval or (0, 0)
    assert 0 < low <= total.value <= high <= 1
    assert measure(DETECTORS, ["person"]) == []


def test_a_detector_that_misses_or_finds_too_much_is_seen_in_the_figures() -> None:
    blind = [detector for detector in DETECTORS if detector.kind == "email"]
    blind += [Detector("card", lambda text: [Finding("card", 0, 1, text[0])])]
    figures = {figure.name: figure.value for figure in measure(blind, ["email", "card"])}
    assert figures["recall of card"] == 0 and figures["recall of email"] > 0.8
    assert next(value for name, value in figures.items() if name.startswith("precision")) < 0.6


def test_a_value_counts_only_if_it_is_covered_whole() -> None:
    text = "id 12 34 x"
    assert covered(text, (3, 8), [Finding("phone", 3, 5, "12"), Finding("ip", 6, 8, "34")])
    assert not covered(text, (3, 8), [Finding("phone", 3, 7, "12 3")])
