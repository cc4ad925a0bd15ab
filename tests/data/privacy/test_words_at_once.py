"""Words of all detectors are sought in one pass: nothing that a search for each would find is missed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.privacy.alternatives import in_any_case
from lmworks.data.privacy.detectors import DETECTORS
from lmworks.data.privacy.findings import Searched, Trigger, worth_running
from lmworks.data.privacy.kinds.births import BIRTH
from lmworks.data.privacy.kinds.identities import AFTER, BEFORE, number
from lmworks.data.privacy.kinds.vehicles import PLATES
from lmworks.data.privacy.words import Words, lowered
from quick import few

TRIGGERS = [each for each in dict.fromkeys(detector.trigger for detector in DETECTORS) if each.words]
WORDS = sorted({word for trigger in TRIGGERS for word in trigger.words})
BESIDE = st.sampled_from(["", " ", "x", "é", "İ", "中", "\U0001f600", "\n", "7"])


def naive(trigger: Trigger, text: str) -> set[int]:
    """Where a word of the trigger begins."""
    searched = text if trigger.exact else lowered(text)
    return {place for word in trigger.words for place in range(len(text)) if searched.startswith(word, place)}


@pytest.mark.parametrize("change", few([str.swapcase, str, str.upper, str.title], 1))
@pytest.mark.parametrize("beside", few(["İ", "", "中\U0001f600"], 1))
def test_every_word_is_found_at_both_ends_of_a_text_in_any_case(change: type[str], beside: str) -> None:
    lists = [trigger.words for trigger in TRIGGERS]
    finder = Words([tuple(map(lowered, words)) for words in lists])
    texts = [f"{change(word)}{beside}{change(word)}" for word in WORDS]
    for trigger, places in zip(TRIGGERS, finder.places(texts, [[(0, len(text))] for text in texts]), strict=True):
        for n, text in enumerate(texts):
            assert naive(trigger, text) <= set(places.inside(n))


@given(st.lists(st.lists(st.tuples(BESIDE, st.sampled_from(WORDS)).map("".join), max_size=4).map("".join), max_size=4))
def test_places_that_are_told_beforehand_are_those_of_a_search(texts: list[str]) -> None:
    finder = Words([tuple(map(lowered, trigger.words)) for trigger in TRIGGERS])
    stretches = [[(0, len(text))] for text in texts]
    found = dict(zip(TRIGGERS, finder.places(texts, stretches), strict=True))
    for n, text in enumerate(texts):
        told = Searched(text, [(0, len(text))], {trigger: each.inside(n) for trigger, each in found.items()})
        asked = Searched(text, [(0, len(text))])
        for trigger in TRIGGERS:
            assert told.words(trigger) == asked.words(trigger)
            assert told.has_word(trigger, 1, len(text) - 1) == asked.has_word(trigger, 1, len(text) - 1)


def test_words_are_sought_in_the_stretches_alone() -> None:
    (places,) = Words([("passport",)]).places(["passport and passport", "a passport"], [[(3, 21)], [(0, 5), (6, 10)]])
    assert [places.inside(0), places.inside(1), places.texts()] == [[13], [], [0]]


def test_texts_in_other_letters_keep_their_places() -> None:
    texts = [
        "İ" * 300 + " née le 3.5.1970",
        "中" * 300 + "Kennzeichen B AB 1234",
        "Né le 3.5.1970",
        "VÉHICULE AB-123-CD",
    ]
    chosen = worth_running(texts, DETECTORS)
    assert [BIRTH in each.places for each in chosen] == [True, False, True, False]
    assert [PLATES in each.places for each in chosen] == [False, True, False, True]


CHOICES = st.lists(
    st.sampled_from(
        ["pass", "pass(?!-)", "pa?ss\\w*", "p", "Kä?se", "(?:in|is|i)s?t?", "s?sn", "\\w*pin", "[ps]in", "é"]
    ),
    min_size=1,
    max_size=8,
)


@given(CHOICES, st.text(st.sampled_from("pPasSnNiIİıſ\u212akKäÄéÉe- "), max_size=30))
def test_alternatives_are_tried_in_the_order_that_matters(choices: list[str], text: str) -> None:
    pattern = "|".join(choices)
    found = [each.span() for each in re.finditer(in_any_case(pattern), text)]
    assert found == [each.span() for each in re.finditer(f"(?i:{pattern})", text)]


def test_letters_have_the_cases_that_regular_expressions_know() -> None:
    for letter in sorted({each for word in WORDS for each in word if each.isalpha()}):
        ours = re.compile(in_any_case(f"{letter}a|{letter}b|{letter}c"))
        for other in filter(str.isalpha, map(chr, range(0x3000))):
            assert bool(ours.fullmatch(f"{other}b")) == bool(re.fullmatch(letter, other, re.IGNORECASE))


NUMBERS = [
    "[0-9]{3}[ .-]?[0-9]{2}",
    "756[.]?[0-9]|[12][ -]?[0-9A]{3}",
    "(?:35|86)[0-9]{2}",
    "[0-9](?:[ /]{0,2}[0-9]){3}",
]


@given(st.sampled_from(NUMBERS), st.text(st.sampled_from("0123567568 .-_,aB/é"), max_size=30))
def test_numbers_that_begin_with_a_digit_are_the_same_from_their_first_digit(pattern: str, text: str) -> None:
    plain = re.compile(f"{BEFORE}(?:{pattern}){AFTER}")
    assert "value" in number(pattern).groupindex
    for place in range(len(text)):
        ours, other = number(pattern).search(text, place), plain.search(text, place)
        assert (ours and ours.span("value")) == (other and other.span())
