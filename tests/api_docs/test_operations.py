"""Reading back the texts of operations, and what is said about them."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.clean.html import html_to_text
from lmworks.data.clean.normalise import NormaliseConfig, normalise, normalise_text
from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Documents
from lmworks_api_docs.operations import OperationText, action_of, parse_operation, summary
from support import make_context


def test_a_service_model_ends_as_the_text_promised(tmp_path: Path, write_service: Callable[..., Path]) -> None:
    write_service(
        "queue",
        {"GetQueue": "<p>Gets a queue.</p><note><p>Be <b>careful</b>.</p></note>"},
        shapes={
            "Input": {
                "members": {
                    "Name": {"shape": "S", "documentation": "<p>Its name.</p><ul><li>short</li><li>unique</li></ul>"},
                    "Age": {"shape": "Age"},
                    "Rest": {"shape": "S"},
                }
            },
            "S": {},
            "Age": {"documentation": "<p>In days.</p>"},
        },
    )
    config = IngestConfig.model_validate(
        {"sources": [{"kind": "botocore", "path": "models"}], "licences": {"allow": ["permissive"]}}
    ).resolve(tmp_path)
    ingest(config, out=tmp_path / "raw", context=make_context(tmp_path / "1"))
    raw = Documents(tmp_path / "raw", "")
    normalise(NormaliseConfig(documents="raw"), raw, out=tmp_path / "clean", context=make_context(tmp_path / "2"))
    by_kind = {document.meta["kind"]: document for document in Documents(tmp_path / "clean", "").iterate()}
    assert by_kind["service"].text == "QUEUE\n\nQUEUE is a service."
    assert by_kind["operation"].text == (
        "QUEUE GetQueue\n\nGets a queue.\n\nBe careful.\n\n"
        "Parameters:\nName: Its name.\n  - short\n  - unique\nAge: In days.\nRest:"
    )
    assert parse_operation(by_kind["operation"].text) == OperationText(
        "QUEUE GetQueue",
        "Gets a queue.\n\nBe careful.",
        [("Name", "Its name.\n- short\n- unique"), ("Age", "In days."), ("Rest", "")],
    )


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,10}", fullmatch=True)
prose = st.from_regex(r"[A-Z][a-z]{1,8}( [a-z]{1,8}){0,5}\.", fullmatch=True)


@given(st.lists(prose, min_size=1, max_size=3), st.lists(st.tuples(names, st.lists(prose, max_size=3)), max_size=4))
def test_what_was_written_is_read_back(paragraphs: list[str], parameters: list[tuple[str, list[str]]]) -> None:
    def block(texts: list[str]) -> str:
        return "".join(f"<p>{html.escape(text)}</p>" for text in texts)

    members = "".join(f"<dt>{name}</dt><dd>{block(texts)}</dd>" for name, texts in parameters)
    section = f"<p>Parameters:</p><dl>{members}</dl>" if parameters else ""
    text = normalise_text(html_to_text(f"<h1>S3 Get</h1>{block(paragraphs)}{section}"))
    assert parse_operation(text) == OperationText(
        "S3 Get", "\n\n".join(paragraphs), [(name, "\n".join(texts)) for name, texts in parameters]
    )


def test_a_description_may_speak_of_parameters() -> None:
    text = "S3 Get\n\nGets it.\n\nParameters:\n- none\n\nEnd."
    assert parse_operation(text) == OperationText("S3 Get", "Gets it.\n\nParameters:\n- none\n\nEnd.", [])
    assert parse_operation("S3 Get\n\nParameters:\nKey: A key.") == OperationText("S3 Get", "", [("Key", "A key.")])
    assert parse_operation("S3 Get") == OperationText("S3 Get", "", [])


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Gets it. It is a. It is b. It is c.", ["Gets it.", "It is a.", "It is b."]),
        ("Not for directory buckets.\n\nCreates a bucket.", ["Creates a bucket."]),
        ("Gets it. For more information, see Getting. Then stops.", ["Gets it.", "Then stops."]),
        ("Gets it. You can:\n- run\n- walk", ["Gets it."]),
        ("- run\n- walk\n\nGets it.", ["Gets it."]),
        ("Gets it.\n\nThese are allowed:\n- run\n\nNothing else.", ["Gets it."]),
        ("Gets it.\n\n- run\n\nNothing else.", ["Gets it.", "Nothing else."]),
        ("Gets it. The following holds:", ["Gets it."]),
        ("Gets it", ["Gets it."]),
        ("Gets it. X" + "x" * 600 + ".", ["Gets it."]),
        ("A thing of beauty.", ["A thing of beauty."]),
        ("", []),
    ],
)
def test_the_summary_says_what_it_does_and_ends_with_a_sentence(description: str, expected: list[str]) -> None:
    assert summary(description) == expected


@pytest.mark.parametrize(
    ("sentence", "operation", "action"),
    [
        ("Creates a new S3 bucket.", "CreateBucket", "creates a new S3 bucket"),
        ("Create a table.", "CreateTables", "creates a table"),
        ("Copies, then deletes it.", "Move", "copies, then deletes it"),
        ("Apply a rule.", "ApplyRules", "applies a rule"),
        ("This operation lists keys.", "ListKeys", "lists keys"),
        ("List keys of a bucket.", "ListKeys", None),
        ("This operation lists all keys.", "ListKeys", "lists all keys"),
        ("Permanently deletes a key.", "DeleteKey", "permanently deletes a key"),
        ("Enable or disable a key.", "Toggle", "enables or disables a key"),
        ("List of keys.", "Enumerate", None),
        ("The list of keys.", "ListKeys", None),
        ("Calls ListKeys for you.", "ListKeys", None),
        ("Gets keys (all of them).", "ListKeys", None),
        ("Gets " + "x" * 200, "ListKeys", None),
    ],
)
def test_the_action_goes_after_which_operation(sentence: str, operation: str, action: str | None) -> None:
    assert action_of(sentence, operation) == action
