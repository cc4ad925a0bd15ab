"""Tasks on records of published sets, ingested with `fields: all`: what tuning for another use is not to cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lmworks.data.forms.forms import FORMS, choice_of
from lmworks.data.forms.row import Fault, LeftOut
from lmworks.data.records import Documents
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from lmworks.errors import UsageError
from lmworks.evaluate.choices import By, beside, likeliest
from lmworks.evaluate.items import ACCURACY, Item, digest_of, measured_by
from lmworks.evaluate.questions import DrawnConfig, Question, draw
from lmworks.evaluate.scoring import Scoring
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Result, stage

if TYPE_CHECKING:
    from lmworks.tokens.tokenizer import Tokenizer


QUESTIONS_AT_ONCE = 128
"""Some ten thousand tokens: what a kill costs."""
Fields = Mapping[str, tuple[type, ...]]
"""What a record must have: field -> types of its value."""


def records_of(data: Documents, fields: Fields) -> list[dict[str, Any]]:
    """Every record, with `id` and `document` set to its document's. Raises UsageError for one that lacks a field."""
    found = []
    for document in data.iterate():
        record = document.row()
        for name, types in fields.items():
            if not isinstance(record.get(name), types):
                wanted = " or ".join(each.__name__ for each in types)
                raise UsageError(
                    f"{data.path}: {document.place} has {record.get(name)!r} as {name!r}; expected {wanted}, "
                    f"of the fields {', '.join(fields)}; its own are {', '.join(record)[:200]}. Keep all of a file "
                    "with `fields: all`, rename its fields, or leave such records out"
                )
        found.append({**record, "id": document.id, "document": document.id})
    return found


class LastWordConfig(DrawnConfig):
    """Accuracy of the last word, of records with the fields `context` and `continuation`."""

    kind: Literal["last-word"] = "last-word"
    limit: int | None = Field(
        1000, ge=1, description="Passages drawn: a thousand tell 2 points where tuning changes one answer in ten."
    )


@stage(version=3, measures=("model", "data"))
def evaluate_last_word(config: LastWordConfig, model: ModelFolder, data: Documents, scoring: Scoring) -> Result:
    """Let a model go on greedily for as many tokens as the word has; the word must be all that it writes."""
    engine = open_decoder(model.path, config.data_type, config.device)
    records, drawn = draw(records_of(data, {"context": (str,), "continuation": (str,)}), config)

    def answer(some: Sequence[Question]) -> list[Item]:
        passages = [record["context"].rstrip() for record in some]
        words = [record["continuation"].strip() for record in some]
        prompts = [[engine.tokenizer.end_of_text_id, *engine.tokenizer.encode(passage)] for passage in passages]
        lengths = [len(engine.tokenizer.encode(f" {word}")) for word in words]
        answers = engine.generate(prompts, [Sampling(length) for length in lengths])
        return [
            {
                "id": record["id"],
                "digest": digest_of(passage, word),
                "cluster": record["id"],
                "prompt": passage,
                "answer": given.text.strip(),
                "reference": word,
                "score": float(given.text == f" {word}"),
            }
            for record, passage, word, given in zip(some, passages, words, answers, strict=True)
        ]

    items = scoring.in_chunks(records, QUESTIONS_AT_ONCE, answer)
    found = scoring.written(items, measured_by(engine, model, prompt="text", decoding="greedy, as long as the word"))
    begin = engine.tokenizer.end_of_text
    method = f"{drawn}; the last word of a passage, greedily, after {begin} and the words before it"
    return found.result(found.figure(ACCURACY, method))


def choices_of(data: Documents, context: Context) -> list[dict[str, Any]]:
    """Every question with `query`, `choices` and `gold`, the place of the right one, from any layout that has them.

    Those whose right choice is not published are left out and told. Raises UsageError for a record that is none.
    """
    found, left = [], Counter[str]()
    for document in data.iterate():
        try:
            choice = choice_of(document.row())
        except LeftOut as reason:
            left[str(reason)] += 1
            continue
        except Fault as fault:
            raise UsageError(f"{data.path}: {document.place}: {fault}. Mend it, or leave such records out") from None
        if choice is None:
            layouts = ", ".join(name for name, form in FORMS.loadable() if form.choice)
            raise UsageError(
                f"{data.path}: {document.place} is no question with choices; its fields are "
                f"{', '.join(document.row())[:200]}. Layouts that are read: {layouts}. Keep all with `fields: all`"
            )
        found.append({**vars(choice), "id": document.id, "document": document.id})
    for why, count in left.items():
        context.log(f"{count} of {count + len(found)} questions are not asked, {why}")
    return found


class MultipleChoiceConfig(DrawnConfig):
    """Accuracy of choosing, of questions in any published layout: `query`, `choices`, `gold`, and ARC's, MMLU's, …."""

    kind: Literal["multiple-choice"] = "multiple-choice"
    limit: int | None = Field(
        1000, ge=1, description="Questions drawn: a thousand tell 2 points where tuning changes one answer in ten."
    )
    between: str = Field(
        "\nAnswer:", description="Between a question and a space with a choice: as LM Evaluation Harness asks ARC."
    )
    score: By = Field(
        "sum",
        description="Log-likelihood of a choice, or that a byte of it, which does not favour short ones. The other one "
        "is reported beside it.",
    )


@stage(version=3, measures=("model", "data"))
def evaluate_multiple_choice(
    config: MultipleChoiceConfig, model: ModelFolder, data: Documents, scoring: Scoring
) -> Result:
    """Choose the likeliest text to go on with."""
    engine = open_decoder(model.path, config.data_type, config.device)
    records, drawn = draw(choices_of(data, scoring.context), config)

    def choose(some: Sequence[Question]) -> list[Item]:
        items = []
        for record in some:
            asked, choices, right = record["query"] + config.between, record["choices"], record["gold"]
            places = likeliest(engine.score_choices(*encoded(engine.tokenizer, asked, choices)), choices)
            items.append(
                {
                    "id": record["id"],
                    "digest": digest_of(record["query"], choices, right),
                    "cluster": record["id"],
                    "prompt": asked,
                    "answer": choices[places[config.score]],
                    "reference": choices[right],
                    "score": float(places[config.score] == right),
                    "candidates": len(choices),
                    **{f"correct by {by}": place == right for by, place in places.items()},
                }
            )
        return items

    items = scoring.in_chunks(records, QUESTIONS_AT_ONCE, choose)
    chance = sum(1 / item["candidates"] for item in items) / len(items)
    decoding = "the likeliest of the choices"
    found = scoring.written(
        items, measured_by(engine, model, prompt="text", delimiter=config.between, decoding=decoding)
    )
    begin = engine.tokenizer.end_of_text
    method = f"{drawn}, each choice's log-likelihood after {begin}, the question and {config.between!r}"
    other, metric = beside(config.score)
    return found.result(
        found.figure(ACCURACY, f"{method}, {config.score}", judged=config.score, chance=chance),
        found.figure(metric, f"{method}, {other}", judged=other, chance=chance),
    )


def encoded(tokenizer: Tokenizer, asked: str, choices: Sequence[str]) -> tuple[list[int], list[list[int]]]:
    """Tokens of the prompt and of each choice behind it, of texts encoded whole.

    Where a token spans both, what is common to all texts is the prompt: the probabilities are of equal texts still.
    """
    prompt = [tokenizer.end_of_text_id, *tokenizer.encode(asked)]
    whole = [
        [tokenizer.end_of_text_id, *ids] for ids in tokenizer.encode_batch([f"{asked} {each}" for each in choices])
    ]
    shared = 1
    while shared < len(prompt) and all(ids[shared : shared + 1] == prompt[shared : shared + 1] for ids in whole):
        shared += 1
    return prompt[:shared], [ids[shared:] for ids in whole]
