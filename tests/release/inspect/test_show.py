"""One step in the terminal."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from small_store import NASTY

from lmworks.pipeline.store import Store
from lmworks.release.built import read_lines
from lmworks.release.inspect.show import WIDTH, describe
from lmworks.release.render.words import duration, number, shorten, size, visible


def test_counts_figures_rates_and_inputs_of_a_model(built: Store) -> None:
    text = describe(built.named("finetune"), None)
    assert "stage              train, version 1" in text
    assert "from               pretrain (begins with), finetune/data (trains on)" in text
    assert "parameters" in text and "5,901,312" in text
    assert "tokens per second" in text and "5,123" in text
    assert "validation loss: 2.45 nats per token (n 16)\nmean cross-entropy" in text


def test_figures_come_with_their_evidence(built: Store) -> None:
    text = " ".join(describe(built.named("evaluate/documentation-questions-test/finetune"), None).split())
    assert "0.391 (n 1,140, 95 % interval 0.370 to 0.414, chance 0.06, context 512 tokens," in text
    assert "bootstrap over services" in text


def test_a_comparison_says_all_that_it_found(built: Store) -> None:
    compared = built.named("evaluate/documentation-questions-test")
    verdicts = json.loads((compared.payload / "comparison.json").read_text())["verdicts"]
    text = " ".join(describe(compared, None).split())
    assert verdicts and all(" ".join(each.split()) in text for each in verdicts)


def test_examples_of_each_reason_are_shortened_and_harmless(built: Store) -> None:
    for step in ("raw", "clean", "split", "corpus", "questions", "evaluate/documentation-questions-test"):
        text = describe(built.named(step), None)
        assert all(line.isprintable() for line in text.split("\n"))
        assert max(map(len, text.split("\n"))) <= WIDTH
    assert (
        "quarantined: not in utf-16\n  detail: not in utf-16; offset: 12; path: broken.txt; source: handbook"
        in describe(built.named("raw"), None)
    )


def test_what_a_training_came_to_is_told_to_its_end_in_any_width(built: Store) -> None:
    finetune = built.named("finetune")
    (line,) = read_lines(finetune.payload / "examples.jsonl")
    assert len(line["text"]) > 300
    for width in (60, 80, WIDTH):
        text = describe(finetune, None, width)
        assert "…" not in text and max(map(len, text.split("\n"))) <= width
        assert f"verdict {' '.join(line['text'].split())}" in " ".join(text.split())


@given(st.text())
def test_no_text_can_rewrite_a_terminal(text: str) -> None:
    assert visible(text).isprintable() and len(visible(text)) == len(text)
    assert len(shorten(text, 20)) <= 20


def test_escape_sequences_and_direction_marks_are_gone() -> None:
    assert "\x1b" in NASTY and "\u202e" in NASTY
    assert shorten(NASTY, 99) == "<script>alert('x')</script> & \"quoted\" [31mred"


def test_numbers_have_the_digits_that_their_spread_supports() -> None:
    assert number(0.39123, 0.022) == "0.391"
    assert number(0.59512, 0.11) == "0.595"
    assert number(0.59512, 0.0008) == "0.5951"
    assert number(107.31, 36.0) == "107"
    assert number(19.926, 1.18) == "19.9" and number(19.926, 0.94) == "19.9" and number(19.926, 2.1) == "20"
    assert number(1234567) == "1,234,567"
    assert number(0.0) == "0"
    assert number(2.45) == "2.45"
    assert (size(999), size(25_143_840), duration(0.04), duration(75), duration(210), duration(7300)) == (
        "999 B",
        "25.1 MB",
        "0.0 s",
        "75 s",
        "3.5 min",
        "2.0 h",
    )
