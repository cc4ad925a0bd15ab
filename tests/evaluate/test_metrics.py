"""ROUGE-L equals the reference implementation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from lmworks.evaluate.metrics import rouge_l

WORDS = st.sampled_from(["the", "The", "bucket", "lists", "don't", "S3", "é", "ﬁle", "a-b", "\n", "İ", "_", "42", "."])
TEXTS = st.lists(WORDS, max_size=90).map(" ".join) | st.text(max_size=80)


@given(TEXTS, TEXTS)
def test_rouge_l_equals_rouge_score(reference: str, answer: str) -> None:
    expected = RougeScorer(["rougeL"], use_stemmer=False).score(reference, answer)["rougeL"].fmeasure
    assert rouge_l(reference, answer) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        ("the cat is on the mat", "the cat sat on the mat", 0.833333),
        ("The quick brown fox jumps over the lazy dog", "The quick brown dogs jumped on the lazy fox", 0.555556),
        ("police killed the gunman", "the gunman kill police", 0.5),
        ("The dog ran.\nIt was fast.", "It was fast.\nA dog ran away.", 0.461538),
        ("Creates a bucket.", "", 0),
        ("", "", 0),
    ],
)
def test_rouge_l_of_known_pairs(reference: str, answer: str, expected: float) -> None:
    assert rouge_l(reference, answer) == pytest.approx(expected, abs=1e-6)
