"""Answers from passages: a model's answers with passages, its answers without them, and the best passage alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.base.words import words_in
from lmworks.data.tuning.conversations import Conversations, question_of
from lmworks.engines.open import open_engine
from lmworks.engines.protocol import Engine
from lmworks.evaluate.items import TRUNCATED, UNKNOWN, Item, Metric, Records, Scored, Tokens
from lmworks.evaluate.questions import (
    GenerationConfig,
    Prompt,
    Question,
    answered,
    ask,
    draw,
    extraction_failures,
    put,
    result_of,
    wanted_of,
)
from lmworks.evaluate.scoring import Scoring
from lmworks.knowledge.collection import Collection, Passage
from lmworks.knowledge.passages import Passages
from lmworks.knowledge.prompts import SPARE, fitting
from lmworks.knowledge.retrieve import asked_with
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Result, stage
from lmworks.recipe.schema import PASSAGES_SHOWN, Reference
from lmworks.rewards.exact import squad_form

QUESTIONS_AT_ONCE = 32
PASSAGE_TOKENS = 200
"""Approximate tokens of a passage of SQuAD."""
HOLDS = Metric(name="holds_answer", label="answers that hold the right one", is_share=True)
WORD_F1 = Metric(name="word_f1", label="F1 of words", value="word_f1", most=1)
JUDGED = "without capitals, ASCII punctuation and the articles a, an, the"


class FromPassagesConfig(GenerationConfig):
    """Share of answers, with and without passages, and of best passages, that contain the right answer."""

    packages: ClassVar[tuple[str, ...]] = ("bm25s",)
    kind: Literal["from-passages"] = "from-passages"
    passages: Reference = Field(description="Step of kind `passages` to search.")
    prompt: Literal["with-passages", "without-passages"] = Field(
        "with-passages",
        description="Input of the model: the passages found and the question, as in `lmworks serve`, or the question "
        "alone. To compare both question by question, state the task twice, once with each.",
    )
    shown: int = Field(
        default=PASSAGES_SHOWN, ge=1, le=50, description="Passages before each question, as many as in serving."
    )
    max_tokens: int = Field(32, ge=1, description="Most tokens of an answer.")

    @property
    def has_baselines(self) -> bool:
        return True

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        found = super().tokens(text_bytes, records)
        passages = (
            self.count(text_bytes, records) * self.shown * PASSAGE_TOKENS if self.prompt == "with-passages" else 0
        )
        return found.times(1, passages)

    def also_compared(self) -> list[str]:
        return [WORD_F1.name]


@stage(version=6, measures=("model", "data", "passages"))
def evaluate_from_passages(
    config: FromPassagesConfig, model: ModelFolder, data: Conversations, passages: Passages, scoring: Scoring
) -> Result:
    """Let a model answer greedily. A passage that leaves no room for the answer is left out, and the next is read.

    A question for which nothing is found is asked alone.
    """
    questions, drawn = draw(list(data.iterate()), config)
    collection = Collection(passages.path) if config.prompt == "with-passages" else None
    engine = open_engine(model.path, config.data_type, config.device)

    def prompt(question: Question, engine: Engine) -> Prompt:
        def with_those(some: Sequence[Passage]) -> Prompt:
            return put(config, engine, asked_with(question, some))

        def has_room(some: Sequence[Passage]) -> bool:
            return engine.room(with_those(some).ids) >= config.max_tokens

        if not collection:
            return with_those(())
        found = collection.search(question_of(question), config.shown + SPARE)
        return with_those(fitting(found, config.shown, has_room).passages)

    said, known = ask(config, model, questions, scoring, prompt=prompt, engine=engine, at_once=QUESTIONS_AT_ONCE)
    items = [{**_item(one, result_of(each), each), "truncated": each["truncated"]} for one, each in said]
    how = f"{config.shown} passages before the question" if collection else "without passages"
    method = f"{drawn}, greedy in a chat, {how}, at most {config.max_tokens} tokens"
    found = scoring.written(items, known)
    truncated = found.figure(TRUNCATED, f"answers cut at the limit; {method}")
    return found.result(*_figures(found, method), *extraction_failures(config, found, method), truncated)


@stage(version=5, measures=("data", "passages"))
def evaluate_from_passages_copied(
    config: FromPassagesConfig, data: Conversations, passages: Passages, scoring: Scoring
) -> Result:
    """Score the best passage in place of an answer. It is what a reader gets from the search alone."""
    questions, drawn = draw(list(data.iterate()), config)
    collection = Collection(passages.path)
    best = [collection.search(question_of(each), 1).passages for each in questions]
    items = [_item(each, found[0].text if found else "") for each, found in zip(questions, best, strict=True)]
    method = f"{drawn}, the best passage copied"
    written = scoring.written(items)
    return written.result(*_figures(written, method))


def _item(question: Question, answer: str, said: Item | None = None) -> Item:
    wanted = wanted_of(question)
    item = answered(question, said["answer"] if said else answer, holds(answer, wanted), said)
    return {**item, WORD_F1.value: word_f1(answer, wanted)}


def _figures(found: Scored, method: str) -> list[Figure]:
    return [
        found.figure(HOLDS, f"answers in which a right one stands, {JUDGED}; {method}", judged=f"holds, {JUDGED}"),
        found.figure(WORD_F1, f"of words with the right answer, {JUDGED}; {method}", judged=f"F1, {JUDGED}"),
    ]


def holds(answer: str, wanted: Sequence[str]) -> float:
    """Return 1 if an answer contains the words of a right answer, one after another, else 0."""
    said = words_in(squad_form(answer))
    each = [words_in(squad_form(text)) for text in wanted]
    return float(
        any(some and some == said[at : at + len(some)] for some in each for at in range(len(said) - len(some) + 1))
    )


def word_f1(answer: str, wanted: Sequence[str]) -> float:
    """Return the F1 of words with the most similar right answer, as SQuAD does (Rajpurkar et al. 2016)."""

    def one(text: str) -> float:
        said, right = Counter(words_in(squad_form(answer))), Counter(words_in(squad_form(text)))
        common = (said & right).total()
        return 2 * common / (said.total() + right.total()) if common else 0.0

    return max(map(one, wanted))
