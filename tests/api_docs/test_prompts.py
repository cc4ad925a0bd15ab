"""Conversations made from operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.data_support import payload_bytes
from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.data.tuning.conversations import Conversations
from lmworks_api_docs import phrasings
from lmworks_api_docs.prompts import PromptsConfig, operations_to_prompts
from support import make_context

TABLES = {"document": phrasings.DOCUMENT, "explain": phrasings.EXPLAIN, "find": phrasings.FIND}


def operation(number: int, service: str, name: str, text: str, parameters: int = 1) -> Document:
    section = "\n".join(f"P{place}: A parameter." for place in range(parameters))
    return Document(
        id=f"{number:032x}",
        text=f"{service} {name}\n\n{text}" + (f"\n\nParameters:\n{section}" if parameters else ""),
        source="s",
        licence="MIT",
        meta={"kind": "operation", "service": service, "operation": name},
    )


def long(verb: str, thing: str) -> str:
    return f"{verb} a {thing} of the account. It can be undone within thirty days, and costs nothing."


def documents(folder: Path, *made: Document) -> Documents:
    folder.mkdir(parents=True)
    write_shard(folder / "part-00000.parquet", made)
    return Documents(folder, "")


@pytest.fixture
def make(tmp_path: Path) -> Any:
    def run(*train: Document, place: str = "out", **options: Any) -> dict[str, list[dict[str, Any]]]:
        folder = tmp_path / place
        held_out = documents(folder / "held-out", operation(99, "New", "StopIt", long("Stops", "job")))
        config = PromptsConfig(train="corpus", validation="split.validation", test="split.test", **options)
        context = make_context(folder)
        operations_to_prompts(
            config, documents(folder / "train-in", *train), held_out, held_out, out=folder / "made", context=context
        )
        return {part: list(Conversations(folder / "made" / part, "").iterate()) for part in config.parts}

    return run


def of(conversations: list[dict[str, Any]], form: str) -> list[dict[str, Any]]:
    return [each for each in conversations if each["form"] == form]


def test_an_operation_is_asked_about_in_three_forms(make: Any) -> None:
    made = make(operation(1, "S3", "CreateBucket", long("Creates", "store"), parameters=2))["train"]
    (document,), (explain,), (find,) = (of(made, form) for form in ("document", "explain", "find"))
    answer = "Creates a store of the account. It can be undone within thirty days, and costs nothing."
    assert document["messages"][1] == {"role": "assistant", "content": answer}
    for word in ("S3", "CreateBucket", "P0, P1"):
        assert word in document["messages"][0]["content"]
    assert explain["messages"][1]["content"] == "Creates a store of the account."
    assert find["messages"][1]["content"] == "CreateBucket"
    assert "creates a store of the account" in find["messages"][0]["content"]
    assert "CreateBucket" not in find["messages"][0]["content"]
    assert document["document"] == f"{1:032x}"
    assert (document["service"], document["operation"]) == ("S3", "CreateBucket")
    assert [message["role"] for message in document["messages"]] == ["user", "assistant"]


def test_wordings_of_the_seen_part_are_never_trained_on(make: Any) -> None:
    many = [operation(number, "S3", f"Op{number}", long("Creates", f"thing{number}")) for number in range(60)]
    made = make(*many, seen=20)
    assert len(of(made["seen"], "document")) == 20
    assert not {each["document"] for each in made["seen"]} - {each["document"] for each in made["train"]}
    for form, table in TABLES.items():
        used = {each["phrasing"] for each in of(made["train"], form)}
        assert used == set(range(len(table["trained"])))
    questions = {part: {each["messages"][0]["content"] for each in made[part]} for part in made}
    assert not questions["seen"] & questions["train"]
    assert not set(phrasings.OFF_TOPIC["trained"]) & set(phrasings.OFF_TOPIC["held out"])
    trained, held_out = (
        {each["messages"][0]["content"] for each in of(made[part], "other")} for part in ("train", "test")
    )
    assert trained
    assert held_out
    assert not trained & held_out


def test_off_topic_questions_are_answered_with_the_purpose(make: Any) -> None:
    made = make(operation(1, "S3", "CreateBucket", long("Creates", "store")))
    for each in of(made["train"], "other"):
        assert phrasings.PURPOSE in each["messages"][1]["content"]
        assert each["document"] is None
        assert each["messages"][0]["content"][0].isupper()


def test_a_question_with_two_right_answers_is_not_asked(make: Any) -> None:
    same = [operation(number, "S3", f"Op{number}", long("Creates", "thing")) for number in (1, 2)]
    elsewhere = operation(3, "EC2", "Op3", long("Creates", "thing"))
    assert [each["service"] for each in of(make(*same, elsewhere)["train"], "find")] == ["EC2"]


def test_hardly_described_operations_and_services_are_left_out(make: Any) -> None:
    service = Document(id="a", text=long("S3 is", "place"), source="s", licence="MIT", meta={"kind": "service"})
    made = make(service, operation(1, "S3", "Get", "Gets it."), operation(2, "S3", "Put", long("Puts", "thing")))
    assert {each["operation"] for each in made["train"]} == {"Put", ""}


def test_long_lists_of_parameters_are_cut_and_empty_ones_said(make: Any) -> None:
    made = make(
        operation(1, "S3", "Many", long("Creates", "store"), parameters=20),
        operation(2, "S3", "None", long("Deletes", "store"), parameters=0),
    )["train"]
    questions = {each["operation"]: each["messages"][0]["content"] for each in of(made, "document")}
    assert "P11 and 8 more" in questions["Many"]
    assert "P12" not in questions["Many"]
    assert "none" in questions["None"]


def test_equal_inputs_give_equal_bytes_and_the_seed_changes_wordings(make: Any, tmp_path: Path) -> None:
    many = [operation(number, "S3", f"Op{number}", long("Creates", f"thing{number}")) for number in range(20)]
    for place, seed in (("a", 0), ("b", 0), ("c", 1)):
        make(*many, place=place, seed=seed)
    a, b, c = (payload_bytes(tmp_path / place / "made") for place in "abc")
    assert a == b
    assert a != c
    assert a["train/ids.txt"].decode().split() == [document.id for document in many]
