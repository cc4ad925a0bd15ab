"""Fields that are kept come out of the last step with the type that they came in with, or as text."""

from __future__ import annotations

import datetime
import decimal
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmworks.data.clean.normalise import NormaliseConfig, normalise
from lmworks.data.shards.records import Documents
from quick import examples
from support import make_context

Ingest = Callable[..., Any]
EXACT: dict[str, Any] = {
    "count": 2**62 + 1,
    "price": 19.9,
    "whole": 3.0,
    "is_paid": True,
    "note": "1.50",
    "tags": ["a", "b"],
    "person": {"age": 7, "is_member": False, "scores": [1, 2.5]},
}
TYPED = {
    "day": (pa.date32(), datetime.date(2024, 5, 1), "2024-05-01"),
    "at": (pa.timestamp("us"), datetime.datetime(2024, 5, 1, 10), "2024-05-01T10:00:00"),
    "hour": (pa.time64("us"), datetime.time(10, 30), "10:30:00"),
    "cost": (pa.decimal128(7, 2), decimal.Decimal("10.50"), "10.50"),
    "raw": (pa.binary(), b"words", "words"),
    "days": (pa.list_(pa.date32()), [datetime.date(2024, 5, 1)], ["2024-05-01"]),
    "map": (pa.map_(pa.string(), pa.int64()), [("a", 1)], [["a", 1]]),
}


def alike(one: Any, other: Any) -> bool:
    """Whether two values are equal, and of one type all the way down."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def last(payload: Path, folder: Path) -> list[dict[str, Any]]:
    """What documents keep after a further step."""
    normalise(NormaliseConfig(documents="x"), Documents(payload, "d"), folder / "out", make_context(folder))
    return [dict(each.meta) for each in Documents(folder / "out", "").iterate()]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_what_json_has_keeps_its_type(ingest_files: Ingest, tmp_path: Path, form: str) -> None:
    row = {"text": "one text", **EXACT}
    file: Any = json.dumps(row) + "\n"
    if form == "parquet":
        stream = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([row]), stream)
        file = stream.getvalue()
    _, payload = ingest_files({f"a.{form}": file}, keep=[*EXACT])
    (meta,) = last(payload, tmp_path / "then")
    found = {name: meta[name] for name in EXACT}
    if form == "parquet":  # one type a column: its list of scores is of floats
        found["person"]["scores"][0] = int(found["person"]["scores"][0])
    assert alike(found, EXACT)


def test_what_json_lacks_is_text(ingest_files: Ingest, tmp_path: Path) -> None:
    columns = {name: pa.array([value, None, value], kind) for name, (kind, value, _) in TYPED.items()}
    stream = io.BytesIO()
    pq.write_table(pa.table({"text": ["one", "two", "three"], **columns}), stream)
    _, payload = ingest_files({"a.parquet": stream.getvalue()}, keep=[*TYPED])
    metas = [meta for meta in last(payload, tmp_path / "then") if "day" in meta]
    assert len(metas) == 2
    for name, (_, _, written) in TYPED.items():
        assert [meta[name] for meta in metas] == [written] * 2


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(value=PLAIN.filter(lambda value: value is not None))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(40), deadline=None)
def test_any_value_of_json_is_kept_as_it_is(ingest_files: Ingest, value: Any) -> None:
    _, payload = ingest_files({"a.jsonl": json.dumps({"text": "one text", "kept": value}) + "\n"}, keep=["kept"])
    (document,) = Documents(payload, "").iterate()
    assert alike(document.meta["kept"], value)
