"""Learn several vocabularies from the same documents, compare them, and take the one that suits the model best."""

from __future__ import annotations

import heapq
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from lmworks.data.records import Documents, shard_ids
from lmworks.errors import LmworksError
from lmworks.pipeline.files import canonical_json, digest_text, write_atomically
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.tokens.bulk import BulkEncoder
from lmworks.tokens.kinds.bpe import Bpe
from lmworks.tokens.kinds.character import Character
from lmworks.tokens.kinds.learn import FromDocuments, write_tokenizer
from lmworks.tokens.kinds.unigram import Unigram
from lmworks.tokens.kinds.word import Word
from lmworks.tokens.kinds.wordpiece import WordPiece
from lmworks.tokens.measure import Sample, measure
from lmworks.tokens.tokenizer import FILES, open_tokenizer

HELD_OUT_SHARE, HELD_OUT_DOCUMENTS = 20, 2_000
"""One document in 20 is measured on, 2,000 at most: with so many, bytes per token are known to a few thousandths."""

SPEED = "MB per processor second by "

AnyVocabulary = Annotated[Bpe | Unigram | WordPiece | Word | Character, Field(discriminator="kind")]


class BestOfConfig(FromDocuments):
    """Compare vocabularies on documents that none was learned from, and take the best."""

    kind: Literal["best-of"] = "best-of"
    candidates: list[AnyVocabulary] = Field(min_length=1, description="What is compared; of equals the first is taken.")
    hidden_size: int = Field(
        default=256, ge=1, description="Width of the model that will use it: each id costs so many weights."
    )
    body_parameters: int = Field(
        default=5_000_000,
        ge=1,
        description="Weights of that model outside its vocabulary table. A small one is chosen for, since a vocabulary "
        "that is too large costs a small model more than one too small costs a large one.",
    )

    @property
    def vocab_size(self) -> int:
        """The most ids that the chosen one may have."""
        return max(candidate.vocab_size for candidate in self.candidates)

    @property
    def rule(self) -> str:
        """How the choice is made, in words."""
        return (
            "the least training compute per byte of text, 6 (N + V d) / bytes per token, among those that lose the "
            f"fewest documents; V ids, N = {self.body_parameters:,} weights outside the vocabulary table, d = "
            f"{self.hidden_size:,}. After the derivative approach of Tao et al. 2024 (arXiv 2407.13623): the best V is "
            "where the compute for a given text is least. It is about compute; losses were not measured"
        )

    def flops_per_byte(self, ids: int, bytes_per_token: float) -> float:
        """Training compute: 6 FLOPs a weight and token (Kaplan et al. 2020)."""
        return 6 * (self.body_parameters + ids * self.hidden_size) / bytes_per_token


@stage(version=1, trains_on="documents")
def best_of(config: BestOfConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Hold documents out by a hash of their id, learn each candidate from the others, measure, and publish the best.

    `comparison.json` holds what was measured of each, and the rule; speeds are in the manifest's `run` block.
    """
    held_out = _held_out(documents)

    def training() -> Iterator[str]:
        return (document.text for document in documents.iterate() if document.id not in held_out)

    sample: Sample | None = None
    finished = {record["candidate"] for record in context.journal.records() if "candidate" in record}
    context.progress.start(len(config.candidates), "tokenizers")
    for number, candidate in enumerate(config.candidates):
        if number not in finished:
            context.check_stop()
            if sample is None:
                sample = Sample.of([each for each in documents.iterate() if each.id in held_out], training())
            folder = context.scratch / str(number)
            write_tokenizer(candidate.learn(training), folder)
            tokenizer = open_tokenizer(folder)
            found = {"name": f"{candidate.kind} {candidate.vocab_size:,}", **measure(tokenizer, sample)}
            found["flops_per_byte"] = config.flops_per_byte(found["ids"], found["bytes_per_token"])
            speed = _speed(BulkEncoder(tokenizer), [each.text for each in sample.documents])
            write_atomically(folder / "found.json", json.dumps({"found": found, "speed": speed}).encode())
            context.journal.append({"candidate": number})
        context.progress.update(number + 1)
    records = [json.loads((context.scratch / str(number) / "found.json").read_text()) for number in range(number + 1)]
    candidates = [record["found"] for record in records]
    chosen = min(range(len(candidates)), key=lambda number: _cost(candidates[number]))
    for name in FILES:
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(context.scratch / str(chosen) / name, out / name)
    comparison = {"rule": config.rule, "chosen": candidates[chosen]["name"], "candidates": candidates}
    write_atomically(out / "comparison.json", (canonical_json(comparison) + "\n").encode())
    return Result(
        counts={
            "documents": documents.count(),
            "held-out documents": len(held_out),
            "candidates": len(candidates),
            "ids": candidates[chosen]["ids"],
        },
        measured={f"{SPEED}{each['found']['name']}": each["speed"] for each in records},
    )


def _held_out(documents: Documents) -> set[str]:
    count = documents.count()
    if count < 2:
        raise LmworksError(
            f"{documents.path}: {count} documents; comparing tokenizers takes some to learn from and others to measure"
            " on. See the step that made them, or name one kind of tokenizer"
        )
    held_out = max(1, min(HELD_OUT_DOCUMENTS, count // HELD_OUT_SHARE))
    return set(heapq.nsmallest(held_out, shard_ids(documents.path), key=digest_text))


def _cost(found: Mapping[str, Any]) -> tuple[int, float]:
    return found["documents_lost"], found["flops_per_byte"]


def _speed(encoder: BulkEncoder, texts: list[str]) -> float:
    started = time.process_time()
    encoder.encode(texts)
    return sum(len(text.encode()) for text in texts) / 1e6 / max(1e-9, time.process_time() - started)
