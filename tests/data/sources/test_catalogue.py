"""Published sets of the table by use, language and task."""

from __future__ import annotations

import json

from typer.testing import CliRunner, Result

from lmworks.cli import app


def sources(*words: str) -> Result:
    return CliRunner().invoke(app, ["data", "sources", *words])


def names(*words: str) -> set[str]:
    return {each["name"] for each in json.loads(sources(*words, "--json").stdout)["found"]}


def test_the_table_is_searched_and_records_that_state_their_own_licence_are_not_refused() -> None:
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


def test_a_code_that_is_no_language_is_refused() -> None:
    assert "expected a code of ISO 639" in str(sources("--language", "xq").exception)
