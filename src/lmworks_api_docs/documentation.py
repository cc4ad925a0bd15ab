"""Task that compares a model's documentation with the real one: ROUGE-L of answers to questions of form "document"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations
from lmworks.engines.request import Sampling
from lmworks.evaluate.items import ROUGE_L, TRUNCATED, Item, Metric
from lmworks.evaluate.metrics import ROUGE_L_SIGNATURE, rouge_l, words_of
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
    shots,
)
from lmworks.evaluate.scoring import Scoring
from lmworks.evaluate.tasks.task import Task
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.stage import Result, stage
from lmworks_api_docs.questions import OperationQuestionsConfig, document_prompt

if TYPE_CHECKING:
    from lmworks.engines.decoder import DecoderEngine

FORM = "document"
QUESTIONS_AT_ONCE = 64
"""Number of questions in a chunk: as many as the engine decodes together."""
EMPTY = Metric(name="empty_answers", label="empty answers", value="empty", higher_is_better=False, is_share=True)
LENGTH = Metric(name="answer_length", label="answer length", value="words", weight="wanted_words")
"""Ratio of the words of answers to those of references. An F1 of words is highest at about 1."""


class DocumentationConfig(OperationQuestionsConfig, GenerationConfig):
    """ROUGE-L of written documentation."""

    kind: Literal["documentation"] = "documentation"
    max_tokens: int = Field(128, ge=1, description="Most tokens of an answer. 128 suffice for nearly all references.")


@stage(version=10, reads=["train"], measures=("model", "data"))
def evaluate_documentation(
    config: DocumentationConfig, model: ModelFolder, data: Conversations, train: Conversations | None, scoring: Scoring
) -> Result:
    """Let a model write answers greedily, and compare them with the references.

    With `prompt: document`, the model continues the title line up to the end of the first paragraph, before parameters.
    """
    stop = (*config.stop, "\n") if config.prompt == "document" else tuple(config.stop)
    shown, (questions, drawn) = shots(config, train, FORM), _questions(config, data)

    def prompt(question: Question, engine: DecoderEngine) -> Prompt:
        if config.prompt == "document":
            return document_prompt(question["service"], question["operation"], engine.tokenizer)
        return put(config, engine, question, shown)

    sampling = Sampling(config.max_tokens, stop=stop)
    said, known = ask(
        config, model, questions, scoring, shown=shown, sampling=sampling, prompt=prompt, at_once=QUESTIONS_AT_ONCE
    )
    items = [_item(question, each) for question, each in said]
    method = f"{drawn}, {config.prompt_name} prompt, greedy answer of at most {config.max_tokens} tokens"
    return _result(config, items, method, scoring, known)


@stage(version=9, trains_on="train", measures="data")
def evaluate_documentation_nearest(
    config: DocumentationConfig, data: Conversations, train: Conversations, scoring: Scoring
) -> Result:
    """Measure the same figures for a baseline that copies the answer of the most similar training operation."""
    from lmworks_api_docs.nearest import nearest

    questions, drawn = _questions(config, data)
    known = [record for record in train.iterate() if record["form"] == FORM]
    copied = [known[place] for place in nearest(questions, known)]
    items = [
        {
            **_item(question, {"answer": source["messages"][1]["content"], "truncated": False}),
            "copied_from": source["id"],
        }
        for question, source in zip(questions, copied, strict=True)
    ]
    return _result(config, items, f"{drawn}, the answer of the most similar training operation", scoring)


def _questions(config: DocumentationConfig, data: Conversations) -> tuple[list[Question], str]:
    return draw([record for record in data.iterate() if record["form"] == FORM], config)


def _item(question: Question, said: Item) -> Item:
    answer = result_of(said)
    reference = question["messages"][1]["content"]
    score = rouge_l(reference, answer)
    counts = {"words": len(words_of(answer)), "wanted_words": len(words_of(reference))}
    found = {"rouge_l": score, "empty": not answer.strip(), "truncated": said["truncated"]}
    return {**answered(question, said["answer"], score, said), **counts, **found}


def _result(
    config: DocumentationConfig, items: Sequence[Item], method: str, scoring: Scoring, known: Conditions | None = None
) -> Result:
    found = scoring.written(items, known)
    ranked = sorted(items, key=lambda item: (item["score"], item["id"]))
    return found.result(
        found.figure(ROUGE_L, f"mean {ROUGE_L_SIGNATURE}; {method}", judged=ROUGE_L_SIGNATURE),
        *extraction_failures(config, found, method),
        found.figure(EMPTY, f"answers without a word; {method}"),
        found.figure(TRUNCATED, f"answers cut at the limit; {method}"),
        found.figure(LENGTH, f"words of the answers / words of the references; {method}"),
        examples=[*ranked[:3], *ranked[-3:]],
    )


TASK = Task(
    DocumentationConfig,
    evaluate_documentation,
    {"copy-nearest": evaluate_documentation_nearest},
    metrics=[ROUGE_L],
    further=["empty_answers", "truncated_answers", "answer_length"],
)
