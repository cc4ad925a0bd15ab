"""A task, with a baseline and a metric of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations
from lmworks.evaluate.contamination import Contamination
from lmworks.evaluate.items import Item, Metric, Scored, measured_by
from lmworks.evaluate.questions import DrawnConfig, Question, answered, draw, turns_before
from lmworks.evaluate.tasks.task import Task
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.work.chunks import in_chunks

LOUDNESS = Metric(name="loudness", label="loudness")


class LoudnessConfig(DrawnConfig):
    """How many letters of the answers are capitals."""

    kind: Literal["loudness"] = "loudness"
    max_tokens: int = Field(default=8, ge=1, description="Where an answer is cut.")


def scored(question: Question, answer: str) -> Item:
    """The item of an answer."""
    return answered(question, answer, sum(letter.isupper() for letter in answer) / max(1, len(answer)))


@stage(version=1, reads="contamination", measures=("model", "data"))
def evaluate_loudness(
    config: LoudnessConfig,
    model: ModelFolder,
    data: Conversations,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """Let a model answer greedily, and count capitals."""
    from lmworks.engines.open import open_decoder
    from lmworks.engines.request import Sampling

    engine, (questions, drawn) = open_decoder(model.path, config.data_type), draw(list(data.iterate()), config)

    def answer(some: object) -> list[Item]:
        asked: list[Question] = list(some)  # type: ignore[call-overload]
        prompts = [engine.encode(turns_before(question)) for question in asked]
        answers = engine.generate(prompts, Sampling(config.max_tokens))
        return [scored(question, each.text) for question, each in zip(asked, answers, strict=True)]

    items = in_chunks(context, questions, 8, answer)
    found = Scored.written(items, out, contamination, measured_by(engine, model, prompt="chat", decoding="greedy"))
    return found.result(found.figure(LOUDNESS, drawn))


@stage(version=1, trains_on="train", reads="contamination", measures="data")
def evaluate_loudness_question(
    config: LoudnessConfig,
    data: Conversations,
    train: Conversations,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """The same figure for the question said again."""
    questions, drawn = draw(list(data.iterate()), config)
    items = [scored(question, question["messages"][0]["content"]) for question in questions]
    found = Scored.written(items, out, contamination)
    return found.result(found.figure(LOUDNESS, f"{drawn}, the question said again"))


TASK = Task(LoudnessConfig, evaluate_loudness, {"question": evaluate_loudness_question}, metrics=[LOUDNESS])
