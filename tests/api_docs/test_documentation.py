"""Written documentation is scored as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluate.evaluated import OPERATIONS, items_of, make_conversations
from lmworks.data.tuning.conversations import Conversations
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from lmworks.errors import UsageError
from lmworks.evaluate.metrics import rouge_l, words_of
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Result
from lmworks_api_docs.documentation import (
    DocumentationConfig,
    evaluate_documentation,
    evaluate_documentation_nearest,
)
from support import make_context


def run(
    model: ModelFolder, data: Conversations, out: Path, train: Conversations | None = None, **config: object
) -> Result:
    out.mkdir(exist_ok=True)
    made = DocumentationConfig(data="test", max_tokens=12, **config)  # type: ignore[arg-type]
    return evaluate_documentation(made, model, data, train, out=out, context=make_context(out / "work"))


@pytest.mark.parametrize("prompt", ["chat", "document"])
def test_the_models_own_greedy_answers_are_scored(
    model: ModelFolder, conversations: Conversations, tmp_path: Path, prompt: str
) -> None:
    result = run(model, conversations, tmp_path / "out", conversations, prompt=prompt)
    engine = open_decoder(model.path)
    asked = {record["id"]: record for record in conversations.iterate() if record["form"] == "document"}
    items = items_of(tmp_path / "out")
    assert {item["id"] for item in items} == asked.keys()
    for item in items:
        record = asked[item["id"]]
        if prompt == "chat":
            ids, stop = engine.tokenizer.encode_chat(record["messages"][:1], True)[0], ()
        else:
            ids, stop = [0, *engine.tokenizer.encode(f"{record['service']} {record['operation']}\n\n")], ("\n",)
        (answer,) = engine.generate([ids], Sampling(12, stop=stop))
        assert item["answer"] == answer.text and item["put"] == engine.tokenizer.spell(ids)
        assert item["score"] == rouge_l(record["messages"][1]["content"], answer.text)
        assert (item["truncated"], item["empty"]) == (answer.finish_reason == "length", not answer.text.strip())
        assert (item["prompt"], item["cluster"]) == (record["messages"][0]["content"], record["service"])
    score, empty, truncated, length = result.figures
    words, wanted = ([len(words_of(item[side])) for item in items] for side in ("answer", "reference"))
    assert length.value == pytest.approx(sum(words) / sum(wanted))
    assert score.value == pytest.approx(sum(item["score"] for item in items) / 7)
    assert truncated.value == pytest.approx(sum(item["truncated"] for item in items) / 7)
    assert empty.name == "empty_answers"
    for figure in result.figures:
        assert (figure.n, *read(figure)) == (7, 128, "float32", "cpu")
        assert f"7 of 7 questions, seed 0, {prompt} prompt, greedy answer of at most 12 tokens" in figure.method


def read(figure: Figure) -> tuple[int | None, str | None, str | None]:
    assert figure.conditions
    return figure.conditions.context_length, figure.conditions.data_type, figure.conditions.device


def test_prompts_of_other_forms_and_other_items_are_other_conditions(
    model: ModelFolder, conversations: Conversations, tmp_path: Path
) -> None:
    found = [
        run(model, conversations, tmp_path / name, prompt=prompt, limit=limit).figures[0].conditions
        for name, prompt, limit in (("a", "chat", 3), ("b", "chat", 3), ("c", "document", 3), ("d", "chat", 4))
    ]
    assert found[0] == found[1]
    assert len({each and each.prompt for each in found}) == 2 and len({each and each.items for each in found}) == 2


def test_a_larger_sample_holds_the_smaller_one(
    model: ModelFolder, conversations: Conversations, tmp_path: Path
) -> None:
    samples = {}
    for limit, seed in ((3, 0), (5, 0), (3, 1)):
        run(model, conversations, tmp_path / f"{limit}{seed}", limit=limit, seed=seed)
        samples[limit, seed] = [item["id"] for item in items_of(tmp_path / f"{limit}{seed}")]
    assert set(samples[3, 0]) < set(samples[5, 0]) and len(samples[3, 0]) == 3
    assert samples[3, 0] == sorted(samples[3, 0])
    assert samples[3, 1] != samples[3, 0]


def test_the_nearest_operations_answer_is_copied(conversations: Conversations, tmp_path: Path) -> None:
    train = make_conversations(tmp_path / "train", {"Glacier": ("ListVaults", "CreateBucket"), "MQ": ("ListQueues",)})
    config = DocumentationConfig(data="test", train="train", limit=None)
    result = evaluate_documentation_nearest(config, conversations, train, out=tmp_path, context=make_context(tmp_path))
    items = {item["id"]: item for item in items_of(tmp_path)}
    assert items["document-CreateBucket"]["copied_from"] == "document-CreateBucket"
    assert items["document-ListQueues"]["answer"] == "lists the thing of ListQueues."
    assert items["document-ListBuckets"]["answer"] in {
        record["messages"][1]["content"] for record in train.iterate() if record["form"] == "document"
    }
    assert len(items) == sum(map(len, OPERATIONS.values()))
    assert read(result.figures[0]) == (None, None, None)


def test_data_without_such_questions_is_refused(model: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="test: no conversation fits the task 'documentation'"):
        run(model, make_conversations(tmp_path / "none", {}), tmp_path / "out")
