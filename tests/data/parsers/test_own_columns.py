"""Facts that stand in columns of a user's own."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_support import quarantined
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lmworks.data.parsers.facts import facts_of
from lmworks.data.parsers.parser import Reading
from lmworks.data.shards.records import Documents
from lmworks.data.sources.files import Files
from lmworks.data.splits.features import moment

Ingest = Callable[..., Any]
FIELDS = {"created_field": "at", "subject_field": "who.id", "language_field": "lang", "label_field": "class"}
ROW = {"text": "x", "at": "2024-05-01", "who": {"id": 7}, "lang": "EN_us", "class": "good"}


def rows(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("fields", [{}, {"fields": "all"}, {"fields": ["text"]}])
def test_facts_are_taken_from_fields_by_their_paths(ingest_files: Ingest, fields: dict[str, Any]) -> None:
    parquet = io.BytesIO()
    stamp = datetime(2024, 5, 1, 10, tzinfo=UTC)
    pq.write_table(pa.table({name: [value] for name, value in {**ROW, "at": stamp}.items()}), parquet)
    result, out = ingest_files({"a.jsonl": rows(ROW), "b.parquet": parquet.getvalue()}, **FIELDS, **fields)
    assert quarantined(out) == []
    found = sorted(Documents(out, "").iterate(), key=lambda document: str(document.created))
    assert [document.created for document in found] == ["2024-05-01", "2024-05-01T10:00:00+00:00"]
    for document in found:
        assert (document.subject, document.language, document.meta["label"]) == ("7", "en-us", "good")
    assert not any("no value" in reason for reason in result.counts)


def test_what_a_record_does_not_say_is_counted(ingest_files: Ingest) -> None:
    result, out = ingest_files(
        {"a.jsonl": rows(ROW, {**ROW, "at": None}, {"text": "y", "who": {}, "lang": ""})}, **FIELDS
    )
    assert result.counts["no value in `created_field`"] == 2
    assert [result.counts[f"no value in `{name}_field`"] for name in ("subject", "language", "label")] == [1, 1, 1]
    assert len(list(Documents(out, "").iterate())) == 3


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2024", "2024"),
        ("2024-05", "2024-05"),
        (" 2024-05-01 ", "2024-05-01"),
        ("20240501", "2024-05-01"),
        ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00+00:00"),
        ("2024-05-01 10:00:00", "2024-05-01T10:00:00"),
        ("Wed, 01 May 2024 10:00:00 +0200", "2024-05-01T10:00:00+02:00"),
        ("31.12.2024", "2024-12-31"),
        ("01.05.2024 10:30", "2024-05-01T10:30:00"),
        ("2024/05/01", "2024-05-01"),
        ("1 May 2024", "2024-05-01"),
        ("May 1, 2024", "2024-05-01"),
        ("31/12/2024", "2024-12-31"),
        ("12/31/2024", "2024-12-31"),
        ("05/05/2024", "2024-05-05"),
        (1714557600, "2024-05-01T10:00:00+00:00"),
        (1714557600000, "2024-05-01T10:00:00+00:00"),
        ("1714557600", "2024-05-01T10:00:00+00:00"),
        (1714557600.5, "2024-05-01T10:00:00.500000+00:00"),
    ],
)
def test_dates_in_common_forms_become_iso_8601(value: Any, wanted: str) -> None:
    found, empty, fault = facts_of({"at": value}, Reading(facts={"created": "at"}))
    assert (found, empty, fault) == ({"created": wanted}, (), "")
    assert moment(wanted) is not None


@pytest.mark.parametrize(
    ("order", "value", "wanted"),
    [
        ("day-first", "05/01/2024", "2024-01-05"),
        ("month-first", "05/01/2024", "2024-05-01"),
        ("day-first", "31-12-2024 10:00", "2024-12-31"),
        ("month-first", "12/31/2024", "2024-12-31"),
        (None, "31-12-2024", "2024-12-31"),
        ("day-first", "12/31/2024", "holds a date that is not day-first"),
        ("month-first", "31/12/2024", "holds a date that is not month-first"),
        (None, "05-01-2024", "two ways: no date of this source has a day above 12 to show it; set `dates: day-first`"),
    ],
)
def test_a_setting_says_whether_the_day_stands_first(order: Any, value: str, wanted: str) -> None:
    found, _, fault = facts_of({"at": value}, Reading(facts={"created": "at"}, dates=order))
    assert found.get("created") == wanted or wanted in fault


@pytest.mark.parametrize(("order", "wanted"), [("day-first", "2024-01-05"), ("month-first", "2024-05-01")])
def test_the_setting_of_a_source_reaches_its_records(ingest_files: Ingest, order: str, wanted: str) -> None:
    _, out = ingest_files({"a.jsonl": rows({**ROW, "at": "05/01/2024"})}, **FIELDS, dates=order)
    assert [document.created for document in Documents(out, "").iterate()] == [wanted]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"at": "yesterday"}, "field 'at' holds no date"),
        ({"at": "2024-13"}, "field 'at' "),
        ({"at": "32/13/2024"}, "field 'at' "),
        ({"at": "05/01/2024"}, "field 'at' holds a date that can be read in two ways"),
        ({"at": 7}, "field 'at' holds no date"),
        ({"at": True}, "field 'at' holds no date"),
        ({"at": ["2024", "2025"]}, "field 'at' holds more than one value"),
        ({"lang": "English (US)"}, "field 'lang' holds no code of a language"),
        ({"class": ["a", "b"]}, "field 'class' holds more than one value"),
    ],
)
def test_what_cannot_be_read_is_quarantined_with_its_reason(
    ingest_files: Ingest, row: dict[str, Any], reason: str
) -> None:
    _, out = ingest_files({"a.jsonl": rows({**ROW, **row}), "b.txt": "good"}, **FIELDS)
    (bad,) = quarantined(out)
    assert bad["reason"].startswith(reason)
    said = [str(value) for value in row.values()]
    assert not any(len(value) > 3 and value in bad["reason"] for value in said)  # which may be private


@given(st.text(max_size=20) | st.integers() | st.floats() | st.text("0123456789-/.: TZ+", max_size=20))
def test_any_value_is_a_date_or_refused(value: Any) -> None:
    found, empty, fault = facts_of({"at": value}, Reading(facts={"created": "at"}))
    assert bool(fault) + bool(empty) + ("created" in found) == 1
    assert "created" not in found or moment(found["created"]) is not None


def test_two_fields_cannot_both_be_the_label() -> None:
    with pytest.raises(ValidationError, match="would both be kept as `label`"):
        Files(kind="files", path=".", keep=["label"], label_field="class")
