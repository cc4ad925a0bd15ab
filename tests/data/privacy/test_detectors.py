"""What is taken for personal data, and what is not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lmworks.data.personal.detectors import DETECTORS
from lmworks.data.personal.findings import Detectors, Finding, join_overlaps, scan
from lmworks.data.privacy.recall import samples

KEY_BLOCK = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK+/=\n-----END RSA PRIVATE KEY-----"


def found(text: str) -> list[tuple[str, str]]:
    """Kind and characters of each finding."""
    return [(finding.kind, text[finding.start : finding.end]) for finding in scan(text, DETECTORS)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Write to jane.o'neil+x@mail.example.co.uk.", "email", "jane.o'neil+x@mail.example.co.uk"),
        ("<jürgen@müller.de>", "email", "jürgen@müller.de"),
        ("Ring +41 (0)62 585 51 90 now", "phone", "+41 (0)62 585 51 90"),
        ("(602)272-9781", "phone", "(602)272-9781"),
        ("see 541-714-1388x12.", "phone", "541-714-1388x12"),
        ("Tel. 03.93.92.16.85", "phone", "03.93.92.16.85"),
        ("call me at 358 0594 2024-01-01", "phone", "358 0594"),
        ("my number 0341 8387176", "phone", "0341 8387176"),
        ("paid with 4111 1111 1111 1111", "card", "4111 1111 1111 1111"),
        ("1234 4111 1111 1111 1111", "card", "4111 1111 1111 1111"),
        ("no. 9999 4111-1111-1111-1111", "card", "4111-1111-1111-1111"),
        ("340376792748116", "card", "340376792748116"),
        ("my card 630427373398 is lost", "card", "630427373398"),
        ("to GB29 NWBK 6016 1331 9268 19 and", "iban", "GB29 NWBK 6016 1331 9268 19"),
        ("de89370400440532013000", "iban", "de89370400440532013000"),
        ("to GB85WEST700641622083 please", "iban", "GB85WEST700641622083"),
        ("charged to 4111.1111.1111.1111 twice", "card", "4111.1111.1111.1111"),
        ("pan: 6212 3456 7890 1234 569", "card", "6212 3456 7890 1234 569"),
        ("tel:+1-212-555-0145", "phone", "+1-212-555-0145"),
        ("SSN 123-45-6789", "national_id", "123-45-6789"),
        ("Social Security No. 901-73-4095 on file", "national_id", "901-73-4095"),
        ("national insurance number QQ 12 34 56 C", "national_id", "QQ 12 34 56 C"),
        ("tax id: 98 646 879 756", "national_id", "98 646 879 756"),
        ("NHS number 943 476 5919", "national_id", "943 476 5919"),
        ("AB 12 34 56 C", "national_id", "AB 12 34 56 C"),
        ("Steuer-ID 86 095 742 719", "national_id", "86 095 742 719"),
        ("NIR 2 55 08 14 168 025 38", "national_id", "2 55 08 14 168 025 38"),
        ("DNI 12345678Z, NIE", "national_id", "12345678Z"),
        ("RSSMRA85M01H501Q", "national_id", "RSSMRA85M01H501Q"),
        ("BSN 111222333", "national_id", "111222333"),
        ("PESEL 44051401359", "national_id", "44051401359"),
        ("529.982.247-25", "national_id", "529.982.247-25"),
        ("SIN 130 692 544", "national_id", "130 692 544"),
        ("from 41.173.96.26 blocked", "ip", "41.173.96.26"),
        ("host 2a00:1450:4001:81b::200e up", "ip", "2a00:1450:4001:81b::200e"),
        ("client 203.0.113.007 connected", "ip", "203.0.113.007"),
        ("from 2001:db8::4711:12: timed out", "ip", "2001:db8::4711:12"),
        ("the key 45G7RN6CUT677A3VV3VH2T4DC2AM72YK leaked", "secret", "45G7RN6CUT677A3VV3VH2T4DC2AM72YK"),
        ("token = zpecjoyyawsvthzjkwpyrvqlbggjynbr", "secret", "zpecjoyyawsvthzjkwpyrvqlbggjynbr"),
        ("id AKIAIOSFODNN7EXAMPLE.", "secret", "AKIAIOSFODNN7EXAMPLE"),
        ("api_key = 'q8Zr2Lx0Vb7TnY5k'", "secret", "q8Zr2Lx0Vb7TnY5k"),
        ('"password": "hunter2pass!"', "secret", "hunter2pass!"),
        (f"x\n{KEY_BLOCK}\ny", "secret", KEY_BLOCK),
        ("DOB: 12/03/1985.", "birth_date", "12/03/1985"),
        ("She was born on the 3rd of March 1985 in Leeds", "birth_date", "3rd of March 1985"),
        ("geboren am 1. Mai 1970", "birth_date", "1. Mai 1970"),
        ("date_of_birth=1985-03-12", "birth_date", "1985-03-12"),
        ("DOB: 19850312", "birth_date", "19850312"),
        ("(b. 12 March 1985)", "birth_date", "12 March 1985"),
        ("12 March 1985 is her date of birth", "birth_date", "12 March 1985"),
        ("MRN: 00123456", "record_number", "00123456"),
        ("Seen on 2021-03-04.", "date", "2021-03-04"),
    ],
)  # fmt: skip
def test_personal_data_is_found_to_the_character(text: str, kind: str, value: str) -> None:
    assert (kind, value) in found(text)
    padding = "The operation returns a list. " * 40
    assert (kind, value) in found(f"{padding}\n{text}\n{padding}")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Card 4111\u202f1111\u202f1111\u202f1111", "card", "4111\u202f1111\u202f1111\u202f1111"),
        ("Card 4111\u00a01111\u00a01111\u00a01111", "card", "4111\u00a01111\u00a01111\u00a01111"),
        ("Card 4111\u20091111\u20091111\u20091111.", "card", "4111\u20091111\u20091111\u20091111"),
        ("Card 4111–1111–1111–1111", "card", "4111–1111–1111–1111"),
        ("Card 4111—1111—1111—1111", "card", "4111—1111—1111—1111"),
        ("Card 4111\u20111111\u20111111\u20111111", "card", "4111\u20111111\u20111111\u20111111"),
        ("Card 4111\t1111\t1111\t1111", "card", "4111\t1111\t1111\t1111"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "card", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
        ("４１１１ １１１１ １１１１ １１１１", "card", "４１１１ １１１１ １１１１ １１１１"),
        ("4111\u200b1111\u200b1111\u200b1111", "card", "4111\u200b1111\u200b1111\u200b1111"),
        ("4111&nbsp;1111&nbsp;1111&nbsp;1111", "card", "4111&nbsp;1111&nbsp;1111&nbsp;1111"),
        ("_4111 1111 1111 1111_", "card", "4111 1111 1111 1111"),
        ("__4111111111111111__", "card", "4111111111111111"),
        ("DE89\u202f3704\u202f0044\u202f0532\u202f0130\u202f00", "iban",
         "DE89\u202f3704\u202f0044\u202f0532\u202f0130\u202f00"),
        ("DE89\t3704\t0044\t0532\t0130\t00", "iban", "DE89\t3704\t0044\t0532\t0130\t00"),
        ("+49\u00a0176\u00a01234567", "phone", "+49\u00a0176\u00a01234567"),
        ("+49\t176\t1234567", "phone", "+49\t176\t1234567"),
        ("Ring 0176\u20091234567", "phone", "0176\u20091234567"),
        ("491761234567", "phone", "491761234567"),
        ("wa.me/491761234567", "phone", "491761234567"),
        ("0612345678 or", "phone", "0612345678"),
        ("49176 1234567", "phone", "49176 1234567"),
        ("447700900123 is hers", "phone", "447700900123"),
        ("tel. 0 1 7 6 1 2 3 4 5 6 7", "phone", "0 1 7 6 1 2 3 4 5 6 7"),
        ("_+49 176 1234567_", "phone", "+49 176 1234567"),
        ("**+49 176 1234567**", "phone", "+49 176 1234567"),
        ("SSN 123\u201145\u20116789", "national_id", "123\u201145\u20116789"),
        ("_123-45-6789_", "national_id", "123-45-6789"),
        ("born 12\u00a0March\u00a01985", "birth_date", "12\u00a0March\u00a01985"),
        ("Hauptstr.\u00a05, 10115\u00a0Berlin", "address", "Hauptstr.\u00a05, 10115\u00a0Berlin"),
        ("jane\u00a0(at)\u00a0example.org", "email", "jane\u00a0(at)\u00a0example.org"),
        ("_jane@example.com_", "email", "jane@example.com"),
        ("__jane_roe@example.com__", "email", "jane_roe@example.com"),
        ("jane＠example.com", "email", "jane＠example.com"),
        ("jane@exam\u00adple.com", "email", "jane@exam\u00adple.com"),
        ("password: _Sommer!2024_", "secret", "_Sommer!2024_"),
        ("_AKIAIOSFODNN7EXAMPLE_", "secret", "AKIAIOSFODNN7EXAMPLE"),
        ("passport _C01X00T47_", "passport", "C01X00T47"),
    ],
)  # fmt: skip
def test_other_spaces_dashes_digits_and_marks_hide_nothing(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]
    assert (kind, value) in found(f"Ärger – “so\u00a0ist es”\u200b: {text}\n")


@pytest.mark.parametrize(
    "text",
    [
        "paid with 4111 1111 1111 1112",
        "batch 0000000000000000 and 4242424242424242424242",
        "item 630427373398 is lost",
        "to GB29 NWBK 6016 1331 9268 18",
        "000-12-3456 and 666-12-3456 and 123-00-4567",
        "12345678A",
        "RSSMRA85M01H501A",
        "10.0.0.1, 192.168.1.7, 127.0.0.1, 255.255.255.0 and 52.94.76.0/22",
        "version 1.2.3.4, OID 1.3.6.1.4.1, at 12:34:56, std::max(a::b)",
        "fe80::1 and ::1 and 00:1a:2b:3c:4d:5e",
        "git@github.com:org/repo.git",
        "the token is optional; password: required; key = value1",
        "550e8400-e29b-41d4-a716-446655440000",
        "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "ISBN 978-3-16-148410-0 costs 1,234,567.89",
        "from 1914-1918, pages 100-20-30, 3.14159265358979",
        "0x7fff5fbff8a0 at 1700000000000",
        "to GB84WEST700641622083 please",
        "the key responsibilitiesofthecaller and a token SecurityTokenServiceAssumeRole",
        "tax 2019-2020 and identification of 1234567 rows",
    ],
)
def test_look_alikes_are_left(text: str) -> None:
    assert found(text) == []


def test_a_date_is_a_birth_date_only_where_the_text_says_so() -> None:
    assert found("born 1985-03-12, admitted 2020-01-02") == [("birth_date", "1985-03-12"), ("date", "2020-01-02")]
    assert found("31 February 2020, 2020-13-40") == []


def test_overlapping_findings_become_one_that_covers_them_all() -> None:
    short, long = Finding("phone", 0, 10, "0123456789"), Finding("card", 5, 25, "x" * 20)
    last = Finding("ip", 24, 30, "y" * 6)
    assert join_overlaps([(1, short), (0, long), (2, last)]) == [Finding("card", 0, 30, "x" * 20)]
    equal = Finding("iban", 0, 10, "0123456789")
    assert join_overlaps([(1, equal), (0, short)]) == [short]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.integers(0, 3)), max_size=12))
def test_joined_findings_cover_all_in_order_without_overlap(spans: list[tuple[int, int, int]]) -> None:
    findings = [(rank, Finding("ip", start, start + size, "x" * size)) for start, size, rank in spans]
    joined = join_overlaps(findings)
    assert all(left.end <= right.start for left, right in pairwise(joined))
    covered = {place for finding in joined for place in range(finding.start, finding.end)}
    assert covered == {place for _, finding in findings for place in range(finding.start, finding.end)}


PIECES = [
    "a", "1", " ", "-", ".", ":", "@", "key", "=", "x", "+", "(", ")", "\n", "'", "İ", "é", "/", "born ", "12.3.", "GB",
    "4111 1111 ", "-----BEGIN PRIVATE KEY-----", "eyJ", "sk-", "a.", "1 ", "@a", "MRN ", "2 of ", "call ", "May ",
]  # fmt: skip


@settings(max_examples=40)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join))
@example("@a")
@example("1 ")
@example("sk-")
@example("eyJ.")
@example("a.@")
@example("1/1/11 ")
def test_hostile_text_ends(piece: str) -> None:
    """A pattern that tries every way to match would not come back within a lifetime; growth is benchmarked."""
    text = (piece * (20_000 // len(piece) + 1))[:20_000]
    for finding in scan(text, DETECTORS):
        assert text[finding.start : finding.start + 1]


@given(st.text(st.sampled_from("ab1.:@ -+()\n/İß"), max_size=300))
def test_findings_lie_in_the_text(text: str) -> None:
    for finding in scan(text, DETECTORS):
        assert 0 <= finding.start < finding.end <= len(text)
        assert finding.value in text[finding.start : finding.end]


FAR = "and so on and on, " * 400


def test_detectors_that_share_a_search_find_in_long_texts_what_each_finds_alone() -> None:
    for sample in samples()[::9]:
        text = f"{FAR}\n{sample.text}\n{FAR}"
        alone = {(each.kind, each.value) for each in scan(sample.text, DETECTORS)}
        assert alone <= {(each.kind, each.value) for each in scan(text, DETECTORS)}


def test_most_texts_are_spared_most_detectors() -> None:
    assert list(DETECTORS.worth_running("The operation returns a list.")) == []


def test_a_detector_without_a_trigger_reads_every_text_as_a_whole() -> None:
    detectors = Detectors([DETECTORS[0], replace(DETECTORS[0], trigger="")])
    assert list(detectors.worth_running("any text")) == [(1, 0, len("any text"))]
