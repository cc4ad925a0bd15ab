"""Erased values are found in whatever form they are written, by digests that tell nothing of them."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lmworks.data.base.identity import ID_KEY
from lmworks.data.erased.contacts import LONGEST_DOMAIN, addresses
from lmworks.data.erased.values import (
    Erased,
    Line,
    add_values,
    is_subject_alone,
    known_values,
    lines_of,
    read_values,
    readings,
    strangers_of,
    subject_line,
    text_line,
)
from lmworks.data.erasure.loose import Loose
from lmworks.data.shards.records import Document
from lmworks.errors import UsageError

KEY = b"a key for tests only"
MAIL, PHONE, NAME = "jane@example.com", "+49 170 1234567", "Jane Roe"
IBAN = "GB29 NWBK 6016 1331 9268 19"


def holds(value: str, text: str) -> bool:
    return bool(Erased(KEY, lines_of(KEY, value)).find([text])[0])


def may_hold(value: str, text: str) -> bool:
    return any(Loose([value]).find(form) for form in readings(text))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (MAIL, "Mail Jane@Example.COM."),
        (MAIL, "<a href='mailto:jane&#64;example.com'>"),
        (MAIL, r'{"text": "so\njane\u0040example.com'),
        (MAIL, "to=jane%40example.com&from=x"),
        (PHONE, "call 0170 / 123 45 67 now"),
        (PHONE, "+49 (0)170 1234567"),
        *(("K-48213077", form) for form in ("K-48213077", "k-48213077", "K48213077", "k-4821-3077", "K 4821 3077")),
        (PHONE, "00491701234567"),
        ("0170 1234567", "+49 170 1234567"),
        ("+1 212 555 0123", "(212) 555-0123"),
        ("212-555-0123", "+1 (212) 555-0123"),
        (IBAN, "to gb29nwbk60161331926819"),
        (IBAN.replace(" ", ""), f"to {IBAN}."),
        ("4111111111111111", "card 4111-1111-1111-1111 of 2024"),
        (NAME, "a letter of many words that was written by JANE \n Roe,"),
        ("Roe, Jane", "Jane Roe"),
        (NAME, "<b>Jane</b> <i>Roe</i>"),
        ("José Müller", "jose\u0301 mu\u0308ller"),
        ("José Müller", "Jos&eacute; M&uuml;ller"),
        ("Weiß", "WEISS"),
        ("Jörg Müller", "JORG MULLER"),
        (NAME, "Jane\u0301 Roe"),
    ],
)
def test_a_value_is_found_in_other_forms(value: str, text: str) -> None:
    assert holds(value, text)


LINES = base64.b64encode(b"write to jane@example.com about the ladder in the garden").decode()
IN_LINES = [LINES[place : place + 20] for place in range(0, len(LINES), 20)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((MAIL, f"as {mark}{MAIL}{mark} wrote") for mark in ("_", "__", "*", "**", "~~")),
        *((NAME, f"as {mark}{NAME}{mark} wrote") for mark in ("_", "__", "*", "**")),
        (NAME, "_Jane_ _Roe_"),
        *((MAIL, f"x jane{tag}@example.com y") for tag in ("<!-- a > b -->", "<div></div>", "<p class='x'></p>")),
        *((MAIL, f"x jane{at}example.com y") for at in (" @ ", " (at) ", "[at]", " [@] ", "\\@")),
        ("jane@lodge.example", "x jane[at]lodge(dot)example y"),
        *((PHONE, f"call 0170{mark}1234567 now") for mark in "\t·•:;'’"),
        *(
            (PHONE, f"call {said} now")
            for said in ("0170    1234567", "[0170] 1234567", "**0170** 1234567", "+49\t170 · 1234567")
        ),
        *((IBAN, f"to {IBAN.replace(' ', mark)} now") for mark in ("\t", ".", "    ", " · ")),
        (IBAN, "to " + " ".join(IBAN.replace(" ", "")) + " now"),
        (MAIL, "\n".join(IN_LINES)),
        (MAIL, "\r\n".join(IN_LINES)),
    ],
)
def test_a_value_is_found_between_marks_and_where_it_is_kept_from_machines(value: str, text: str) -> None:
    assert holds(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [("123-4567", "rows 123;4567 and 123\t4567"), (MAIL, "look at example.com, jane at home (at) example.org")],
)
def test_cells_of_a_table_and_words_between_brackets_are_no_value(value: str, text: str) -> None:
    assert not holds(value, text)


def test_an_address_of_any_letters_is_found_behind_a_mark() -> None:
    assert holds("jürgen@example.org", "Roe|jürgen@example.org")
    assert holds("jürgen@example.org", "by _jürgen@example.org_")
    assert holds("jane=shop@example.org", "Roe|jane=shop@example.org")


@pytest.mark.parametrize(
    "text",
    [
        "联系jane@example.org。",
        "メールはjane@example.orgまで",
        "Roe|jane@example.org|5",
        "https://x.de/u/jane@example.org",
        "name#jane@example.org",
        "Write to jane@example.org.Thanks",
        "an jane@example.org.联系",
        "by jane@example.org- and",
        "elküldtük a jane@example.org-ra, jane@example.org-nak",
        "Ist die jane@example.org-Adresse gültig?",
    ],
)
def test_an_address_is_found_beside_other_letters_and_marks(text: str) -> None:
    assert holds("jane@example.org", text)


@pytest.mark.parametrize(
    "text",
    [
        "mary.jane@example.org",
        "jane@example.org.uk",
        "jane@example.organic",
        "x-jane@example.org",
        "jane@example.org-ra.hu",
    ],
)
def test_another_address_is_not_taken_for_it(text: str) -> None:
    assert not holds("jane@example.org", text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (MAIL, "mary-jane@example.com, jane@example.com.au, jane@example.org"),
        (PHONE, "0171 1234567, 0170 12345678"),
        (NAME, "Jane Roeder, Jane and Roe, Janet Roe"),
        (IBAN, "GB29 NWBK 6016 1331 9268 18"),
        ("4111111111111111", "14111111111111111"),
    ],
)
def test_what_is_like_a_value_is_not_taken_for_it(value: str, text: str) -> None:
    assert not holds(value, text)


words = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=3, max_size=12)


@given(words, st.text(max_size=40), st.text(max_size=40))
@example("0İª", "", "\0")  # read as ݪ that was decoded wrongly, but for texts of bytes
def test_words_are_found_wherever_they_stand_alone(word: str, before: str, after: str) -> None:
    assert holds(word, f"{before} {word} {after}") or "<" in before + after or is_subject_alone(word)


@given(st.text(max_size=80))
def test_any_text_is_read_and_gives_a_line_that_is_read_again(text: str) -> None:
    assert [*readings(text)]
    try:
        lines = lines_of(KEY, text)
    except UsageError:
        return
    assert [Line.read(str(line)) for line in lines] == lines
    Erased(KEY, lines).find([text])


def test_the_list_holds_no_value_and_another_key_is_told_apart(tmp_path: Path) -> None:
    for value in (MAIL, PHONE, NAME):
        add_values(tmp_path, lines_of(KEY, value), "digest")
    text = (tmp_path / "erased-values.txt").read_text()
    assert not any(part in text.lower() for part in ("jane", "example", "1234567"))
    lines = [line for line, _ in read_values(tmp_path)]
    assert Erased(KEY, lines).find([MAIL, "nothing"])[0] and not strangers_of(tmp_path, "digest")
    assert Erased(b"another key, longer", lines).find([MAIL, PHONE, NAME]) == [set(), set(), set()]
    assert strangers_of(tmp_path, "another") == lines
    (tmp_path / "erased-values.txt").write_text("jane@example.com\n")
    with pytest.raises(UsageError, match="line 1"):
        read_values(tmp_path)


def test_of_the_list_those_of_the_recipe_s_key_are_sought_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    add_values(tmp_path, lines_of(KEY, MAIL), ID_KEY.digest(tmp_path) or "")
    add_values(tmp_path, lines_of(KEY, NAME), "another")
    path = tmp_path / "erased-values.txt"
    path.write_text(f"\n{path.read_text()}\n")
    assert sorted(known_values(tmp_path)) == sorted(map(str, lines_of(KEY, MAIL)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0176 1234567", "call 491761234567"),
        ("0176 12345678", "4917612345678"),
        ("+49 176 12345678", "4917612345678"),
        ("4917612345678", "0176 12345678"),
        ("4917612345678", "+49 (0)176 12345678"),
        ("0049 176 12345678", "49 176 12345678"),
        (MAIL, "to jane+shop@example.com"),
        (MAIL, "JANE+Shop.2@EXAMPLE.COM"),
        ("Jane@Example.com", MAIL),
    ],
)
def test_what_reaches_the_same_person_is_found(value: str, text: str) -> None:
    assert holds(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("support+17@example.com", "support@example.com, support+18@example.com"),
        (MAIL, "mary+jane@example.com, ja.ne@example.com"),
        ("0176 12345678", "order 9917612345678, 12117612345678"),
        ("01234", "4901234"),
    ],
)
def test_what_reaches_another_person_is_not_taken_for_it(value: str, text: str) -> None:
    assert not holds(value, text)


FACTS: dict[str, Any] = {"id": "0" * 32, "source": "letters", "licence": "CC0-1.0"}
PLACES = {
    "text": Document(**FACTS, text=f"to {MAIL}"),
    "subject": Document(**FACTS, text="x", subject=f"Jane <{MAIL}>"),
    "meta": Document(**FACTS, text="x", meta={"a": [{"b": MAIL}]}),
    "licence": Document(**{**FACTS, "licence": f"of {MAIL}"}, text="x"),
    "language": Document(**FACTS, text="x", language=MAIL),
    "created": Document(**FACTS, text="x", created=MAIL),
    "name of a field": Document.of_row({MAIL: "x"}, **FACTS),
    "name of an object": Document.of_row({MAIL: {"said": "x"}}, **FACTS),
    "number": Document.of_row({"said": "x", "n": 491701234567}, **FACTS),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_value_is_found_wherever_in_a_record_it_stands(place: str) -> None:
    erased = Erased(KEY, [line for value in (MAIL, PHONE) for line in lines_of(KEY, value)])
    nothing = Document(**FACTS, text="x", meta={"a": "nothing"})
    assert list(map(bool, erased.in_documents([nothing, PLACES[place], nothing]))) == [False, True, False]


def known(subject: str, written: str) -> bool:
    """Return whether a record of a subject is known as one of an erased subject."""
    return bool(Erased(KEY, [subject_line(KEY, subject)]).of_subject(written))


def test_a_subject_is_known_in_another_order_and_case_and_with_a_tag() -> None:
    assert known("Jane Roe", "Roe, Jane") and known("Jane Roe", "JANE ROE")
    assert known("jane@example.org", "Jane+Shop@Example.org")
    assert not known("Jane Roe", "Jane Roe and John Doe") and not known("7", "77")


def test_a_subject_of_any_length_is_known() -> None:
    assert Erased(KEY, [subject_line(KEY, "Jane Roe " * 40)]).of_subject("Jane Roe " * 40)


def test_a_value_is_found_in_its_own_text_among_many_and_behind_others() -> None:
    for value, text in (
        (NAME, "by Jane Roe"),
        (MAIL, f"{'of it ' * 60} jane (at) example (dot) com"),
        (MAIL, f"a@b.org {MAIL}"),
    ):
        texts = ["word " * 60_000, text, "word " * 60_000, "nothing", text]
        assert list(map(bool, Erased(KEY, lines_of(KEY, value)).find(texts))) == [False, True, False, False, True]


def test_a_text_is_found_by_its_digest_alone() -> None:
    document = Document(**FACTS, text="A letter.")
    erased = Erased(KEY, [text_line(KEY, document.text_digest)])
    assert list(map(bool, erased.in_documents([Document(**FACTS, text="A letter"), document]))) == [False, True]


UNSEEN = "\u200b\u2060\ufeff\u00ad\0\a\u200d\u200e\u202a\u2066\u2063\u206a\ufe0f\u034f\u180e\u061c\U000e0041\x7f"


@pytest.mark.parametrize(
    "sign", [*UNSEEN, "&shy;", "&#8203;", "&#x200B;", "&ZeroWidthSpace;", "\\u200b", "\x1b[0m", "â€‹"]
)
def test_an_erased_value_is_found_though_what_cannot_be_seen_stands_in_it(sign: str) -> None:
    assert holds("jane.roe@example.org", f"Mail jane.roe@exam{sign}ple.org.")
    assert holds(PHONE, f"call 0170 123{sign}4567.")
    assert holds(NAME, f"by Ja{sign}ne Roe,")
    assert holds(f"jane.roe@exam{sign}ple.org", "Mail jane.roe@example.org.") or sign[0] in "&\\\x1b"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (MAIL, "ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
        (MAIL, "jane＠example.com"),
        *((PHONE, f"0170{mark}123{mark}4567") for mark in "\u2011\u2013\n_,\u202f"),
        (PHONE, "12,+49 (170)\r\n1234567"),
        (PHONE, "０１７０ １２３４５６７"),
        (PHONE, "०१७० १२३४५६७"),
        (PHONE, "٠١٧٠ ١٢٣٤٥٦٧"),
        (IBAN, "GB29\u2011NWBK\u20116016\n1331,9268_19"),
        ("José Müller", "by JosÃ© MÃ¼ller"),
        ("كريم المنصوري", "وقع ﻛﺮﻳﻢ اﻟﻤﻨﺼﻮري في"),
        ("ﻛﺮﻳﻢ اﻟﻤﻨﺼﻮري", "وقع كريم المنصوري في"),
        ("Josiane Griffon", "Madame Josiane Griﬀon, suivie"),
        ("Josiane Griffon", "Josiane Griﬀon² et Griffon"),
        ("Josiane Griffon", "signé Josiane Griffon²."),
        ("office@example.com", "oﬃce@example.com"),
        (PHONE, "⁰¹⁷⁰ ¹²³⁴⁵⁶⁷"),
        (PHONE, "0170 123 4567³"),
        (NAME, "by 𝐉𝐚𝐧𝐞 𝐑𝐨𝐞,"),
        ("バイ ロボ", "ﾊﾞｲ ﾛﾎﾞ"),
        ("Mª José", "Mª José"),
        ("x² Müller", "x² Müller"),
        ("Jane Roe", "Jane Roe™"),
        ("שלום כהן", "שלוﬦ כהן"),
    ],
)
def test_an_erased_value_is_found_as_the_clean_text_has_it(value: str, text: str) -> None:
    assert holds(value, text)


def test_a_subject_is_known_though_what_cannot_be_seen_stands_in_the_field() -> None:
    assert known("jane@example.org", "jane@exam\u200bple.org")
    assert known("jane@exam\u200bple.org", "jane@example.org")


def test_a_subject_is_known_in_letters_that_a_font_joined() -> None:
    assert known("Josiane Griffon", "Josiane Griﬀon")
    assert known("Josiane Griﬀon", "Josiane Griffon")


def test_a_text_of_compatible_marks_is_read_in_linear_time() -> None:
    assert holds(NAME, "\u0301\uff9e" * 60_000 + " Jane Roe")


def test_a_record_with_a_file_in_base64_is_searched_in_linear_time() -> None:
    inside = base64.b64encode(b"M" * 1_000_000 + " café de Jane Roe".encode("cp1252")).decode()
    assert holds(NAME, f"A note with a file in it: {inside} and no more.")


def test_a_subject_of_any_length_is_compared_in_linear_time() -> None:
    """Who writes a message chooses its sender. In quadratic time it would take hours."""
    erased = Erased(KEY, [subject_line(KEY, "jane@example.org")])
    for sign in ("+", "+a", "@", "+@", "a.", ","):
        assert not erased.of_subject(sign * (1_000_000 // len(sign)))
    assert erased.of_subject("jane+of+" + "much+" * 200_000 + "@example.org")


def test_short_numbers_of_a_table_are_not_joined() -> None:
    assert not holds("1234567", "123,4567\n12\n34567")


@pytest.mark.parametrize(
    ("before", "after"),
    [("hello a@b", ".A" * 120_000), ("!" * 60 + "a@b", ".A" * 120_000), ("", ("!a" * 30 + "@" + "A." * 120) * 300)],
)
def test_no_text_has_more_addresses_than_its_length_allows(before: str, after: str) -> None:
    lengths = [len(address) for address in addresses(before + after)]
    assert max(lengths) <= 64 + 1 + LONGEST_DOMAIN and len(lengths) <= 5 * len(before + after)


def test_an_address_of_the_longest_domain_is_found_before_the_next_sentence() -> None:
    domain = ".".join(["a" * 30] * 8)
    assert holds(f"jane@{domain}", f"to jane@{domain}.Thanks." + "And.So.On." * 100)


def test_a_name_is_not_found_in_one_with_other_vowel_signs() -> None:
    assert holds("कमल", "श्री कमल ने कहा") and not holds("कमल", "श्रीमती कमला ने कहा")
    assert holds("मोदी जी", "वह मोदी जी हैं") and not holds("मोदी जी", "वह मादा जू हैं")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((MAIL, f"mail jane@example.com{glued} 030") for glued in ("Tel", "Phone:", "2024", "Tel.Nr")),
        *(
            (MAIL, f"mail {said} now")
            for said in ("jane@\nexample.com", "jane\r\n  @example.com", "jane@example.\ncom")
        ),
        (MAIL, "mail jane@example\n  .com now"),
        *((IBAN, f"to IBAN{mark}GB29NWBK60161331926819BIC:NWBKGB2L") for mark in (":", " ", "")),
        *((PHONE, f"call 0170{parted}1234567 now") for parted in (" (mobil) ", "(mob.)", " [work] ", " " * 20)),
        (PHONE, "Tel01701234567Fax"),
        *((NAME, f"by {said}, in the valley") for said in ("Jane Roe1", "Jane Roe2024", "7Jane Roe", "Jane1 Roe2")),
        *((NAME, f"by {said}, in the valley") for said in ("Ja**ne** Roe", "*Ja*ne R***oe***", "\\x4aane R\\x6fe")),
        (NAME, "by Ja<x-y>ne</x-y> Roe"),
        *((NAME, f"by Ja{mark}ne Roe{mark} there") for mark in ("\u0332", "\u0336", "\u20dd", "\U0001d173", "\ufff0")),
    ],
)
def test_a_value_is_found_though_something_is_glued_to_it_or_put_into_it(value: str, text: str) -> None:
    assert holds(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("jane@example.co", "jane@example.com, jane@example.community"),
        (MAIL, "jane@example.comic and jane@example.com-pany.org, jane1@example.com, JaneJane@example.com"),
        (MAIL, "jane@\n\nother.example.com"),
        ("12345", "order AB12345CD, X12345 and 12345Y"),
        (PHONE, "0170 (of 3) 1234567 and 0170 (one two) 1234567"),
        (NAME, "JaneRoe1, Jane 1 Roe, Jane2Roe"),
    ],
)
def test_what_is_of_others_is_not_taken_for_it(value: str, text: str) -> None:
    assert not holds(value, text)


def test_a_long_value_of_many_groups_takes_no_time_that_doubles_with_each() -> None:
    assert lines_of(KEY, "12" + " (AB) 12" * 400 + "!")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("+49 171 5550123", "+43 171 5550123, 0044 (0)171 5550123, 43171 5550123, +431715550123"),
        ("+49 30 1234567", "account 99 30 1234567, 43 30 1234567 and 30 1234567 89"),
        ("030 1234567", "account 99 30 1234567 and 30 1234567 89"),
        ("0049 171 5550123", "+1 715 550 123 and +171 5550123"),
        ("12345", "paid 123.45 euros, 12 345 crowns, version 1.23.45 and 12.345"),
        ("105", "house 105, 105 of them"),
        ("2024", "in 2024"),
        ("42", "42"),
    ],
)
def test_numbers_of_others_are_not_taken_for_it(value: str, text: str) -> None:
    assert not holds(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("+49 171 5550123", "ring 0171/5550123, ask"),
        ("+49 171 5550123", "ring +49 (0)171 555 01 23 45 times"),
        ("+49 171 5550123", "room 12 0171 5550123 open 24 hours"),
        ("+49 171 5550123", "00490171 5550123"),
        ("+49 171 5550123", "| 35 | 171 5550123 | 12 |"),
        ("+39 06 12345678", "Roma 06 12345678; +39 0612345678"),
        ("+1 212 555 0123", "35 212-555-0123 NY"),
        ("0171 5550123", "ring +43 171 5550123"),
        ("12345", "customer 12-345"),
        ("090-1234-5678", "電話は090ー1234ー5678です"),
        *(
            ("+36 30 123 4567", f"Mobil: {said} (este)")
            for said in (
                "+36 30 123 4567",
                "06301234567",
                "0630/1234567",
                "06 30 123 4567",
                "06-30/123-4567",
                "0036301234567",
            )
        ),
        *(("06301234567", f"Mobil: {said}") for said in ("+36 30 123 4567", "0630/1234567", "+36 (06) 30 123 4567")),
        *(("+7 916 123-45-67", f"тел. {said}") for said in ("89161234567", "8 916 123 45 67", "8 (916) 123-45-67")),
        ("89161234567", "тел. +7 916 123-45-67"),
        ("+370 612 34567", "tel. 8 612 34567, 0 612 34567"),
        ("+370 612 34567", "tel. 0 612 34567"),
        ("+375 29 123-45-67", "тел. 8 029 123-45-67"),
        ("+34 612 345 678", "tel. 612 345 678"),
        ("+39 06 1234567", "tel. 06 1234567"),
        ("+1 212 555 0123", "1-212-555-0123"),
    ],
)
def test_a_number_is_found_where_it_stands_as_a_whole(value: str, text: str) -> None:
    assert holds(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("+36 30 123 4567", "Berlin Tel. 030 1234567, Frau Schulz"),
        ("+36 30 123 4567", "Berlin 030/123 45 67"),
        ("+34 612 345 678", "Paris 06 12 34 56 78"),
        ("+7 916 123-45-67", "0916 1234567"),
    ],
)
def test_a_number_of_a_country_with_another_prefix_is_not_taken_and_may_be_told(value: str, text: str) -> None:
    assert not holds(value, text)
    assert may_hold(value, text)


@pytest.mark.parametrize("value", ["105", "42", "Li", "7"])
def test_a_short_value_is_sought_as_a_subject_alone(value: str) -> None:
    erased = Erased(KEY, lines_of(KEY, value))
    assert erased.of_subject(value) and not erased.find([f"by {value}, {value}"])[0]
    assert not erased.of_subject(None)


@pytest.mark.parametrize("value", ["", " ", "-", "\u3164", "\u200b"])
def test_a_value_of_nothing_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="letters or digits"):
        lines_of(KEY, value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("dalaigh@post.example", "at o'dalaigh@post.example"),
        ("dalaigh@post.example", "at o’dalaigh@post.example"),
        ("jane@example.com", "smith&jane@example.com, a%jane@example.com, x{jane@example.com"),
    ],
)
def test_a_part_of_another_address_is_not_taken_for_it_and_read_loosely(value: str, text: str) -> None:
    assert not holds(value, text)
    assert may_hold(value, text)


@pytest.mark.parametrize(
    "text", ["'jane@example.com'", "“jane@example.com”", "**jane@example.com**", "почтаjane@example.com"]
)
def test_an_address_in_quotes_is_found(text: str) -> None:
    assert holds(MAIL, text)


def test_a_packed_text_takes_no_room_from_the_texts_behind_it() -> None:
    packed = base64.b64encode(gzip.compress(base64.b64encode(b"harmless words here " * 150_000))).decode()
    letter = base64.b64encode(b"Dear Sirs, my name is Jane Quillfeather and I live in Bath.").decode()
    erased = Erased(KEY, lines_of(KEY, "Jane Quillfeather"))
    assert list(map(bool, erased.find([*[f"see: {packed}"] * 3, f"from a customer: {letter}"]))) == [*[False] * 3, True]
