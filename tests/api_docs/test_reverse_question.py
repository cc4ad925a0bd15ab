"""The likeliest name is taken, among the names of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evaluate.evaluated import OPERATIONS, action, items_of, make_conversations
from lmworks.data.tuning.conversations import Conversations
from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.open import open_decoder
from lmworks.errors import UsageError
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Result
from lmworks_api_docs.reverse_question import (
    ReverseQuestionConfig,
    evaluate_reverse_question,
    evaluate_reverse_question_nearest,
)
from support import make_context


def run(
    model: ModelFolder, data: Conversations, out: Path, train: Conversations | None = None, **config: object
) -> Result:
    out.mkdir(exist_ok=True)
    made = ReverseQuestionConfig(data="test", **config)  # type: ignore[arg-type]
    return evaluate_reverse_question(made, model, data, train, out=out, context=make_context(out / "work"))


NAMES = (
    "Add",
    "Get",
    "Put",
    "Tag",
    "Move",
    "AddKey",
    "GetKey",
    "PutKey",
    "Verify",
    "MoveKeys",
    "CopyObjectToAnyBucket",
)
"""Names so alike that the end of an answer decides, and one that only a score per byte favours."""


def by_hand(engine: DecoderEngine, record: dict[str, Any], prompt: str, per_byte: bool) -> str:
    """The likeliest name of the question's service, from whole sequences encoded at once."""
    scores = {}
    for name in NAMES:
        if prompt == "chat":
            answered = [record["messages"][0], {"role": "assistant", "content": name}]
            ids, trained = engine.tokenizer.encode_chat(answered)
            first = trained.index(True)
            ids = ids[: len(ids) - trained[::-1].index(True)]
        else:
            title = f"{record['service']} {name}\n\n"
            ids = [0, *engine.tokenizer.encode(f"{title}{action(record['operation'])}.")]
            first = 1 + len(engine.tokenizer.encode(title))
        (found,) = engine.log_likelihoods([ids], [first])
        scores[name] = sum(found) / (len(name) if per_byte and prompt == "chat" else 1)
    return max(sorted(scores), key=scores.__getitem__)


@pytest.mark.parametrize(("prompt", "score"), [("chat", "sum"), ("chat", "per-byte"), ("document", "sum")])
def test_the_likeliest_name_is_the_answer(model: ModelFolder, tmp_path: Path, prompt: str, score: str) -> None:
    conversations = make_conversations(tmp_path / "questions", {"S3": NAMES})
    result = run(model, conversations, tmp_path / "out", prompt=prompt, score=score)
    engine = open_decoder(model.path)
    asked = {record["id"]: record for record in conversations.iterate() if record["form"] == "find"}
    items = items_of(tmp_path / "out")
    for item in items:
        record = asked[item["id"]]
        assert item["answer"] == by_hand(engine, record, prompt, score == "per-byte")
        assert item["score"] == (item["answer"] == record["operation"])
        other = by_hand(engine, record, prompt, score != "per-byte")
        key = "correct by sum" if score == "per-byte" else "correct by per-byte"
        assert item[key] == (other == record["operation"])
    headline, beside = result.figures
    assert headline.value == pytest.approx(sum(item["score"] for item in items) / len(NAMES))
    assert headline.interval is None, "one service tells nothing of others"
    assert beside.name == ("accuracy_by_sum" if score == "per-byte" else "accuracy_by_per-byte")
    assert headline.conditions
    assert (headline.conditions.context_length, headline.conditions.data_type) == (128, "float32")


@pytest.mark.parametrize("prompt", ["chat", "document"])
def test_items_keep_what_speaks_for_every_name(model: ModelFolder, tmp_path: Path, prompt: str) -> None:
    run(model, make_conversations(tmp_path / "questions", {"S3": NAMES}), tmp_path / "out", prompt=prompt)
    engine = open_decoder(model.path)
    for item in items_of(tmp_path / "out"):
        scores = {each["text"]: each["log_likelihood"] for each in item["choices"]}
        assert scores.keys() == set(NAMES) and item["answer"] == max(sorted(scores), key=scores.__getitem__)
        asked = engine.tokenizer.render_chat([{"role": "user", "content": item["prompt"]}], True)
        assert item.get("put") == (asked if prompt == "chat" else None), "a title is scored for itself"


def test_services_with_one_operation_are_not_asked_about(
    model: ModelFolder, conversations: Conversations, tmp_path: Path
) -> None:
    headline, _ = run(model, conversations, tmp_path / "out").figures
    assert headline.n == 6 and "6 of 6 questions" in headline.method
    assert headline.chance == pytest.approx((4 / 4 + 2 / 2) / 6)
    with pytest.raises(UsageError, match="no conversation fits the task 'reverse-question'"):
        run(model, make_conversations(tmp_path / "solo", {"Solo": ("DescribeNothing",)}), tmp_path / "out")


def test_names_seen_in_training_are_candidates_too(
    model: ModelFolder, conversations: Conversations, tmp_path: Path
) -> None:
    train = make_conversations(tmp_path / "train", {"SQS": ("PurgeQueue", "ListQueues"), "Solo": ("StopNothing",)})
    headline, _ = run(model, conversations, tmp_path / "out", train).figures
    assert headline.n == 7
    assert headline.chance == pytest.approx((4 / 4 + 2 / 3 + 1 / 2) / 7)


def test_many_names_are_cut_to_the_right_one_and_a_few_others(
    model: ModelFolder, conversations: Conversations, tmp_path: Path
) -> None:
    headline, _ = run(model, conversations, tmp_path / "out", candidates=2).figures
    assert headline.chance == 0.5
    assert "at most 2 operations" in headline.method
    config = ReverseQuestionConfig(data="test", candidates=2)
    evaluate_reverse_question_nearest(config, conversations, None, out=tmp_path, context=make_context(tmp_path))
    ours, theirs = items_of(tmp_path / "out"), items_of(tmp_path)
    assert [(item["id"], item["candidates"]) for item in ours] == [(item["id"], item["candidates"]) for item in theirs]


def test_the_name_that_shares_most_words_is_the_baselines_answer(conversations: Conversations, tmp_path: Path) -> None:
    config = ReverseQuestionConfig(data="test")
    (figure,) = evaluate_reverse_question_nearest(
        config, conversations, None, out=tmp_path, context=make_context(tmp_path)
    ).figures
    answers = {item["id"]: item["answer"] for item in items_of(tmp_path)}
    assert answers["find-CreateQueue"] == "CreateQueue"
    assert answers["find-GetBucketPolicy"] == "GetBucketPolicy"
    assert figure.value == pytest.approx(
        sum(answers[f"find-{name}"] == name for name in [*OPERATIONS["S3"], *OPERATIONS["SQS"]]) / 6
    )


def test_scoring_titles_needs_the_sentences(model: ModelFolder, conversations: Conversations, tmp_path: Path) -> None:
    lines = (conversations.path / "conversations.jsonl").read_text().splitlines(keepends=True)
    (conversations.path / "conversations.jsonl").write_text("".join(line for line in lines if '"explain"' not in line))
    with pytest.raises(UsageError, match=r"6 questions, such as find-.* use `prompt: chat`"):
        run(model, conversations, tmp_path / "out", prompt="document")
