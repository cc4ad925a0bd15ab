"""Made-up values in place of true ones."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from faker import Faker
from hypothesis import given, settings
from hypothesis import strategies as st

from lmworks.data.personal.detectors import DETECTORS
from lmworks.data.personal.findings import Finding, scan
from lmworks.data.personal.kinds.dates import read_date, shift_date
from lmworks.data.privacy.surrogates import MAX_SHIFT_DAYS, day_shift, surrogate, value_digest

KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def only(text: str) -> Finding:
    """The one finding of a text."""
    (finding,) = scan(text, DETECTORS)
    return finding


def instead(text: str, key: bytes = KEY) -> str:
    """The surrogate for what a text holds."""
    made = surrogate(key, only(text), days=30)
    assert made
    return made


@pytest.mark.parametrize(
    "text",
    [
        "jane@mail.example.com",
        "card 4111-1111-1111-1111",
        "card 340376792748116",
        "GB29 NWBK 6016 1331 9268 19",
        "SSN 123-45-6789",
        "NHS 943 476 5919",
        "AB 12 34 56 C",
        "86 095 742 719",
        "2 55 08 14 168 025 38",
        "12345678Z",
        "RSSMRA85M01H501Q",
        "529.982.247-25",
        "41.173.96.26",
        "2a00:1450:4001:81b::200e",
        "+41 (0)62 585 51 90",
        "call 541-714-1388x12",
        "call 03.93.92.16.85",
        "MRN 00123456",
        "born 12 March 1985",
    ],
)
def test_a_surrogate_is_another_valid_value_of_the_same_kind_and_form(text: str) -> None:
    true = only(text)
    made = instead(text)
    assert made != true.value and made not in text
    again = only(text[: true.start] + made + text[true.end :])
    assert (again.kind, again.value) == (true.kind, made)
    if true.kind not in ("email", "birth_date"):
        assert [each.isalnum() for each in made] == [each.isalnum() for each in true.value]
    assert instead(text) == made
    assert true.kind == "birth_date" or instead(text, OTHER_KEY) != made


def test_one_value_has_one_surrogate_however_it_is_written() -> None:
    grouped, whole = instead("card 4111-1111-1111-1111"), instead("card 4111111111111111")
    assert grouped.replace("-", "") == whole
    assert instead("GB29 NWBK 6016 1331 9268 19").replace(" ", "").lower() == instead("gb29nwbk60161331926819")
    assert instead("Jane@Example.com") == instead("jane@example.com")
    assert instead("call 541-714-1388").replace("-", "") == instead("call 5417141388")


def test_a_telephone_is_one_value_with_and_without_its_country_s_code() -> None:
    forms = [
        "0176 1234567",
        "0176-123 45 67",
        "+49 176 1234567",
        "+49 (0)176/1234567",
        "0049 176 1234567",
        "491761234567",
    ]
    assert len({value_digest(KEY, "phone", form) for form in forms}) == 1
    made = {"".join(filter(str.isdigit, instead(f"call {form}".replace("(0)", ""))))[-10:] for form in forms}
    assert len(made) == 1 and made != {"1761234567"}
    assert value_digest(KEY, "phone", "+1 602-272-9781") == value_digest(KEY, "phone", "(602) 272-9781")
    assert value_digest(KEY, "phone", "+49 176 1234567") != value_digest(KEY, "phone", "0176 1234568")


def test_an_account_keeps_its_country_and_a_telephone_its_country_code() -> None:
    assert instead("GB29 NWBK 6016 1331 9268 19").startswith("GB")
    assert instead("+41 (0)62 585 51 90").startswith("+41 (0)")


def test_a_surrogate_is_never_the_true_value() -> None:
    keys = [bytes([number]) * 32 for number in range(60)]
    assert "7" not in {surrogate(key, Finding("record_number", 0, 1, "7"), 1) for key in keys}


def test_two_persons_hardly_share_a_surrogate() -> None:
    made = {instead(f"person{number}@example.com") for number in range(300)}
    assert len(made) == 300


def test_a_secret_has_no_surrogate() -> None:
    assert surrogate(KEY, only("api_key = 'q8Zr2Lx0Vb7TnY5k'"), 1) is None


def test_a_digest_says_nothing_without_the_key() -> None:
    assert value_digest(KEY, "email", "A@b.org") == value_digest(KEY, "email", "a@B.org ")
    assert value_digest(KEY, "email", "a@b.org") != value_digest(OTHER_KEY, "email", "a@b.org")
    assert value_digest(KEY, "email", "a@b.org") != value_digest(KEY, "subject", "a@b.org")


@given(st.text())
def test_a_person_has_one_shift(person: str) -> None:
    days = day_shift(KEY, person)
    assert days == day_shift(KEY, person)
    assert 1 <= abs(days) <= MAX_SHIFT_DAYS


@settings(max_examples=50)
@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2029, 12, 31)), st.integers(-365, 365))
def test_a_shifted_date_keeps_its_form(day: date, days: int) -> None:
    for form in ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y"):
        assert shift_date(day.strftime(form), days) == (day + timedelta(days)).strftime(form)
    for form in ("%d %B %Y", "%B %d, %Y", "%d %b %Y"):
        text = day.strftime(form)
        shifted = shift_date(text, days)
        assert read_date(shifted) == day + timedelta(days)
        assert [each for each in shifted if not each.isalnum()] == [each for each in text if not each.isalnum()]


def test_dates_in_other_tongues_and_with_endings() -> None:
    assert shift_date("1. Mai 1970", 31) == "1. Juni 1970"
    assert shift_date("3rd of March 1985", 18) == "21st of March 1985"
    assert shift_date("MARCH 3, 1985", 30) == "APRIL 2, 1985"
    assert shift_date("Sept 30, 2001", 1) == "Oct 1, 2001"
    assert shift_date("12/03/85", 1) == "12/04/85"
    assert shift_date("25/12/1985", 7) == "01/01/1986"


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(["iban", "credit_card_number", "ssn"]))
def test_made_up_values_of_any_kind_get_valid_surrogates(seed: int, maker: str) -> None:
    faker = Faker("en_US")
    faker.seed_instance(seed)
    text = f"my card or SSN {getattr(faker, maker)()}"
    true = only(text)
    made = surrogate(KEY, true, 1)
    assert made and made != true.value
    assert only(text[: true.start] + made).kind == true.kind
