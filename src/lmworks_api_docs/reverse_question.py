"""Task that tests whether a model can name the operation for a description, among the operations of its service."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations
from lmworks.engines.open import open_decoder
from lmworks.errors import LmworksError, UsageError
from lmworks.evaluate.choices import By, Likelihood, beside, likeliest
from lmworks.evaluate.items import ACCURACY, UNKNOWN, Item, Records, Tokens, digest_of, measured_by
from lmworks.evaluate.questions import Question, answered, chat_prompt, draw, how_asked, shots, turns
from lmworks.evaluate.scoring import Scoring
from lmworks.evaluate.tasks.task import Task
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.files import digest_text
from lmworks.pipeline.stage import Result, stage
from lmworks_api_docs.questions import OperationQuestionsConfig, document_prompt

if TYPE_CHECKING:
    from lmworks.engines.decoder import DecoderEngine

FORM = "find"
QUESTIONS_AT_ONCE = 32
"""Number of questions in a chunk. A killed build loses one chunk: two seconds of a small model on two cores."""


class ReverseQuestionConfig(OperationQuestionsConfig):
    """Accuracy of naming an operation from its description."""

    kind: Literal["reverse-question"] = "reverse-question"
    candidates: int = Field(60, ge=2, description="Most names to choose from. Large services have hundreds of names.")
    score: Literal["sum", "per-byte"] = Field(
        "sum",
        description="Log-likelihood of the text, as a sum or per byte. The sum is the log-probability that the model "
        "writes the text. `per-byte` favours long names. The other score is reported too.",
    )

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        """Count the tokens read, with each candidate after the question or before the sentence."""
        a_candidate = TITLED_TOKENS if self.prompt == "document" else NAME_TOKENS
        return (
            super()
            .tokens(text_bytes, records)
            .times(1, self.count(text_bytes, records) * self.candidates * a_candidate)
        )


NAME_TOKENS, TITLED_TOKENS = 16, 64
"""Tokens of an operation's name, and of a name with its service and the sentence that follows."""
MEASURES: tuple[By, ...] = ("sum", "per-byte")
Scorer = Callable[[Question, Sequence[str]], list[float]]
"""Function that returns the log-likelihood (base e) for each candidate."""


@stage(version=7, reads=["train"], measures=("model", "data"))
def evaluate_reverse_question(
    config: ReverseQuestionConfig,
    model: ModelFolder,
    data: Conversations,
    train: Conversations | None,
    scoring: Scoring,
) -> Result:
    """Choose the likeliest candidate.

    In a chat the names are scored as answers, with the token that ends an answer. With `prompt: document`, each name
    is scored as a title, by the likelihood that it gives to the sentence from which the question was made.
    """
    engine = open_decoder(model.path, config.data_type, config.device)
    questions, names, method = _questions(config, data, train)
    sentences, shown = dict[str, str](), shots(config, train, FORM)
    if config.prompt != "document":
        score, how = _as_answers(config, engine, shown), "each name's log-likelihood as the answer"
    else:
        sentences = _sentences(data, questions)
        score, how = _as_titles(engine, sentences), "the first sentence's log-likelihood under each name as its title"

    def choose(asked: Sequence[Question]) -> list[Item]:
        items = []
        for question in asked:
            candidates = _candidates(config, question, names)
            sums = score(question, candidates)
            scored = [sentences.get(question["id"], name) for name in candidates]
            texts = [Likelihood(text, total, 0) for text, total in zip(scored, sums, strict=True)]
            best = {by: candidates[likeliest(texts, by)] for by in MEASURES}
            item = _item(question, candidates, best[config.score])
            scores = zip(candidates, sums, strict=True)
            item["choices"] = [{"text": name, "log_likelihood": total} for name, total in scores]
            if config.prompt != "document":
                item["put"] = chat_prompt(config, question, engine.tokenizer, shown).text
            items.append({**item, **{f"correct by {by}": name == question["operation"] for by, name in best.items()}})
        return items

    items = scoring.in_chunks(questions, QUESTIONS_AT_ONCE, choose)
    decoding = "the likeliest of the names"
    found = scoring.written(items, measured_by(engine, model, **how_asked(config, shown), decoding=decoding))
    method = f"{method}, {config.prompt_name} prompt, {how}"
    other: By = "per-byte" if config.score == "sum" else "sum"
    chance = _chance(items)
    return found.result(
        found.figure(ACCURACY, f"{method}, {config.score}", judged=config.score, chance=chance),
        found.figure(beside(other), f"{method}, {other}", judged=other, chance=chance),
    )


@stage(version=6, trains_on="train", measures="data")
def evaluate_reverse_question_nearest(
    config: ReverseQuestionConfig, data: Conversations, train: Conversations | None, scoring: Scoring
) -> Result:
    """Measure the same figure for a baseline: the candidate whose name shares most word pieces with the question."""
    from lmworks_api_docs.nearest import shares_most

    questions, names, method = _questions(config, data, train)
    items = []
    for question in questions:
        candidates = _candidates(config, question, names)
        chosen = candidates[shares_most(question["messages"][0]["content"], candidates)]
        items.append(_item(question, candidates, chosen))
    found = scoring.written(items)
    how = f"{method}, the name that shares most word pieces with the question"
    return found.result(found.figure(ACCURACY, how, chance=_chance(items)))


def _questions(
    config: ReverseQuestionConfig, data: Conversations, train: Conversations | None
) -> tuple[list[Question], Mapping[str, Set[str]], str]:
    """Return the questions asked, the operations of each service, and how both were found."""
    names: dict[str, set[str]] = defaultdict(set)
    for source in (data, train) if train else (data,):
        for record in source.iterate():
            names[record["service"]].add(record["operation"])
    all_of_form = [record for record in data.iterate() if record["form"] == FORM]
    questions, drawn = draw([record for record in all_of_form if len(names[record["service"]]) > 1], config)
    return questions, names, f"{drawn}, at most {config.candidates} operations of the service to choose from"


def _candidates(config: ReverseQuestionConfig, question: Question, names: Mapping[str, Set[str]]) -> list[str]:
    """Return the right name and others of its service drawn by hash, in alphabetical order."""
    others = names[question["service"]] - {question["operation"]}
    ranked = sorted(others, key=lambda name: digest_text(f"{config.seed} {question['id']} {name}"))
    return sorted([question["operation"], *ranked[: config.candidates - 1]])


def _as_answers(config: ReverseQuestionConfig, engine: DecoderEngine, shown: Sequence[Question]) -> Scorer:
    def score(question: Question, candidates: Sequence[str]) -> list[float]:
        asked = turns(config, question, shown)
        prompt = engine.tokenizer.encode_chat(asked, True)[0]
        choices = []
        for name in candidates:
            ids, answer = engine.tokenizer.encode_chat([*asked, {"role": "assistant", "content": name}])
            if ids[: len(prompt)] != prompt:
                raise LmworksError("the chat template writes the same question differently with and without its answer")
            after = slice(len(prompt), None)
            choices.append([token for token, is_answer in zip(ids[after], answer[after], strict=True) if is_answer])
        return engine.score_choices(prompt, choices)

    return score


def _as_titles(engine: DecoderEngine, sentences: Mapping[str, str]) -> Scorer:
    def score(question: Question, candidates: Sequence[str]) -> list[float]:
        titles = [document_prompt(question["service"], name, engine.tokenizer).ids for name in candidates]
        sentence = engine.tokenizer.encode(sentences[question["id"]])
        found = engine.log_likelihoods([[*title, *sentence] for title in titles], [len(title) for title in titles])
        return [math.fsum(scores) for scores in found]

    return score


def _sentences(data: Conversations, questions: Sequence[Question]) -> dict[str, str]:
    """Return question id → the first sentence of its document's description, from which the question was made."""
    explained = {
        record["document"]: record["messages"][1]["content"] for record in data.iterate() if record["form"] == "explain"
    }
    if missing := [question["id"] for question in questions if question["document"] not in explained]:
        raise UsageError(
            f"{len(missing)} questions, such as {missing[0]}, have no conversation of form 'explain' about the same "
            "document. `prompt: document` scores the answer of that conversation; use `prompt: chat`"
        )
    return {question["id"]: explained[question["document"]] for question in questions}


def _item(question: Question, candidates: Sequence[str], chosen: str) -> Item:
    item = answered(question, chosen, float(chosen == question["operation"]))
    return {**item, "digest": digest_of(item["digest"], candidates), "candidates": len(candidates)}


def _chance(items: Sequence[Item]) -> float:
    return sum(1 / float(item["candidates"]) for item in items) / len(items)


TASK = Task(
    ReverseQuestionConfig,
    evaluate_reverse_question,
    {"shared-words": evaluate_reverse_question_nearest},
    metrics=[ACCURACY],
    further=["accuracy_by_sum", "accuracy_by_per-byte"],
)
