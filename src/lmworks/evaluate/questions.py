"""Questions drawn from conversations, and how they are put before a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pydantic import Field, model_validator

from lmworks.data.forms.turns import behind_thoughts
from lmworks.data.tuning.conversations import Conversations, last_answer, question_of, turns_before
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from lmworks.errors import UsageError
from lmworks.evaluate.items import Item, TaskConfig, digest_of, measured_by, said_by, thoughts_in
from lmworks.evaluate.scoring import Scoring
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.files import digest_text

if TYPE_CHECKING:
    from lmworks.tokens.tokenizer import Tokenizer

Question = Mapping[str, Any]
"""A line of `conversations.jsonl`."""


class DrawnConfig(TaskConfig):
    """What tasks on a sample of the data are asked."""

    kind: str
    limit: int | None = Field(200, ge=1, description="Questions drawn; 200 tell 0.04 from nothing in most cases.")
    seed: int = Field(0, description="Draws the questions, the same for all models.")


class QuestionsConfig(DrawnConfig):
    """What tasks on conversations are asked."""

    prompt: str = Field("chat", description="How the question is put; each task says which ways it has.")
    shots: int = Field(
        5, ge=1, description="Answered questions before a `few-shot` one: the usual number, which small models bear."
    )

    @model_validator(mode="after")
    def _shots_come_from_train(self) -> Self:
        if self.prompt == "few-shot" and not self.train:
            raise ValueError("prompt few-shot shows answered questions of `train`: name the training conversations")
        return self

    @property
    def prompt_name(self) -> str:
        """What tells a model asked so from the same model asked otherwise."""
        return f"{self.shots}-shot" if self.prompt == "few-shot" else self.prompt


class Prompt(NamedTuple):
    """What a model continues."""

    ids: list[int]
    text: str


def draw(questions: Sequence[Question], config: DrawnConfig) -> tuple[list[Question], str]:
    """The questions to be asked, in their order, and how they were drawn, in words.

    They are drawn by a hash of their ids, so that a larger sample holds the smaller one.
    """
    if not questions:
        raise UsageError(f"{config.data}: no conversation that the task {config.kind!r} could ask")
    chosen = {record["id"] for record in _ranked(questions, config)[: config.limit]}
    how = f"{len(chosen)} of {len(questions)} questions, seed {config.seed}"
    return [record for record in questions if record["id"] in chosen], how


def shots(config: QuestionsConfig, train: Conversations | None, form: str | None = None) -> list[dict[str, str]]:
    """The turns that stand before each question: training questions of a form with their answers, drawn likewise.

    None unless the prompt is `few-shot`.
    """
    if config.prompt != "few-shot" or train is None:
        return []
    known = [record for record in train.iterate() if form in (None, record["form"])]
    if len(known) < config.shots:
        raise UsageError(
            f"{config.train}: {len(known)} conversations that {config.kind!r} could show before a question; `shots` "
            f"asks for {config.shots}: lower it, or name more conversations in `train`"
        )
    return [turn for record in _ranked(known, config)[: config.shots] for turn in _exchange(record)]


def _exchange(record: Question) -> list[dict[str, str]]:
    """The last question of a conversation with its answer."""
    return [{"role": "user", "content": question_of(record)}, {"role": "assistant", "content": last_answer(record)}]


def _ranked(questions: Sequence[Question], config: DrawnConfig) -> list[Question]:
    return sorted(questions, key=lambda record: digest_text(f"{config.seed} {record['id']}"))


def chat_prompt(question: Question, tokenizer: Tokenizer, before: Sequence[Mapping[str, str]] = ()) -> Prompt:
    """The chat up to where its last answer begins; what a system turn says stands before all."""
    turns = turns_before(question)
    first = [turn for turn in turns if turn["role"] == "system"] if before else []
    asked = [*first, *before, *[turn for turn in turns if turn not in first]]
    return Prompt(tokenizer.encode_chat(asked, True)[0], tokenizer.render_chat(asked, True))


def ask(
    config: QuestionsConfig,
    model: ModelFolder,
    questions: Sequence[Question],
    prompt: Callable[[Question, Tokenizer], Prompt],
    sampling: Sampling,
    at_once: int,
    scoring: Scoring,
    before: Sequence[Mapping[str, str]] = (),
) -> tuple[list[tuple[Question, Item]], Conditions]:
    """What a model says: of each question the `answer`, and whether it was cut, `truncated`; what figures hold under.

    A kill costs the answers to `at_once` questions. Those that the model cannot read are left out, and counted.
    """
    engine = open_decoder(model.path, config.data_type, config.device)
    asked = [prompt(question, engine.tokenizer) for question in questions]

    def answer(some: Sequence[tuple[Question, Prompt]]) -> list[Item]:
        found = engine.generate([prompt.ids for _, prompt in some], sampling)
        return [said_by(each) for each in found]

    items = scoring.in_chunks(list(zip(questions, asked, strict=True)), at_once, answer)
    known = measured_by(engine, model, **how_asked(config, before), decoding=decoding_of(sampling))
    return list(zip(scoring.answered(questions), items, strict=True)), known


def how_asked(config: QuestionsConfig, before: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """Of the conditions, how questions are put; `before` are the turns that stand before each."""
    return {
        "prompt": f"{config.prompt_name} {digest_of(before)[:12]}" if before else config.prompt_name,
        "shots": len(before) // 2,
    }


def decoding_of(sampling: Sampling) -> str:
    """How answers are found, in words."""
    beams = f"{sampling.beams} beams" if (sampling.beams or 1) > 1 else "greedy"
    stops = f", up to {' or '.join(map(repr, sampling.stop))}" if sampling.stop else ""
    return f"{beams}, at most {sampling.max_tokens} tokens{stops}"


def answered(question: Question, answer: str, score: float, said: Item | None = None) -> Item:
    """The item of an answer, as it was `said`; all tasks on questions have these fields."""
    return {
        "id": question["id"],
        "digest": digest_of(turns_before(question), last_answer(question)),
        "cluster": question.get("service") or question["id"],  # only some data are about services
        "prompt": question_of(question),
        "answer": answer,
        "reference": behind_thoughts(last_answer(question)),
        "score": score,
        **thoughts_in(said or {}),
    }
