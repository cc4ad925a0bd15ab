"""A day above 12 in any date of a source tells how the others are written; dates that say both stop the step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_support import payload_bytes, quarantined

from lmworks.data.shards.records import Documents
from lmworks.errors import UsageError

Ingest = Callable[..., Any]


def table(*dates: str) -> str:
    return "text,when\n" + "".join(f"letter {number},{date}\n" for number, date in enumerate(dates))


def created(payload: Path) -> dict[str, str | None]:
    return {each.text: each.created for each in Documents(payload, "").iterate()}


@pytest.mark.parametrize(("tells", "read"), [("25/05/2024", "2024-02-01"), ("05/25/2024", "2024-01-02")])
@pytest.mark.parametrize("shard_bytes", [1, 2**20])
@pytest.mark.parametrize("is_last", [True, False])
def test_a_day_above_12_tells_how_all_dates_are_written(
    ingest_files: Ingest, tells: str, read: str, shard_bytes: int, is_last: bool
) -> None:
    first, last = ("01/02/2024", tells) if is_last else (tells, "01/02/2024")
    files = {"a.csv": table(first, "2024-03-04", "03.04.2024"), "b.csv": table(last).replace("letter", "mail")}
    result, payload = ingest_files(files, created_field="when", shard_bytes=shard_bytes)
    assert quarantined(payload) == [] and result.counts["documents"] == 4
    found = created(payload)
    assert {found["letter 0"], found["mail 0"]} == {read, "2024-05-25"}
    assert (found["letter 1"], found["letter 2"]) == ("2024-03-04", "2024-04-03")
    assert sum(result.counts[name] for name in result.counts if name.startswith("dates written ")) >= 1


def test_it_gives_what_the_setting_gives(ingest_files: Ingest) -> None:
    files = {"a.csv": table("01/02/2024", "25/05/2024"), "b.csv": table("03/04/2024")}
    _, payload = ingest_files(files, created_field="when", shard_bytes=1)
    found = {name: each for name, each in payload_bytes(payload).items() if name.endswith((".parquet", ".jsonl"))}
    _, payload = ingest_files(files, created_field="when", shard_bytes=1, dates="day-first")
    assert {name: payload_bytes(payload)[name] for name in found} == found


def test_dates_that_none_tells_of_are_quarantined(ingest_files: Ingest) -> None:
    _, payload = ingest_files({"a.csv": table("01/02/2024", "05/05/2024", "2024-05-25")}, created_field="when")
    (bad,) = quarantined(payload)
    assert "can be read in two ways" in bad["reason"] and len(created(payload)) == 2


@pytest.mark.parametrize("shard_bytes", [1, 2**20])
def test_dates_that_say_both_stop_the_step_with_a_place_of_each(ingest_files: Ingest, shard_bytes: int) -> None:
    files = {"a.csv": table("01/02/2024", "25/05/2024", "26/05/2024"), "b.csv": table("05/05/2024", "05/27/2024")}
    with pytest.raises(UsageError) as stopped:
        ingest_files(files, created_field="when", shard_bytes=shard_bytes)
    said = str(stopped.value)
    assert "day-first in a.csv, record 2, month-first in b.csv, record 2" in said and "`dates`" in said
    _, payload = ingest_files(files, created_field="when", shard_bytes=shard_bytes, dates="day-first")
    assert len(quarantined(payload)) == 1, "what does not fit the setting"


def test_the_setting_holds_whatever_dates_say(ingest_files: Ingest) -> None:
    files = {"a.csv": table("01/02/2024", "25/05/2024")}
    _, payload = ingest_files(files, created_field="when", dates="month-first")
    assert created(payload) == {"letter 0": "2024-01-02"} and len(quarantined(payload)) == 1
