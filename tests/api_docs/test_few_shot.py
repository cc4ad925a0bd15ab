"""An untuned model is shown answered questions: the same ones before each question, in its own chat's frame"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from evaluate.evaluated import items_of, make_conversations
from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from lmworks.errors import UsageError
from lmworks.evaluate.tasks.checked import ExactAnswerConfig, evaluate_exact_answer
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.files import digest_text
from lmworks.pipeline.stage import Result
from lmworks_api_docs.documentation import DocumentationConfig, evaluate_documentation
from lmworks_api_docs.reverse_question import ReverseQuestionConfig, evaluate_reverse_question
from support import make_context
from tiny import make_tiny_model

TRAIN = {"Glacier": ("ListVaults", "CreateVault", "StopVault"), "MQ": ("ListBrokers",)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return ModelFolder(make_tiny_model(tmp_path_factory.mktemp("model") / "m", context_length=512), "model")


def prompt_of(result: Result) -> str | None:
    assert result.figures[0].conditions
    return result.figures[0].conditions.prompt


def test_the_prompt_is_answered_questions_and_a_question_byte_for_byte(
    model: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put: list[str] = []
    generate = DecoderEngine.generate

    def heard(self: DecoderEngine, prompts: Any, sampling: Any) -> Any:
        put.extend(self.tokenizer.spell(prompt) for prompt in prompts)
        return generate(self, prompts, sampling)

    monkeypatch.setattr(DecoderEngine, "generate", heard)
    data, train = make_conversations(tmp_path / "data"), make_conversations(tmp_path / "train", TRAIN)
    config = DocumentationConfig(data="test", train="train", prompt="few-shot", shots=2, max_tokens=8)
    result = evaluate_documentation(config, model, data, train, out=tmp_path, context=make_context(tmp_path))
    engine, items = open_decoder(model.path), items_of(tmp_path)
    (order,) = {
        (first, second)
        for first in TRAIN["Glacier"] + TRAIN["MQ"]
        for second in TRAIN["Glacier"] + TRAIN["MQ"]
        if [_prompt(first, second, item["prompt"]) for item in items] == put
    }
    assert order[0] != order[1]
    for item in items:
        prompt = _prompt(*order, item["prompt"])
        turns = [turn for name in order for turn in _turns(name)]
        ids = engine.tokenizer.encode_chat([*turns, {"role": "user", "content": item["prompt"]}], True)[0]
        assert engine.tokenizer.spell(ids) == prompt
        (answer,) = engine.generate([ids], [Sampling(8)])
        assert item["answer"] == answer.text.strip()
    assert "7 of 7 questions, seed 0, 2-shot prompt, greedy answer" in result.figures[0].method


def _service(name: str) -> str:
    return next(service for service, names in TRAIN.items() if name in names)


def _turns(name: str) -> list[dict[str, str]]:
    verb = {"L": "lists", "C": "creates", "S": "stops"}[name[0]]
    return [
        {"role": "user", "content": f"Document {_service(name)} {name}."},
        {"role": "assistant", "content": f"{verb} the thing of {name}."},
    ]


def _prompt(first: str, second: str, question: str) -> str:
    shown = "".join(
        f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n"
        for name in (first, second)
        for turn in _turns(name)
    )
    return f"<|endoftext|>{shown}<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


def test_which_questions_are_shown_follows_from_the_seed(model: ModelFolder, tmp_path: Path) -> None:
    data, train = make_conversations(tmp_path / "data"), make_conversations(tmp_path / "train", TRAIN)
    digests = []
    for number, seed in enumerate((0, 0, 1, 2, 3, 4)):
        config = DocumentationConfig(
            data="test", train="train", prompt="few-shot", shots=1, max_tokens=1, seed=seed, limit=None
        )
        context = make_context(tmp_path / str(number))
        result = evaluate_documentation(config, model, data, train, out=tmp_path, context=context)
        digests.append(prompt_of(result))
    assert digests[0] == digests[1]
    assert len(set(digests)) > 1


def test_names_are_scored_behind_answered_questions(
    model: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[list[int]] = []
    score = DecoderEngine.score_choices

    def watching(self: DecoderEngine, prompt: list[int], choices: list[list[int]]) -> list[float]:
        scored.extend(choices)
        return score(self, prompt, choices)

    monkeypatch.setattr(DecoderEngine, "score_choices", watching)
    names = (
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
        "CopyAll",
        "GetAll",
    )
    data, train = make_conversations(tmp_path / "data", {"S3": names}), make_conversations(tmp_path / "train", TRAIN)
    config = ReverseQuestionConfig(data="test", train="train", prompt="few-shot", shots=4)
    evaluate_reverse_question(config, model, data, train, out=tmp_path, context=make_context(tmp_path))
    engine = open_decoder(model.path)
    assert {engine.tokenizer.spell(ids) for ids in scored} == {f"{name}<|im_end|>" for name in names}
    shown = [record for record in train.iterate() if record["form"] == "find"]  # all four: their order is the seed's
    ranked = sorted(shown, key=lambda record: digest_text(f"0 {record['id']}"))
    before = [turn for record in ranked for turn in record["messages"]]
    for item in items_of(tmp_path):
        scores = {}
        for name in names:
            chat = [*before, {"role": "user", "content": item["prompt"]}]
            prompt = engine.tokenizer.encode_chat(chat, True)[0]
            ids = engine.tokenizer.encode_chat([*chat, {"role": "assistant", "content": name}])[0]
            whole = ids[: len(prompt) + ids[len(prompt) :].index(engine.tokenizer.end_of_turn_id) + 1]
            scores[name] = sum(engine.log_likelihoods([whole], [len(prompt)])[0])
        assert item["answer"] == max(sorted(scores), key=scores.__getitem__)


def test_sums_are_asked_behind_sums(model: ModelFolder, tmp_path: Path) -> None:
    data, train = make_conversations(tmp_path / "data"), make_conversations(tmp_path / "train", TRAIN)
    methods, digests = [], set()
    for prompt in ("chat", "few-shot"):
        config = ExactAnswerConfig(data="test", train="train", prompt=prompt, limit=3, max_tokens=4)  # type: ignore[arg-type]
        result = evaluate_exact_answer(
            config, model, data, train, out=tmp_path, context=make_context(tmp_path / prompt)
        )
        methods.append(result.figures[0].method)
        digests.add(prompt_of(result))
    assert "greedy in a chat" in methods[0] and "greedy with a 5-shot prompt" in methods[1]
    assert len(digests) == 2


def test_more_shots_than_there_are_questions_are_refused(model: ModelFolder, tmp_path: Path) -> None:
    data, train = make_conversations(tmp_path / "data"), make_conversations(tmp_path / "train", TRAIN)
    config = DocumentationConfig(data="test", train="train", prompt="few-shot")
    with pytest.raises(UsageError, match=r"train: 'documentation' can show only 4 conversations .* `shots` is 5"):
        evaluate_documentation(config, model, data, train, out=tmp_path, context=make_context(tmp_path))


def test_shots_without_training_questions_are_refused() -> None:
    with pytest.raises(ValidationError, match="prompt few-shot shows answered questions of `train`"):
        DocumentationConfig(data="test", prompt="few-shot")
