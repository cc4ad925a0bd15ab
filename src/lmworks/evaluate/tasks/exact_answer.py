"""How many questions are answered exactly right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations
from lmworks.engines.open import open_engine
from lmworks.engines.request import Sampling
from lmworks.evaluate.items import DISTINCT, EXACT, TRUNCATED, Item, Scored, evidence, with_distinct
from lmworks.evaluate.questions import Prompt, Question, QuestionsConfig, answered, chat_prompt, draw, shots, sources
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.chunks import in_chunks
from lmworks.pipeline.stage import Context, Result, stage

QUESTIONS_AT_ONCE = 256


class ExactAnswerConfig(QuestionsConfig):
    """Exact answers to questions that have one."""

    kind: Literal["exact-answer"] = "exact-answer"
    prompt: Literal["chat", "few-shot"] = Field("chat", description="As users ask; a question has no other form.")
    max_tokens: int = Field(32, ge=1, description="Where an answer is cut, and is none: a result is short.")


@stage(version=1, reads="train", measures=("model", "data"))
def evaluate_exact_answer(
    config: ExactAnswerConfig,
    model: ModelFolder,
    data: Conversations,
    train: Conversations | None,
    out: Path,
    context: Context,
) -> Result:
    """Let a model answer greedily, and compare with the answer of the data, to the letter."""
    engine, sampling = open_engine(model.path, config.data_type, config.device), Sampling(config.max_tokens)
    questions, drawn = draw(list(data.iterate()), config)
    before = shots(config, train)

    def prompt(question: Question) -> Prompt:
        return chat_prompt(question, engine.tokenizer, before)

    def answer(some: Sequence[Question]) -> list[Item]:
        found = engine.generate([prompt(question).ids for question in some], sampling)
        return [
            _item(question, each.text.strip(), each.end_id is None) for question, each in zip(some, found, strict=True)
        ]

    items = with_distinct(in_chunks(context, questions, QUESTIONS_AT_ONCE, answer))
    known = evidence(engine, [prompt(question).text for question in questions])
    found = Scored.written(items, out, train, sources(questions), **known)
    asked = "in a chat" if config.prompt == "chat" else f"with a {config.prompt_name} prompt"
    method = f"{drawn}, greedy {asked}, at most {config.max_tokens} tokens"
    return found.result(
        found.figure(EXACT, f"answered exactly; {method}"),
        found.figure(DISTINCT, f"distinct answers / answers; {method}"),
        found.figure(TRUNCATED, f"answers cut at the limit; {method}"),
    )


def _item(question: Question, answer: str, truncated: bool) -> Item:
    right = answer == question["messages"][1]["content"].strip() and not truncated
    return {**answered(question, answer, float(right)), "truncated": truncated}
