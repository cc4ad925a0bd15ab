"""Whether a model tells the last word of a passage, as LAMBADA asks: what tuning for another use is not to cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.records import Documents
from lmworks.evaluate.items import ACCURACY, Item, evidence
from lmworks.evaluate.questions import DrawnConfig, Question, draw
from lmworks.evaluate.records import records_of
from lmworks.evaluate.scored import Scored
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.chunks import in_chunks
from lmworks.pipeline.stage import Context, Result, stage

PASSAGES_AT_ONCE = 128
"""Some ten thousand tokens: what a kill costs."""


class LastWordConfig(DrawnConfig):
    """Accuracy of the last word, of records with the fields `context` and `continuation`."""

    kind: Literal["last-word"] = "last-word"
    limit: int | None = Field(
        1000, ge=1, description="Passages drawn: a thousand tell 2 points where tuning changes one answer in ten."
    )


@stage(version=1, reads="train", measures=("model", "data"))
def evaluate_last_word(
    config: LastWordConfig, model: ModelFolder, data: Documents, train: Documents | None, out: Path, context: Context
) -> Result:
    """Let a model go on greedily for as many tokens as the word has; the word must be all that it writes."""
    from lmworks.engines.engine import Sampling
    from lmworks.engines.open import open_engine

    engine = open_engine(model.path, config.data_type, config.device)
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
                "cluster": record["id"],
                "prompt": passage,
                "answer": given.text.strip(),
                "reference": word,
                "score": float(given.text == f" {word}"),
            }
            for record, passage, word, given in zip(some, passages, words, answers, strict=True)
        ]

    items = in_chunks(context, records, PASSAGES_AT_ONCE, answer)
    documents = [record["document"] for record in records]
    found = Scored.written(items, out, train, documents, **evidence(engine, [item["prompt"] for item in items]))
    method = f"{drawn}; the last word of a passage, greedily, after <|endoftext|> and the words before it"
    return found.result(found.figure(ACCURACY, method))
