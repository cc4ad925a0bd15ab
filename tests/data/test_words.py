"""Words as hashes: equal words, equal numbers, whatever stands around them."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lmworks.data.base import words
from lmworks.data.base.words import borders, count_words, hash_words, letters_a_word, word_spans

TEXTS = st.lists(st.text(st.sampled_from("abAB_1 ,.\n\x00éÉß’—字假ทİʼnΣσ\u0e31\u0301कि😀"), max_size=40), max_size=8)


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


@given(st.text(max_size=60) | TEXTS.map("".join))
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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("प्रधानमंत्री नरेंद्र मोदी ने", "प्रधानमंत्री नरेंद्र मोदी ने"),  # Hindi
        ("বাংলাদেশের প্রধানমন্ত্রী", "বাংলাদেশের প্রধানমন্ত্রী"),
        ("தமிழ்நாட்டின் முதலமைச்சர்", "தமிழ்நாட்டின் முதலமைச்சர்"),
        ("كَتَبَ مُرْشِدُ", "كَتَبَ مُرْشِدُ"),
        ("cafe\u0301s (e\u0301)", "cafe\u0301s e\u0301"),
        ("ที่กรุง", "ที่ ก รุ ง"),
        ("\u0301a .\u0301b 😀\ufe0f c", "a b c"),  # marks of no letter
    ],
)
def test_marks_belong_to_the_letter_before_them(text: str, words: str) -> None:
    assert [text[start:stop] for start, stop in word_spans(text)] == words.split()
    assert words_of(text)[0].tolist() == words_of(words)[0].tolist()
    assert len(words_of(text)[0]) == len(words.split())


def test_vowel_signs_tell_words_apart() -> None:
    assert words_of("मोदी")[0].tolist() != words_of("मादी")[0].tolist()


@pytest.mark.parametrize(
    ("text", "words", "times"),
    [
        ("one well-known -- word", 4, 1),
        ("प्रधानमंत्री नरेंद्र मोदी", 3, 1),
        ("一个仓库里有三百二十桶咸鱼。", 6, 2),
        ("用 Python 写一个函数", 4, 2),
        ("昨日あの人が港で叫んだが", 4, 3),
        ("เมื่อวานฝนตกที่กรุงเทพมหานคร", 5, 4),
        ("", 0, 1),
    ],
)
def test_so_many_letters_without_spaces_are_a_word(text: str, words: int, times: int) -> None:
    assert (count_words(text), letters_a_word(text)) == (words, times)


@pytest.mark.parametrize(
    ("term", "text", "is_found"),
    [
        ("and", "this, and that", True),
        ("and", "band", False),
        ("an", "and", False),
        ("世界", "新世界A", True),
        ("世界", "A世界", True),
        ("क", "कि", False),
        ("क", "क ख", True),
    ],
)
def test_a_term_stands_by_itself_but_in_scripts_without_spaces(term: str, text: str, is_found: bool) -> None:
    assert bool(re.search(borders(term), text)) is is_found


def test_a_sign_that_nobody_sees_is_of_no_word() -> None:
    assert len(word_spans("a\ufe0fb")) == len(words_of("a\ufe0fb")[0]) == 2


def test_texts_of_several_blocks() -> None:
    texts = ["word " * 40_000, "", "ünd " * 40_000, "last"] * 3
    assert [len(found) for found in words_of(*texts)] == [40_000, 0, 40_000, 1] * 3


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40))
def test_a_long_word_has_the_same_hash_beside_many(sizes: list[int]) -> None:
    texts = ["a" * size for size in sizes]
    together, alone = words_of(*texts), [words_of(text)[0] for text in texts]
    assert [found.tolist() for found in together] == [found.tolist() for found in alone]
    assert len({int(found[0]) for found in together}) == len({*sizes})


def test_a_word_of_megabytes_makes_no_array_for_each_few_of_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, mixed = 0, words.mixed_bits

    def counted(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        nonlocal calls
        calls += 1
        return mixed(values)

    monkeypatch.setattr(words, "mixed_bits", counted)
    assert [len(found) for found in words_of("M" * 100_000 + " and " + "N" * 100_000)] == [3]
    assert calls < 10
