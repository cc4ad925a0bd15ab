"""Published sets by use, language and task, of the table and of records of the Data Provenance Initiative."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lmworks.cli import app
from lmworks.data.sources.dataset import adapters


def record(name: str, licence: str, languages: list[str], tasks: list[str], **more: object) -> dict[str, object]:
    """A record with the fields that the initiative publishes and we read."""
    said: dict[str, object] = {
        "Unique Dataset Identifier": name,
        "Dataset Name": name,
        "Collection": "Talks",
        "Languages": languages,
        "Task Categories": tasks,
        "Format": ["Multi-turn Dialog"],
        "Text Metrics": {"Num Dialogs": 1234},
        "Model Generated": [],
        "Licenses": [{"License": licence, "License URL": ""}],
        "Inferred Metadata": {"PwC Date": "2021-05-04", "HF Date": "2023-01-01", "S2 Date": ""},
    }
    return {name: said | more}


@pytest.fixture
def records(tmp_path: Path) -> Path:
    rows = [
        record("open", "CC BY 4.0", ["German", "English"], ["Dialogue Generation"]),
        record("shared", "CC BY-SA 4.0", ["German"], ["Dialog Turn Prediction"]),
        record("closed", "CC BY-NC 4.0", ["German"], ["Dialogue Generation"]),
        record("silent", "Unspecified", ["German"], ["Dialogue Generation"]),
        record("bound", "OpenAI", ["German"], ["Dialogue Generation"], **{"Model Generated": ["OpenAI GPT-4"]}),
        record("other", "MIT License", ["French"], ["Dialogue Generation"]),
        record("elsewhere", "MIT License", ["German"], ["Summarization"], Format=["Zero-shot"]),
    ]
    merged = {name: row for each in rows for name, row in each.items()}
    (tmp_path / "Talks.json").write_text(json.dumps(merged))
    (tmp_path / "_template.json").write_text("{}")
    return tmp_path


def sources(*words: str) -> Result:
    return CliRunner().invoke(app, ["data", "sources", *words])


def names(*words: str) -> set[str]:
    return {each["name"] for each in json.loads(sources(*words, "--json").stdout)["found"]}


def test_a_use_a_language_and_a_task_leave_the_sets_that_serve_them(records: Path) -> None:
    asked = ["--language", "de", "--task", "dialogue", "--records", str(records)]
    found = names("--use", "commercial", *asked) - set(adapters())
    assert found == {"open", "shared"}
    assert names("--use", "academic", *asked) - set(adapters()) == {"open", "shared", "closed"}
    everything = {"open", "shared", "closed", "silent", "bound"}
    assert names(*asked) - set(adapters()) == everything
    assert names("--language", "German", *asked[2:]) - set(adapters()) == everything


def test_what_a_licence_leaves_out_is_counted_with_the_reason(records: Path) -> None:
    said = sources("--use", "commercial", "--language", "de", "--task", "dialogue", "--records", str(records))
    assert "1: licence refuses commercial use" in said.stderr and "1: no licence" in said.stderr
    assert "terms that nobody has stated" in said.stderr
    shown = said.stdout
    assert "open: open (Talks)" in shown and "CC-BY-4.0" in shown and "2021" in shown and "1,234 records" in shown
    assert 'dataset: "open"' in shown and str(records / "Talks.json") in shown, "the line that a recipe needs"
    unbound = sources("--language", "de", "--task", "dialogue", "--records", str(records)).stdout
    assert "whose terms hold too" in " ".join(unbound.split())


def test_the_table_is_searched_too_and_records_that_state_their_own_licence_are_not_refused() -> None:
    commercial = names("--use", "commercial")
    assert "openassistant" in commercial and "arxiv" in commercial and "alpaca" not in commercial
    assert names("--use", "non-commercial") - commercial == {"alpaca"}
    assert names("--task", "machine translation") == set() and "multi30k" in names("--task", "translation")
    assert {"wikipedia", "multi30k"} <= names("--language", "cs")
    assert "multi30k" not in names("--language", "es")


def test_one_set_is_shown_with_the_size_and_licence_of_its_parts() -> None:
    shown = sources("superglue").stdout
    (line,) = [line for line in shown.splitlines() if "BoolQ" in line]
    assert "9,427 for training" in line and "CC-BY-SA-3.0" in line
    assert "no licence stated" in shown and "2019" in shown
    assert "did you mean 'superglue'" in str(sources("superglu").exception)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read as JSON"),
        ('{"a":' * 20_000, "cannot be read as JSON"),
        ("[]", "holds no records by data set"),
        (None, "expected the folder"),
    ],
)
def test_a_folder_that_holds_no_records_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "x.json").write_text(content)
    assert said in str(sources("--records", str(tmp_path)).exception)


def test_a_code_that_is_no_language_is_refused() -> None:
    assert "expected a code of ISO 639" in str(sources("--language", "xq").exception)


def test_a_file_that_is_no_plain_one_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    assert "expected a plain file" in str(sources("--records", str(tmp_path)).exception)


def test_records_of_other_types_than_published_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(
        json.dumps({"odd": {"Licenses": 5, "Languages": 7, "Text Metrics": [], "Format": {}}})
    )
    assert "odd" not in names("--use", "commercial", "--records", str(tmp_path))
    assert "odd" in names("--records", str(tmp_path))
