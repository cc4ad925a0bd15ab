"""Licences from records of the Data Provenance Initiative, matched to the intended use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lmworks.data.licences.gate import known_terms, licence_table
from lmworks.data.records import Documents
from lmworks.errors import GateRefused, UsageError
from lmworks.pipeline.stage import Result

COMMERCIAL = {"use": "commercial", "share_alike": True}
Ingest = Callable[..., tuple[Result, Path]]


def record(*licences: str, **more: Any) -> dict[str, Any]:
    """One data set as `data_summaries` describe it."""
    named = [{"License": name, "License URL": "https://example.org/licence"} for name in licences]
    return {"Unique Dataset Identifier": "x", "Dataset Name": "A set", "Licenses": named, **more}


def read(folder: Path, ingest: Ingest, records: Any, dataset: str | None = None, **source: Any) -> tuple[Result, Path]:
    (folder / "records.json").write_text(records if isinstance(records, str) else json.dumps(records))
    provenance = {"file": str(folder / "records.json"), "dataset": dataset}
    source = {"licence": None, "provenance": provenance, **source}
    return ingest({"a.txt": "One text.", "b.txt": "Another text."}, gate=COMMERCIAL, **source)


def test_the_licence_of_a_record_is_every_documents_own(tmp_path: Path, ingest_files: Ingest) -> None:
    records = {"one": record("CC BY-SA 3.0"), "other": record("CC BY-NC 4.0")}
    _, out = read(tmp_path, ingest_files, records, "one")
    assert {document.licence for document in Documents(out, "").iterate()} == {"CC-BY-SA-3.0"}
    assert json.loads((out / "licences.json").read_text())["mixture"]["share_alike"] == "CC-BY-SA-3.0"


@pytest.mark.parametrize(
    ("licences", "why"),
    [
        (["CC BY-NC 4.0"], "allows non-commercial use only"),
        (["MIT License", "CC BY-NC 4.0"], "CC-BY-NC-4.0: allows non-commercial use only"),
        (["OpenAI"], "licence not known"),
        (["CC BY"], "licence not known"),
        (["Unspecified"], "no licence"),
        (["MIT", ""], "no licence"),
        ([], "no licence"),
    ],
)
def test_what_the_use_does_not_fit_is_refused(
    tmp_path: Path, ingest_files: Ingest, licences: list[str], why: str
) -> None:
    with pytest.raises(GateRefused, match=why) as refusal:
        read(tmp_path, ingest_files, {"one": record(*licences)})
    assert refusal.value.exit_code == 3


def test_all_data_sets_of_a_file_hold_together(tmp_path: Path, ingest_files: Ingest) -> None:
    _, out = read(tmp_path, ingest_files, {"one": record("MIT License"), "other": record("CC BY 4.0")})
    assert {document.licence for document in Documents(out, "").iterate()} == {"CC-BY-4.0 AND MIT"}


@pytest.mark.parametrize(
    ("records", "dataset", "source", "fault"),
    [
        ({"one": record("MIT")}, "two", {}, "no data set 'two'; it has one"),
        ("[1]", None, {}, "holds no records by data set"),
        ("{", None, {}, "cannot be read as JSON"),
        ({"one": record("CC BY 4.0")}, None, {"licence": "MIT"}, "stated as MIT.*names CC-BY-4.0"),
    ],
)
def test_faults_of_records_are_named(
    tmp_path: Path, ingest_files: Ingest, records: Any, dataset: str | None, source: dict[str, Any], fault: str
) -> None:
    with pytest.raises(UsageError, match=fault):
        read(tmp_path, ingest_files, records, dataset, **source)


def test_every_name_that_is_known_has_known_terms() -> None:
    assert set(licence_table()["provenance_initiative"].values()) <= known_terms().keys()
