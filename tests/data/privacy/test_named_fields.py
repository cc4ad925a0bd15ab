"""What a record's names say of its values, and personal data in names and numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_support import documents_of
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.base.structure import keys_of, put_together, renamed, take_apart
from lmworks.data.personal.detectors import DETECTORS
from lmworks.data.personal.findings import scan
from lmworks.data.personal.hidden import hide_all
from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise_documents
from lmworks.data.privacy.own import OwnDetector
from lmworks.data.shards.records import Document

CONFIG = AnonymiseConfig(documents="raw")


def anonymised(row: dict[str, Any], **meta: Any) -> Document:
    """The row as one document, and what stands beside it, anonymised."""
    document = Document.of_row(row, id="a", source="s", licence="MIT", meta=meta)
    kept, _, _ = anonymise_documents(CONFIG, b"key", [document], {})
    return kept[0]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"passport": "C01X00T47"}, "PASSPORT"),
        ({"applicant": {"passportNumber": "C01X00T47"}}, "PASSPORT"),
        ({"reisepass_nr": "C01X00T47"}, "PASSPORT"),
        ({"phone": "555 0123 4567"}, "PHONE"),
        ({"contact": {"mobile": "3495551234"}}, "PHONE"),
        ({"people": [{"tel": "3495551234"}]}, "PHONE"),
        ({"ssn": "219099999"}, "NATIONAL_ID"),
        ({"SSN": 219099999}, "NATIONAL_ID"),
        ({"phone": 3495551234.0}, "PHONE"),
        ({"phone": "3495551234.0"}, "PHONE"),
        ({"geburtsdatum": "12.03.1985"}, "BIRTH_DATE"),
        ({"date_of_birth": "1985-03-12"}, "BIRTH_DATE"),
        ({"dob": 19850312}, "BIRTH_DATE"),
        ({"password": "Sommer!2024"}, "SECRET"),
        ({"mrn": "00123456"}, "RECORD_NUMBER"),
        ({"kennzeichen": "M AB 1234"}, "VEHICLE"),
        ({"driving licence": "B072RRE2I55"}, "DRIVING_LICENCE"),
    ],
)
def test_a_field_s_name_is_a_word_beside_its_value(row: dict[str, Any], kind: str) -> None:
    def leaf(value: Any) -> Any:
        return (
            leaf(next(iter(value.values())) if isinstance(value, dict) else value[0])
            if value and not isinstance(value, str | int | float)
            else value
        )

    assert leaf(anonymised(row).row()) == f"[{kind}]"
    assert leaf(anonymised({"text": "nothing"}, **row).meta) == f"[{kind}]"
    assert f"‹{kind.lower()} hidden›" in str(hide_all([row]))


@pytest.mark.parametrize(
    "row", [{"text": "12345678"}, {"messages": [{"role": "user", "content": "12345678"}]}, {"id": "train-00123456ab"}]
)
def test_a_name_that_says_nothing_makes_nothing_personal(row: dict[str, Any]) -> None:
    assert anonymised(row).row() == row


def test_numbers_of_meta_are_treated() -> None:
    meta = anonymised({"text": "x"}, tags=[4111111111111111, 4], n=7, share=0.5, path="491761234567").meta
    assert meta == {"tags": ["[CARD]", 4], "n": 7, "share": 0.5, "path": "491761234567"}


def test_names_that_are_personal_are_treated_in_rows_and_meta_and_none_falls_together() -> None:
    row = {"jane@example.com": {"said": "yes"}, "joe@example.com": {"said": "no"}, "[EMAIL]": "third"}
    document = anonymised(row, **{"by": {"jane@example.com": 3, "joe@example.com": 4}})
    assert document.row() == {"[EMAIL]": {"said": "yes"}, "[EMAIL] 2": {"said": "no"}, "[EMAIL] 3": "third"}
    assert document.meta == {"by": {"[EMAIL]": 3, "[EMAIL] 2": 4}}
    assert [field.name for field in document.fields] == ["[EMAIL].said", "[EMAIL] 2.said", "[EMAIL] 3"]
    assert "example.com" not in str(hide_all([row]))


def test_what_is_kept_of_documents_is_hidden_at_every_depth_but_for_its_id_and_reason() -> None:
    mail, own = "jane@example.com", OwnDetector(name="member", pattern="X77|77").detector()
    row = {
        "id": mail,
        "reason": mail,
        "of": [{"id": mail, "reason": [mail], "X77": ["X77", 77, True]}],
        "on": "3 May 2024",
    }
    assert hide_all([row], [own]) == [
        {
            "id": mail,
            "reason": mail,
            "of": [
                {
                    "id": "‹email hidden›",
                    "reason": ["‹email hidden›"],
                    "‹member hidden›": ["‹member hidden›", "‹member hidden›", True],
                }
            ],
            "on": "3 May 2024",
        }
    ]


def test_personal_names_are_counted_and_indexed() -> None:
    document = Document.of_row({"jane@example.com": "yes"}, id="a", source="s", licence="MIT")
    _, entries, tally = anonymise_documents(CONFIG, b"key", [document], {})
    assert tally.counts["email redacted"] == 1 and [entry[1:] for entry in entries] == [("email", "a")]


def test_a_person_s_name_is_found_between_marks_and_as_a_key(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"people": ["patient"]})
    row = {"patient": "Jane Roe", "said": "_Jane Roe_ and **Jane** and __Roe__ left", "of": {"Jane Roe": "well"}}
    document = Document.of_row(row, id="a", source="s", licence="MIT")
    kept, _, _ = anonymise_documents(config, b"key", [document], {})
    assert "Jane" not in str(kept[0]) and "Roe" not in str(kept[0])
    assert kept[0].row()["said"] == "_[PERSON]_ and **[PERSON]** and __[PERSON]__ left"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_renaming_keeps_every_value(row: dict[str, Any]) -> None:
    fields, structure = take_apart(row)
    assert renamed(fields, structure, lambda key: key) == (fields, structure)
    alike = renamed(fields, structure, lambda key: "x")
    assert [field.text for field in alike[0]] == [field.text for field in fields]
    assert take_apart(put_together(alike[1], [field.text for field in alike[0]])) == alike
    assert set(keys_of(alike[1])) <= {"x", *(f"x {number}" for number in range(2, 5))}


WORDS = ["passport", "tel", "date_of_birth", "messages.0.content", "", "jane@example.com", "4111 1111", "ssn"]


@given(st.sampled_from(WORDS), st.text(st.sampled_from("ab1.:@ -+()\n/İß\u00a0\u200b–１"), max_size=60))
def test_findings_beside_a_name_lie_in_the_value_and_none_is_lost_unasked(name: str, text: str) -> None:
    findings = scan(text, DETECTORS, label=name)
    for finding in findings:
        assert 0 <= finding.start < finding.end <= len(text)


def test_documents_of_one_text_have_no_name(tmp_path: Path) -> None:
    (document,) = documents_of(tmp_path / "raw", "12345678").iterate()
    assert anonymise_documents(CONFIG, b"key", [document], {})[0][0].text == "12345678"
