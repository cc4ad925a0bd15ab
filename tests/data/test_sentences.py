"""Where sentences end."""

from __future__ import annotations

import pytest

from lmworks.data.base.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", ["One.", "Two."]),
        ("Use a name, e.g. Bucket. Then go.", ["Use a name, e.g. Bucket.", "Then go."]),
        ("See Amazon.com for more. Done", ["See Amazon.com for more.", "Done"]),
        ("Costs 3.5 units! Really? Yes.", ["Costs 3.5 units!", "Really?", "Yes."]),
        ("Regions (i.e. US East, etc. and so on) only.", ["Regions (i.e. US East, etc. and so on) only."]),
        ("Called by AWS Inc. Not by others.", ["Called by AWS Inc. Not by others."]),
        ("Amazon Web Services (AWS). (Optional) More.", ["Amazon Web Services (AWS).", "(Optional) More."]),
        ("", []),
    ],
)
def test_an_abbreviation_or_a_name_ends_no_sentence(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize("abbreviation", ["Mr. ", "A. ", "etc. ", "Incl. ", "Approx. "])
def test_a_long_list_of_abbreviations_is_read_in_linear_time_and_ends_nothing(abbreviation: str) -> None:
    assert sentences(abbreviation * 100_000 + "Ends. Next.") == [abbreviation * 100_000 + "Ends.", "Next."]
