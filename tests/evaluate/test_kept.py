"""What a base can do, and whether tuning has cost it: last words, choices, and what the comparison says first."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from evaluated import items_of, make_documents, make_rows
from tokenizers import Tokenizer, pre_tokenizers

from lmworks.data.shards.records import Documents, write_shard
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from lmworks.errors import UsageError
from lmworks.evaluate.choices import parted
from lmworks.evaluate.contamination import NOT_SEARCHED
from lmworks.evaluate.tasks.choices import MultipleChoiceConfig, choices_of, evaluate_multiple_choice
from lmworks.evaluate.tasks.last_word import LastWordConfig, evaluate_last_word
from lmworks.model.folder import ModelFolder
from support import make_context
from tiny import TEXT

QUESTIONS = (
    ("Question: What is a bucket?", ["a list of tags", "a new", "the role that may read them, and more"]),
    ("Question: Who may read?", ["the role", "a resource", "naïve", "the tags of a resource"]),
    ("Lists", ["the monitors", "the"]),
)


def records(folder: Path, *found: Any) -> Documents:
    return make_rows(folder, list(found))


def test_a_last_word_is_right_when_the_model_writes_it_and_no_other(model: ModelFolder, tmp_path: Path) -> None:
    engine = open_decoder(model.path)
    asked: list[tuple[str, str, bool]] = []
    for passage in (text[:length] for text in TEXT for length in range(8, 90)):
        prompt = [0, *engine.tokenizer.encode(passage)]
        for length in (1, 2):  # words of one token, and of two
            (given,) = engine.generate([prompt], [Sampling(length)])
            word = given.text[1:]
            is_word = word and given.text == f" {word.strip()}" and passage.strip() == passage
            if is_word and engine.tokenizer.encode(given.text) == given.ids:
                asked += [(passage, word, True), (passage, f"{word}s", False), (passage, word[:-1] + "q", False)]
    assert len({len(engine.tokenizer.encode(f" {word}")) for _, word, right in asked if right}) > 1
    told = ({"context": f"{passage} ", "continuation": word} for passage, word, _ in asked)
    data = records(tmp_path / "data", *told)
    (tmp_path / "out").mkdir()
    config = LastWordConfig(data="lambada", limit=None)
    result = evaluate_last_word(config, model, data, out=tmp_path / "out", context=make_context(tmp_path))
    items = items_of(tmp_path / "out")
    assert [(item["prompt"], item["reference"], bool(item["score"])) for item in items] == asked
    figure, _ = result.figures
    assert figure.value == pytest.approx(1 / 3)
    assert figure.conditions and (figure.n, figure.conditions.context_length) == (len(asked), 128)
    assert f"{len(asked)} of {len(asked)} questions, seed 0" in figure.method
    assert figure.contamination == NOT_SEARCHED


@pytest.mark.parametrize("score", ["sum", "per-byte"])
def test_the_likeliest_choice_is_the_answer(model: ModelFolder, tmp_path: Path, score: str) -> None:
    engine = open_decoder(model.path)
    data = records(
        tmp_path / "data", *({"query": query, "choices": choices, "gold": 1} for query, choices in QUESTIONS)
    )
    (tmp_path / "out").mkdir()
    config = MultipleChoiceConfig(data="arc", score=score)  # type: ignore[arg-type]
    result = evaluate_multiple_choice(config, model, data, None, out=tmp_path / "out", context=make_context(tmp_path))
    right = {"sum": 0, "per-byte": 0}
    for item, (query, choices) in zip(items_of(tmp_path / "out"), QUESTIONS, strict=True):
        sums = []
        for choice in choices:
            prompt, whole = (engine.tokenizer.encode(f"{query}\nAnswer:{end}") for end in ("", f" {choice}"))
            (found,) = engine.log_likelihoods([[0, *whole]], [1 + len(prompt)])
            sums.append(math.fsum(found))
        best = {
            "sum": max(range(len(choices)), key=lambda place: sums[place]),
            "per-byte": max(range(len(choices)), key=lambda place: sums[place] / len(choices[place].encode())),
        }
        assert item["answer"] == choices[best[score]]
        assert (item["prompt"], item["reference"]) == (f"{query}\nAnswer:", choices[1])
        right = {by: right[by] + (place == 1) for by, place in best.items()}
    headline, beside, *_ = result.figures
    other = "per-byte" if score == "sum" else "sum"
    assert (headline.value, beside.value) == (right[score] / 3, right[other] / 3)
    assert beside.name == f"accuracy_by_{other}"
    assert headline.chance == pytest.approx((1 / 3 + 1 / 4 + 1 / 2) / 3)


def test_questions_of_other_layouts_are_asked_too(model: ModelFolder, tmp_path: Path) -> None:
    query, choices = QUESTIONS[0]
    labels = ["A", "B", "C"]
    rows = [
        {"question": query, "choices": choices, "answer": 1, "subject": "storage"},
        {"id": "1", "question": query, "choices": {"text": choices, "label": labels}, "answerKey": "B"},
        {"question": query, "A": choices[0], "B": choices[1], "C": choices[2], "D": "d", "answer": "B"},
        {"ctx": query, "endings": choices, "label": "-1"},
    ]
    told: list[str] = []
    context = dataclasses.replace(make_context(tmp_path), log=told.append)
    found = choices_of(records(tmp_path / "data", *rows), context)
    assert [(each["query"], list(each["choices"])[:3], each["gold"]) for each in found] == [(query, choices, 1)] * 3
    assert told == ["1 of 4 questions are left out, without a label: it was published without one"]


@pytest.mark.parametrize(
    "row",
    [
        {"query": "What?", "choices": ["a", " "], "gold": 0},
        {"question": "What?", "choices": ["a", ""], "answer": 0, "subject": "storage"},
        {"id": "1", "question": "What?", "choices": {"text": ["a", ""], "label": ["A", "B"]}, "answerKey": "A"},
        {"question": "What?", "A": "a", "B": "", "C": "c", "D": "d", "answer": "A"},
        {"ctx": "What", "endings": ["a", ""], "label": "0"},
        {"goal": "What?", "sol1": "a", "sol2": "", "label": 0},
        {"sentence": "What _ is.", "option1": "a", "option2": "", "answer": "1"},
    ],
)
def test_an_empty_choice_is_refused_with_its_record(row: dict[str, Any], tmp_path: Path) -> None:
    data = records(tmp_path / "data", row)
    (document,) = data.iterate()
    told = dataclasses.replace(document, meta={**document.meta, "path": "test.jsonl", "record": 7})
    write_shard(data.path / "part-00000.parquet", [told])
    with pytest.raises(UsageError, match=r"test.jsonl, record 7 \(document 00\): no choices: found"):
        choices_of(data, make_context(tmp_path))


def test_a_text_is_no_question_with_choices(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"document 00 is not a question with choices.*query-choices, mmlu, .*arc"):
        choices_of(make_documents(tmp_path / "data", ["a plain text"]), make_context(tmp_path))


def test_tokens_that_span_question_and_choice_are_scored_whole(model: ModelFolder, tmp_path: Path) -> None:
    """A tokenizer that does not part words makes one token of the end of a question and the beginning of a choice."""
    folder = tmp_path / "spanning"
    shutil.copytree(model.path, folder)
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    told = json.loads(backend.to_str())
    told["model"]["merges"].insert(0, [":", "Ġ"])
    vocab = told["model"]["vocab"]
    vocab[":Ġ"] = vocab.pop(max(vocab, key=vocab.__getitem__))  # the last, of which no other is made
    told["model"]["merges"] = [pair for pair in told["model"]["merges"] if "".join(pair) in vocab]
    (folder / "tokenizer.json").write_text(json.dumps(told))
    engine = open_decoder(folder)
    asked, choices = "What?\nAnswer:", ["a new bucket", "naïve", "role"]
    whole = [[0, *engine.tokenizer.encode(f"{asked} {choice}")] for choice in choices]
    prompt, behind, meets = parted(engine.tokenizer, [0], asked, [f" {choice}" for choice in choices])
    assert meets == "spanned"
    assert [[*prompt, *ids] for ids in behind] == whole and len(prompt) < len(engine.tokenizer.encode(asked)) + 1
    data = records(tmp_path / "data", {"query": "What?", "choices": choices, "gold": 0})
    (tmp_path / "out").mkdir()
    spanning = ModelFolder(folder, "spanning")
    config = MultipleChoiceConfig(data="arc")
    evaluate_multiple_choice(config, spanning, data, None, out=tmp_path / "out", context=make_context(tmp_path))
    (item,) = items_of(tmp_path / "out")
    sums = [math.fsum(scores) for scores in engine.log_likelihoods(whole, [1] * len(whole))]
    assert item["answer"] == choices[sums.index(max(sums))]


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ("a plain text", r"document 00 has None as 'context'; expected str.*the record has.*text.*`fields: all`"),
        (
            {"context": "a"},
            r"document 00 has None as 'continuation'; expected str. The task reads context, continuation",
        ),
    ],
)
def test_what_is_no_passage_is_named(model: ModelFolder, tmp_path: Path, record: Any, fault: str) -> None:
    folder = tmp_path / "data"
    data = make_documents(folder, [record]) if isinstance(record, str) else records(folder, record)
    with pytest.raises(UsageError, match=fault):
        evaluate_last_word(LastWordConfig(data="lambada"), model, data, out=tmp_path, context=make_context(tmp_path))


@pytest.mark.parametrize(("choices", "gold"), [(["a", "b"], 2), (["a", ""], 0)])
def test_a_question_without_a_right_answer_is_named(
    model: ModelFolder, tmp_path: Path, choices: list[str], gold: int
) -> None:
    data = records(tmp_path / "data", {"query": "Q", "choices": choices, "gold": gold})
    with pytest.raises(UsageError, match=r"document 00: no (right choice: 2 of 2|choices)"):
        evaluate_multiple_choice(
            MultipleChoiceConfig(data="arc"), model, data, None, out=tmp_path, context=make_context(tmp_path)
        )
