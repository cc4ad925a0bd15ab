"""Filters: what each drops, and what it must leave."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.quality.filters import FILTERS, FilterSettings, reasons_to_drop
from lmworks.data.quality.language import detect_language, languages_of

ENGLISH = (
    "Creates a queue in the account. You must own the account, and the name of the queue must not be taken yet. "
    "If the queue exists, the call fails and nothing is changed. Names are compared letter by letter, so two queues "
    "whose names differ in capitals are two queues. A queue that nobody used for thirty days is deleted by itself."
)
GERMAN = (
    "Erstellt eine Warteschlange im Konto. Das Konto muss Ihnen gehören, und der Name darf noch nicht vergeben sein. "
    "Wenn die Warteschlange schon besteht, schlägt der Aufruf fehl und nichts wird geändert."
)


def verdict(name: str, text: str, *languages: str, **settings: Any) -> str | None:
    return reasons_to_drop(name, [text], FilterSettings(languages=list(languages or ("en",)), **settings))[0]  # type: ignore[arg-type]


def test_a_title_alone_is_too_short() -> None:
    assert verdict("length", "S3 GetObject\n\nParameters:\nBucket:") == "too short"
    assert verdict("length", "SQS GetQueue\n\nReturns one queue of the account.") is None


def test_texts_in_other_languages_go() -> None:
    assert verdict("language", ENGLISH) is None
    assert verdict("language", GERMAN) == "language: de"
    assert verdict("language", GERMAN.upper()) == "language: de"
    assert verdict("language", GERMAN, "en", "de") is None
    assert verdict("language", ENGLISH, "de") == "language: en"


@pytest.mark.parametrize("text", ["Hola", "arn:aws:s3:::x/*", "Gruppe X1\n\nDiskRdOps VpcPrfx", "", "123 456 " * 50])
def test_texts_that_say_too_little_about_their_language_stay(text: str) -> None:
    assert verdict("language", text) is None
    assert detect_language(text)[0] in (None, "en") or detect_language(text)[1] < 1


def test_a_language_may_have_to_be_sure() -> None:
    assert verdict("language", ENGLISH, language_score=0.65) is None
    assert verdict("language", ENGLISH, language_score=0.999) == "language: unsure"
    assert verdict("language", "arn:aws:s3:::x/*", language_score=0.65) == "language: unsure"
    assert verdict("language", GERMAN, language_score=0.65) == "language: de"
    mixed = f"{GERMAN[:58]} {ENGLISH[:102]}"
    assert detect_language(mixed)[0] == "de"
    assert detect_language(mixed)[1] < 0.6
    assert verdict("language", mixed) is None
    assert verdict("language", mixed, language_score=0.5) == "language: unsure"


@pytest.mark.parametrize(("english", "german"), [(1, 3), (2, 6), (1, 12)])
def test_a_text_that_begins_in_english_and_goes_on_in_german_is_german(english: int, german: int) -> None:
    text = "\n\n".join([ENGLISH] * english + [GERMAN] * german)
    found = languages_of(text)
    assert (found.language, found.second) == ("de", "en")
    assert found.second_share == pytest.approx(english * len(ENGLISH) / len(text), abs=0.05)
    assert verdict("language", text) == "language: de"
    assert verdict("language", text, "de") is None
    assert detect_language(text)[0] == "de"


def test_a_text_stays_that_is_mostly_in_the_language_wanted() -> None:
    text = "\n\n".join([ENGLISH] * 3 + [GERMAN])
    assert languages_of(text).language == "en"
    assert 0.05 < languages_of(text).second_share < 0.3
    assert verdict("language", text) is None
    assert verdict("language", text, "de") == "language: en"


def test_the_language_may_change_within_a_paragraph() -> None:
    assert languages_of(" ".join([ENGLISH] * 5 + [GERMAN] * 12)).language == "de"


def test_short_paragraphs_take_the_side_of_their_neighbours() -> None:
    text = "\n\n".join(["Notes", GERMAN, "OK", "arn:aws:s3:::x/*", GERMAN, "Done", ENGLISH, "End"])
    found = languages_of(text)
    assert (found.language, found.second) == ("de", "en")
    assert found.share + found.second_share == pytest.approx(1)


@pytest.mark.parametrize(
    ("limit", "reason"), [(1, "word list"), (3, "word list"), (4, None), (0.03, "word list"), (0.05, None)]
)
def test_texts_with_listed_words_go(limit: float, reason: str | None) -> None:
    words = ("Queue that NOBODY", "thirty", "creates", "capital", "")
    assert verdict("word-list", ENGLISH, word_list=words, word_list_limit=limit) == reason


def test_the_language_is_told() -> None:
    assert detect_language(ENGLISH)[0] == "en"
    assert detect_language("Hi there") == (None, 0.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ENGLISH + ("\n" + ENGLISH) * 2, "repetition: lines"),
        (" ".join(["buy cheap watches now"] * 10) + " " + ENGLISH[:150], "repetition: one phrase"),
        (" ".join([ENGLISH] * 3), "repetition: phrases"),
        (ENGLISH, None),
        ("no no no no no no no no", None),
    ],
)
def test_repetition(text: str, reason: str | None) -> None:
    assert verdict("repetition", text) == reason


@pytest.mark.parametrize("sign", ["|", "\t"])
def test_a_table_may_repeat_a_label_and_not_its_rows(sign: str) -> None:
    words = ENGLISH.split()
    label = f"{sign} card payment not recognised {sign}"
    rows = [f"{sign} {' '.join(words[place : place + 5])} {label}" for place in range(15)]
    assert verdict("repetition", "\n".join(rows)) is None
    assert verdict("repetition", "\n".join(rows[:5] * 3)) == "repetition: lines"
    assert verdict("repetition", " ".join(rows[:1] * 15)) == "repetition: one phrase"


def plain_repetition(text: str) -> str | None:
    """The rule as it is written down, without a short cut."""
    words, lines = text.split(), [line.strip() for line in text.split("\n") if line.strip()]
    characters = sum(map(len, words))
    if len(words) < 50:
        return None
    if sum(len(line) for place, line in enumerate(lines) if line in lines[:place]) / sum(map(len, lines)) > 0.30:
        return "repetition: lines"
    fours = [tuple(words[place : place + 4]) for place in range(len(words) - 3)]
    most = max(fours, key=fours.count)
    if fours.count(most) > 1 and fours.count(most) * sum(map(len, most)) / characters > 0.25:
        return "repetition: one phrase"
    fives = [tuple(words[place : place + 5]) for place in range(len(words) - 4)]
    covered = {place + each for place, five in enumerate(fives) if five in fives[:place] for each in range(5)}
    return "repetition: phrases" if sum(len(words[place]) for place in covered) / characters > 0.40 else None


@given(st.lists(st.sampled_from(["a", "bucket", "of", "queues", "is", "b\n", "c d e f g\n"]), min_size=40, max_size=90))
def test_repetition_with_its_short_cuts_is_the_rule(words: list[str]) -> None:
    text = " ".join(words)
    assert verdict("repetition", text) == plain_repetition(text)


@pytest.mark.parametrize(("copies", "block"), [(2, 30), (3, 20), (4, 14), (5, 12)])
def test_repeated_blocks_with_short_cuts_are_judged_by_the_rule(copies: int, block: int) -> None:
    for others in range(60):
        words = [f"b{number}" for number in range(block)] * copies + [f"o{number}" for number in range(others)]
        assert verdict("repetition", " ".join(words)) == plain_repetition(" ".join(words))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(sorted(FILTERS)))
def test_no_text_breaks_a_filter(text: str, name: str) -> None:
    reason = verdict(name, text, word_list=("word",))
    assert reason is None or reason.strip()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("早晨的大雾遮住了每一盏灯笼。", "too short"),
        ("早晨的大雾遮住了每一盏灯笼，水手们数着桶。", None),
        ("मछली के पीपे गिने गये", "too short"),
        ("सुबह के घने कोहरे ने हर लालटेन को ढक लिया", None),
    ],
)
def test_words_are_counted_in_every_script(text: str, reason: str | None) -> None:
    assert verdict("length", text) == reason


LISTED = ("白痴", "馬鹿", "โง่", "औरत", "idiot")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("昨天那个白痴在港口大喊大叫，没有人理他。", "word list"),
        ("昨日あの馬鹿が港で叫んだ。", "word list"),
        ("เมื่อวานไอ้โง่ตะโกนที่ท่าเรือ", "word list"),
        ("कल वह औरत आयी", "word list"),
        ("他说idiot这个词", "word list"),
        ("昨天那个白衣人痴痴地笑", None),
        ("เมื่อวานโงนเงน", None),
        ("कल औरतों ने कहा", None),
        ("an idiotic word", None),
    ],
)
def test_a_listed_word_is_found_where_no_spaces_are(text: str, reason: str | None) -> None:
    assert verdict("word-list", text, word_list=LISTED) == reason
