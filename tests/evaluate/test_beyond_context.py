"""What a model cannot read costs the item that it belongs to, and no more; it is counted where the figure is told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from evaluate.evaluated import items_of, make_conversations, make_rows
from lmworks.data.shards.records import write_json_lines
from lmworks.data.tuning.conversations import Conversations
from lmworks.errors import BeyondContext
from lmworks.evaluate.compare import CompareConfig, compare
from lmworks.evaluate.items import Evaluation
from lmworks.evaluate.tasks import TASKS
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.files import digest_file
from lmworks.pipeline.stage import Handle, Result
from support import MemoryJournal, make_context
from tiny import make_tiny_model

LONG = "Which of all of them creates the thing? " * 30
TASK_FIELDS: dict[str, dict[str, Any]] = {
    "exact-answer": {"max_tokens": 2},
    "rules": {"max_tokens": 2, "rules": [{"kind": "length", "most": 5}]},
    "text-to-text": {"max_tokens": 2},
    "documentation": {"max_tokens": 2, "prompt": "document"},
    "reverse-question": {"prompt": "chat", "limit": None},
    "last-word": {},
    "multiple-choice": {},
}


def questions(folder: Path, lengthened: Collection[str] | None, task: str = "exact-answer") -> Conversations:
    data = make_conversations(folder)
    records = list(data.iterate())
    for record in records:
        if lengthened is None or record["id"] in lengthened:
            record["messages"][0]["content"] = LONG
            record["operation"] += LONG if task == "documentation" else ""
    write_json_lines(folder / "conversations.jsonl", records)
    return data


def scored(task: str, model: ModelFolder, data: Handle, out: Path) -> Result:
    out.mkdir()
    config = TASKS.require(task).config.model_validate({"kind": task, "data": "d", **TASK_FIELDS[task]})
    more = {"train": None} if "train" in TASKS.require(task).stage.inputs else {}
    return TASKS.require(task).stage(config, model=model, data=data, **more, out=out, context=make_context(out))


def rows(task: str, long: str) -> list[dict[str, Any]]:
    if task == "last-word":
        return [{"context": f"{long * (n == 1)}It is day {n} of the", "continuation": "week"} for n in range(5)]
    return [{"query": f"{long * (n == 1)}Day {n}?", "choices": ["dry", "wet"], "gold": n % 2} for n in range(5)]


@pytest.mark.parametrize("task", TASK_FIELDS)
def test_one_text_too_long_costs_its_item_and_is_counted(task: str, model: ModelFolder, tmp_path: Path) -> None:
    if task in ("last-word", "multiple-choice"):
        data: Handle = make_rows(tmp_path / "data", rows(task, LONG))
        whole: Handle = make_rows(tmp_path / "whole", rows(task, ""))
    else:
        data = questions(tmp_path / "data", ("document-CreateBucket", "find-CreateBucket"), task)
        whole = questions(tmp_path / "whole", ())
    result, before = (scored(task, model, each, tmp_path / name) for each, name in ((data, "a"), (whole, "b")))
    items, others = (items_of(tmp_path / name) for name in "ab")
    lost = len(others) - len(items)
    assert lost in (1, 2) and {item["id"] for item in items} < {item["id"] for item in others}
    assert result.counts["items longer than the context"] == lost
    assert "items longer than the context" in result.losses and not before.losses
    for figure, other in zip(result.figures, before.figures, strict=True):
        assert f"{lost} of {len(others)} items longer than the context are left out" in figure.method
        assert figure.n == len(items) and "left out" not in other.method
    kept = {item["id"]: item["answer"] for item in items}
    assert kept == {item["id"]: item["answer"] for item in others if item["id"] in kept}, "others are asked as before"


def test_where_nothing_can_be_read_that_is_said(model: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(BeyondContext, match=r"the prompt has .* tokens; a context of 128 takes from 1 to 127"):
        scored("exact-answer", model, questions(tmp_path / "data", None), tmp_path / "out")


def test_a_stop_and_going_on_lose_the_same(model: ModelFolder, tmp_path: Path) -> None:
    data, context = questions(tmp_path / "data", ["find-CreateBucket"]), make_context(tmp_path)
    task = TASKS.require("exact-answer")
    config = task.config.model_validate({"kind": "exact-answer", "data": "d", "max_tokens": 2})
    first, second = (
        task.stage(config, model=model, data=data, train=None, out=tmp_path, context=context) for _ in range(2)
    )
    assert first.counts == second.counts and first.figures == second.figures


def test_what_an_older_version_left_half_finished_is_made_again_and_that_is_said(
    model: ModelFolder, tmp_path: Path
) -> None:
    data, journal, said = questions(tmp_path / "data", ()), MemoryJournal(), list[str]()
    context = dataclasses.replace(make_context(tmp_path, journal), log=said.append)
    task = TASKS.require("exact-answer")
    config = task.config.model_validate({"kind": "exact-answer", "data": "d", "max_tokens": 2})

    def result() -> Result:
        return task.stage(config, model=model, data=data, train=None, out=tmp_path, context=context)

    whole = result()
    (path,) = {context.scratch / each["file"] for each in journal.lines}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({k: v for k, v in each.items() if k != "unit"}) + "\n" for each in lines))
    journal.lines = [{"chunk": 0, "file": path.name, "sha256": digest_file(path)}]  # as it was before items had units
    assert result() == whole
    assert said == ["1 chunks were left by another version of lmworks, and are made again"]
    assert result() == whole and "goes on after 1 of 1 chunks" in said


def test_models_of_other_contexts_are_compared_on_what_both_could_read(tmp_path: Path) -> None:
    records = [
        {"query": f"{'Was it wet? ' * (n == 1) * 10}Day {n}?", "choices": ["no", "yes"], "gold": 0} for n in range(9)
    ]
    data = make_rows(tmp_path / "data", records)
    for name, length in (("all", 256), ("some", 64)):
        model = ModelFolder(make_tiny_model(tmp_path / f"model-{name}", context_length=length), name)
        result = scored("multiple-choice", model, data, tmp_path / name)
        figures = [figure.as_json() for figure in result.figures]
        (tmp_path / name / "figures.json").write_text(json.dumps(figures))
    made = [Evaluation(tmp_path / name, name) for name in ("all", "some")]
    config = CompareConfig(evaluations=["all", "some"], labels=["all", "some"])
    compare(config, made, out=tmp_path, context=make_context(tmp_path))
    record = json.loads((tmp_path / "comparison.json").read_text())
    (pair,) = record["pairs"]
    assert pair["n"] == 8 and not record["refused"]
    (line,) = [each for each in record["verdicts"] if "are compared on" in each]
    assert "are compared on 8 items: " in line and "1 more were scored of all alone" in line.replace(
        ", 1 of", " 1 more were scored of"
    )
