"""A table without a header is told as one, and names of fields and labels are shown without personal data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from data_support import texts

from lmworks.data.quality.classifier import checked_labels
from lmworks.data.shards.steps import Tally
from lmworks.errors import LmworksError, UsageError

Ingest = Callable[..., Any]
ROWS = "jane.roe@example.org,Please send the ladder back\nbob@example.org,The chairs have come\n"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (ROWS, "personal data"),
        ("+49 176 12345678,Please send the ladder back\n", "personal data"),
        ("1,2.5\n2,3.5\n", "only numbers"),
        ("7,2024-05-01\n8,2024-05-02\n", "only numbers and dates"),
    ],
)
@pytest.mark.parametrize("shard_bytes", [1, 2**20])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_first_row_that_is_data_stops_the_step(
    ingest_files: Ingest, content: str, what: str, shard_bytes: int, ending: str
) -> None:
    table = content.replace(",", "\t") if ending == "tsv" else content
    for fields in ({}, {"fields": "all"}, {"text_field": "letter"}):
        with pytest.raises(UsageError) as stopped:
            ingest_files({f"a.{ending}": table}, shard_bytes=shard_bytes, **fields)
        said = str(stopped.value)
        assert f"a.{ending}" in said and what in said and "`columns:" in said and "`fields: [" in said
        assert not any(cell in said for cell in ("jane", "176", "2.5", "ladder"))


def test_columns_or_fields_settle_it(ingest_files: Ingest) -> None:
    _, payload = ingest_files({"a.csv": ROWS}, columns=["from", "text"])
    assert texts(payload) == ["Please send the ladder back", "The chairs have come"]
    for named in ({"text_field": "2024"}, {"fields": ["2024"]}):
        _, payload = ingest_files({"a.csv": "2023,2024\none,two\n"}, **named)
        assert texts(payload) == ["two"]


@pytest.mark.parametrize("header", ["text,2023,2024", "text,e-mail", "text,iban_2", "text,31.12.2024", "2024,text"])
def test_a_header_is_one(ingest_files: Ingest, header: str) -> None:
    width = header.count(",")
    for fields in ({}, {"fields": "all"}):
        result, _ = ingest_files({"a.csv": f"{header}\n" + "one" + ",two" * width + "\n"}, **fields)
        assert result.counts["documents"] == 1


def test_names_in_messages_are_without_personal_data(ingest_files: Ingest) -> None:
    row = '{"jane.roe@example.org": "one letter", "other": "x"}\n'
    with pytest.raises(LmworksError) as stopped:
        ingest_files({"a.jsonl": row * 12})
    assert "jane" not in str(stopped.value) and "hidden" in str(stopped.value)


def test_labels_in_messages_are_without_personal_data() -> None:
    counts: Counter[str] = Counter({"jane.roe@example.org": 1, "other": 50})
    with pytest.raises(LmworksError) as stopped:
        checked_labels(counts, Tally())
    assert "jane" not in str(stopped.value) and "other" in str(stopped.value)
