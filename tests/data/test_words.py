"""Words as hashes: equal words, equal numbers, whatever stands around them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lmworks.data.words import hash_words, word_spans

TEXTS = st.lists(st.text(st.sampled_from("abAB_1 ,.\n\x00éÉß’—字假ทİʼnΣσ\u0e31😀"), max_size=40), max_size=8)


def words_of(*texts: str) -> list[NDArray[np.uint64]]:
    """The hashes of the words of each text."""
    blocks = list(hash_words(pa.array(texts, pa.string())))
    hashes = np.concatenate([np.zeros(0, np.uint64), *(block.hashes for block in blocks)])
    counts = np.concatenate([np.zeros(0, np.int64), *(block.counts for block in blocks)])
    assert len(counts) == len(texts)
    return np.split(hashes, np.cumsum(counts))[: len(texts)]


@given(TEXTS)
def test_a_text_has_the_same_words_alone_and_among_others(texts: list[str]) -> None:
    for text, found in zip(texts, words_of(*texts), strict=True):
        assert found.tolist() == words_of(text)[0].tolist()


@given(st.text(max_size=60))
def test_every_word_is_where_its_span_says(text: str) -> None:
    spans = word_spans(text)
    (found,) = words_of(text)
    assert found.tolist() == [words_of(text[start:stop])[0].tolist()[0] for start, stop in spans]


@given(st.lists(st.from_regex(r"[a-z0-9_]{1,30}", fullmatch=True), min_size=1, unique=True))
def test_different_words_differ_and_case_and_punctuation_do_not(words: list[str]) -> None:
    (found,) = words_of(" ".join(words))
    assert len(set(found.tolist())) == len(words)
    assert words_of(", ".join(words).upper() + "!")[0].tolist() == found.tolist()


def test_scripts_without_spaces_have_a_word_a_character() -> None:
    assert len(words_of("自然言語 processing")[0]) == 5
    assert [("自然言語"[a:b]) for a, b in word_spans("自然言語")] == list("自然言語")


def test_texts_of_several_blocks() -> None:
    texts = ["word " * 40_000, "", "ünd " * 40_000, "last"] * 3
    assert [len(found) for found in words_of(*texts)] == [40_000, 0, 40_000, 1] * 3
