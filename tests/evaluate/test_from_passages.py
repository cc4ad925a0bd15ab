"""Answers from passages: what is put before a model, what of an answer counts, and the best passage copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chat_families import write_family
from evaluate.evaluated import make_passages
from evaluate.test_generation import conversations
from lmworks.evaluate.tasks import from_passages
from lmworks.evaluate.tasks.from_passages import (
    FromPassagesConfig,
    evaluate_from_passages,
    evaluate_from_passages_copied,
    holds,
    word_f1,
)
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.work.chunks import read_records
from scripted import Script
from support import make_context

PAGES = ("The kettle boils a litre in three long minutes.", "A toaster is repaired within two years.")


def test_an_answer_holds_what_stands_in_it_as_words() -> None:
    assert holds("After two years, I think.", ["Two years"]) == 1
    assert holds("twenty two yearsome", ["two years"]) == holds("", ["two"]) == holds("two", [""]) == 0
    assert holds("an U.S. army", ["US"]) == 1 and holds("答えは東京です。", ["東京"]) == 1
    assert word_f1("two years", ["years two", "no"]) == 1 and word_f1("two", ["two years"]) == pytest.approx(2 / 3)
    assert word_f1("none", ["two"]) == word_f1("", ["two"]) == word_f1("", [""]) == 0


def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int = 4096, **fields: Any) -> tuple[Any, Script]:
    engine = Script(write_family(tmp_path / "zephyr", "zephyr"), "Within two years.", "No idea.")
    monkeypatch.setattr(from_passages, "open_engine", lambda *_: engine)
    engine.context_length = room
    data = conversations(tmp_path / "data", ("How long is a toaster repaired?", "two years"), ("A cup?", "blue"))
    config = FromPassagesConfig.model_validate({"data": "data", "passages": "pages", **fields})
    (tmp_path / "out").mkdir()
    given = ModelFolder(tmp_path / "zephyr", "m"), data, make_passages(tmp_path / "pages", *PAGES)
    result = evaluate_from_passages(config, *given, out=tmp_path / "out", context=make_context(tmp_path))
    return result, engine


def test_passages_stand_before_a_question_and_are_left_out_where_none_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, engine = asked(tmp_path, monkeypatch)
    assert f"> {PAGES[1]}" in engine.asked[0] and "[1]" not in engine.asked[1] and "A cup?" in engine.asked[1]
    assert [figure.name for figure in result.figures] == ["holds_answer", "word_f1", "truncated_answers"]
    assert result.figures[0].value == 0.5
    items = read_records(tmp_path / "out" / "items.jsonl")
    assert [item["prompt"] for item in items] == ["How long is a toaster repaired?", "A cup?"]


def test_without_passages_the_same_items_are_asked_bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(tmp_path / "with", monkeypatch)
    _, engine = asked(tmp_path / "without", monkeypatch, prompt="without-passages")
    assert not any(page in text for text in engine.asked for page in PAGES)
    ours, theirs = (read_records(tmp_path / name / "out" / "items.jsonl") for name in ("with", "without"))
    assert [item["digest"] for item in ours] == [item["digest"] for item in theirs]


def test_passages_without_room_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = asked(tmp_path / "whole", monkeypatch)
    assert all(f"> {page}" in whole.asked[0] for page in PAGES)
    most = len(whole.tokenizer.encode(whole.asked[0]))
    _, engine = asked(tmp_path / "less", monkeypatch, room=most)
    assert f"> {PAGES[1]}" in engine.asked[0] and PAGES[0] not in engine.asked[0]


def test_the_best_passage_is_what_a_search_alone_tells(tmp_path: Path) -> None:
    data = conversations(tmp_path / "data", ("How long is a toaster repaired?", "two years"), ("A cup?", "blue"))
    config = FromPassagesConfig.model_validate({"data": "data", "passages": "pages"})
    (tmp_path / "out").mkdir()
    pages = make_passages(tmp_path / "pages", *PAGES)
    result = evaluate_from_passages_copied(
        config, data, pages, out=tmp_path / "out", context=make_context(tmp_path / "w")
    )
    assert [item["answer"] for item in read_records(tmp_path / "out" / "items.jsonl")] == [PAGES[1], ""]
    assert result.figures[0].value == 0.5 and 0 < result.figures[1].value < 0.5
