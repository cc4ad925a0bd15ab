"""How likely the last word of a passage is, and whether a model writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from lmworks.data.shards.records import Documents
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from lmworks.errors import UsageError
from lmworks.evaluate.choices import ANSWER_BITS, LikelihoodConfig, how_scored, judge, told
from lmworks.evaluate.items import ACCURACY, UNKNOWN, Item, Records, Tokens, digest_of, fields_of, measured_by
from lmworks.evaluate.questions import Question, draw
from lmworks.evaluate.scoring import Scoring
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Result, stage

PASSAGES_AT_ONCE = 128
"""Passages per chunk, some ten thousand tokens. A kill costs one chunk."""
WORD_TOKENS = 2
Fields = Mapping[str, tuple[type, ...]]
"""Fields that a record must have: field -> types of its value."""


def records_of(data: Documents, fields: Fields) -> list[dict[str, Any]]:
    """Return every record, with its document's id as `id` and `document`. Raises UsageError for a missing field."""
    found = []
    for document in data.iterate():
        record = document.row()
        for name, types in fields.items():
            if not isinstance(record.get(name), types):
                wanted = " or ".join(each.__name__ for each in types)
                raise UsageError(
                    f"{data.path}: {document.place} has {record.get(name)!r} as {name!r}; expected {wanted}. "
                    f"The task reads {', '.join(fields)}; the record has {', '.join(record)[:200]}. Keep all fields "
                    "with `fields: all`, rename its fields, or leave such records out"
                )
        found.append({**record, "id": document.id, "document": document.id, "meta": fields_of(document)})
    return found


class LastWordConfig(LikelihoodConfig):
    """Accuracy of the last word in records with the fields `context` and `continuation`."""

    kind: Literal["last-word"] = "last-word"
    limit: int | None = Field(
        1000, ge=1, description="Passages drawn. 1,000 detect a change of 2 points if tuning changes 1 answer in 10."
    )

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        """Return the tokens. Each passage is read twice, to continue it and to score the word."""
        return (
            super().tokens(text_bytes, records).times(2)._replace(written=WORD_TOKENS * self.count(text_bytes, records))
        )


@stage(version=10, measures=("model", "data"))
def evaluate_last_word(config: LastWordConfig, model: ModelFolder, data: Documents, scoring: Scoring) -> Result:
    """Let a model write as many tokens as the word has, greedily. They must be exactly the word.

    The word's likelihood is reported too. It separates two small models even if neither writes any word right.
    """
    engine = open_decoder(model.path, config.data_type, config.device)
    records, drawn = draw(records_of(data, {"context": (str,), "continuation": (str,)}), config)
    before = engine.tokenizer.before(config.before)

    def answer(some: Sequence[Question]) -> list[Item]:
        passages = [record["context"].rstrip() for record in some]
        words = [record["continuation"].strip() for record in some]
        prompts = [[*before, *engine.tokenizer.encode(passage)] for passage in passages]
        lengths = [len(engine.tokenizer.encode(f" {word}")) for word in words]
        answers = engine.generate(prompts, [Sampling(length) for length in lengths])
        asked = [(passage, [word]) for passage, word in zip(passages, words, strict=True)]
        return [
            {
                "id": record["id"],
                "digest": digest_of(passage, word),
                "cluster": record["cluster"],
                "prompt": passage,
                "answer": given.text.strip(),
                "reference": word,
                "score": float(given.text == f" {word}"),
                **judged.right(0),
            }
            for record, (passage, (word,)), given, judged in zip(
                some, asked, answers, judge(engine, config, asked, " "), strict=True
            )
        ]

    items = scoring.in_chunks(records, PASSAGES_AT_ONCE, answer)
    asked = {"prompt": "text", "delimiter": " ", "decoding": "greedy, as long as the word"}
    found = scoring.written(items, measured_by(engine, model, **asked, **how_scored(engine, config)))
    method = f"{drawn}; the last word of a passage, {told(engine, config, items)} and the words before it"
    return found.result(
        found.figure(ACCURACY, f"{method}, greedily"),
        found.figure(ANSWER_BITS, f"{method}, a byte of it", judged="bits of the right answer"),
    )
