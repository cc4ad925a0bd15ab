"""Whether a model finds the right answer among several, as ARC and others ask: what tuning is not to cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lmworks.data.records import Documents
from lmworks.errors import UsageError
from lmworks.evaluate.choices import By, beside, likeliest
from lmworks.evaluate.items import ACCURACY, Item, evidence
from lmworks.evaluate.questions import DrawnConfig, Question, draw
from lmworks.evaluate.records import records_of
from lmworks.evaluate.scored import Scored
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.chunks import in_chunks
from lmworks.pipeline.stage import Context, Result, stage

if TYPE_CHECKING:
    from lmworks.tokens.tokenizer import Tokenizer

QUESTIONS_AT_ONCE = 128
"""Some ten thousand tokens: what a kill costs."""


class MultipleChoiceConfig(DrawnConfig):
    """Accuracy of choosing, of records with the fields `query`, `choices` and `gold`, the place of the right one."""

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


@stage(version=1, reads="train", measures=("model", "data"))
def evaluate_multiple_choice(
    config: MultipleChoiceConfig,
    model: ModelFolder,
    data: Documents,
    train: Documents | None,
    out: Path,
    context: Context,
) -> Result:
    """Choose the likeliest text to go on with."""
    from lmworks.engines.open import open_engine

    engine = open_engine(model.path, config.data_type, config.device)
    records, drawn = draw(records_of(data, {"query": (str,), "choices": (list,), "gold": (int,)}), config)
    for record in records:
        if not 0 <= record["gold"] < len(record["choices"]) or not all(record["choices"]):
            raise UsageError(
                f"{data.path}: document {record['id']} has gold {record['gold']} and choices {record['choices']}; "
                "expected texts, and the place of one of them, counted from 0"
            )

    def choose(some: Sequence[Question]) -> list[Item]:
        items = []
        for record in some:
            asked, choices, right = record["query"] + config.between, record["choices"], record["gold"]
            places = likeliest(engine.score_choices(*encoded(engine.tokenizer, asked, choices)), choices)
            items.append(
                {
                    "id": record["id"],
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

    items = in_chunks(context, records, QUESTIONS_AT_ONCE, choose)
    documents = [record["document"] for record in records]
    chance = sum(1 / item["candidates"] for item in items) / len(items)
    known = evidence(engine, [item["prompt"] for item in items])
    found = Scored.written(items, out, train, documents, chance=chance, **known)
    method = f"{drawn}, each choice's log-likelihood after <|endoftext|>, the question and {config.between!r}"
    other, metric = beside(config.score)
    return found.result(found.figure(ACCURACY, f"{method}, {config.score}"), found.figure(metric, f"{method}, {other}"))


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
