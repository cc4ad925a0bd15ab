"""How well a model predicts text: bits per byte and perplexity, over every document of the data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lmworks.data.shards.records import Document, Documents
from lmworks.engines.open import open_decoder
from lmworks.errors import LmworksError, UsageError
from lmworks.evaluate.baselines.xz import LARGEST, bits_behind
from lmworks.evaluate.items import (
    BITS_PER_BYTE,
    UNKNOWN,
    Item,
    Metric,
    Records,
    TaskConfig,
    Tokens,
    cluster_of,
    digest_of,
    draw_evenly,
    measured_by,
    require_cluster,
)
from lmworks.evaluate.scoring import Scoring
from lmworks.model.baselines.ngram import ORDER, NgramModel
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.figure import Interval
from lmworks.pipeline.stage import Result, stage
from lmworks.recipe.references import of_families, room_of
from lmworks.recipe.schema import Location, Recipe
from lmworks.tokens.tokenizer import Before

if TYPE_CHECKING:
    from lmworks.engines.decoder import DecoderEngine

DOCUMENTS_AT_ONCE = 128
"""Documents per chunk, about two seconds for a small model on two cores. A kill costs one chunk."""
DOCUMENT_BYTES = 1_000
"""Bytes counted per document where their mean is not known. Documents of the quickstart have 780."""
NGRAM_BYTES = 30
"""Bytes of memory of the n-gram baseline per byte of its text."""
XZ_BYTES = 2**20 * (674 + 100)
"""Bytes of memory of `xz -9`: 674 MiB for it by its manual, and 100 MiB for its process."""
BITS_PER_TOKEN = Metric(
    name="perplexity", label="perplexity", value="bits", weight="tokens", higher_is_better=False, per_token=True
)


class PerplexityConfig(TaskConfig):
    """Bits per byte and perplexity on documents."""

    kind: Literal["perplexity"] = "perplexity"
    limit: int | None = Field(
        None,
        ge=1,
        description="Number of documents drawn, the same for all models, as evenly as possible from the groups of "
        "`cluster`. All by default.",
    )
    context_length: int | None = Field(
        None,
        ge=2,
        description="Most tokens that the model sees, to compare models with different contexts. By default all that "
        "it was trained to see.",
    )
    stride: int | None = Field(
        None,
        ge=1,
        description="Tokens scored per window of a document longer than the context. By default three quarters of the "
        "context. Half of it takes a fifth more time and gave the same bits per byte to four digits.",
    )

    windows: Literal["sliding", "disjoint"] = Field(
        "sliding",
        description="Windows of a longer document. `sliding` windows overlap, and their last `stride` tokens are "
        "scored. `disjoint` windows do not overlap, and their first token is predicted from one token only, as in "
        "LM Evaluation Harness with a `max_length` of one less than `context_length`.",
    )
    before: Before = Field(
        "end-of-text",
        description="Token before a document, only in its first window. `auto` takes the model's usual one. "
        "`begin-of-text` is the choice of LM Evaluation Harness.",
    )

    def misfits(self, recipe: Recipe) -> Iterator[tuple[Location, str]]:
        """Yield a stride that is not shorter than the smallest context."""
        decoders = of_families(("decoder",), recipe.evaluate.models if recipe.evaluate else (), recipe.models)
        seen = [each for each in (*(room_of(name, recipe.models) for name in decoders), self.context_length) if each]
        if self.stride and seen and self.stride >= (most := min(seen)):
            yield ("stride",), f"found {self.stride}; expected less than {most}, the smallest context"

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        """Return the tokens. Sliding windows read a token of a long document more than once."""
        if self.limit:
            drawn = self.limit * (records.mean_bytes or DOCUMENT_BYTES)
            text_bytes = min(text_bytes or drawn, drawn)
        again = 1.0 if self.windows == "disjoint" else 4 / 3
        if self.windows == "sliding" and self.context_length and self.stride:
            again = self.context_length / self.stride
        return super().tokens(text_bytes, records).times(again)

    def baseline_bytes(self, text_bytes: int) -> int:
        return max(NGRAM_BYTES * text_bytes, XZ_BYTES + 3 * text_bytes) if self.train else 0


@stage(version=8, measures=("model", "data"))
def evaluate_perplexity(config: PerplexityConfig, model: ModelFolder, data: Documents, scoring: Scoring) -> Result:
    """Score every token of every document once."""
    engine = open_decoder(model.path, config.data_type, config.device)
    if (asked := config.context_length or engine.context_length) > engine.context_length:
        raise UsageError(f"context_length: {asked} is above the model's context of {engine.context_length} tokens")
    engine.context_length = asked
    stride = config.stride or engine.context_length * 3 // 4
    if stride >= engine.context_length:
        raise UsageError(f"stride: {stride} is not below the model's context of {engine.context_length} tokens")
    if is_disjoint := config.windows == "disjoint":
        stride = engine.context_length - 1
    documents = _documents(config, data)
    before = engine.tokenizer.before(config.before) or (engine.tokenizer.beginning_id,)

    def cut(length: int) -> Iterator[tuple[int, int, int]]:
        return (disjoint_windows if is_disjoint else windows)(length, engine.context_length, stride)

    items = scoring.in_chunks(documents, DOCUMENTS_AT_ONCE, lambda chunk: _score(config, engine, chunk, before, cut))
    long = sum(item["tokens"] >= engine.context_length for item in items)  # which the token before a document fills up
    begin = engine.tokenizer.spell(before)
    decoding = f"{config.windows} windows" if long else None  # of what is read whole there is but one
    known = measured_by(engine, model, stride=stride, truncated=long, before=begin, decoding=decoding)
    found = scoring.written(items, known)
    method = f"every byte of each document, given what stands before it there; {begin} before its beginning alone; "
    method += f"{config.windows} windows of {engine.context_length} tokens" + ("" if is_disjoint else f" by {stride}")
    tokens = found.figure(BITS_PER_TOKEN, f"{method}; tokens of tokenizer {engine.tokenizer.digest[:12]}")
    perplexity = replace(
        tokens,
        value=2**tokens.value,
        interval=_powers_of_2(tokens.interval),
        clean_value=None if tokens.clean_value is None else 2**tokens.clean_value,
        clean_interval=_powers_of_2(tokens.clean_interval),
    )
    return found.result(found.figure(BITS_PER_BYTE, method), perplexity, examples=())


@stage(version=6, trains_on="train", measures="data")
def evaluate_perplexity_ngram(config: PerplexityConfig, data: Documents, train: Documents, scoring: Scoring) -> Result:
    """Score a byte n-gram model of the training text by the same figure."""
    documents = _documents(config, data)
    texts = [document.text.encode() for document in documents]
    ngrams = NgramModel.fit([document.text.encode() for document in train.iterate()], ORDER)
    items = [_item(config, document, bits) for document, bits in zip(documents, ngrams.bits(texts), strict=True)]
    found = scoring.written(items)
    method = f"every byte of each document, given the {ORDER - 1} before it there: interpolated modified Kneser-Ney"
    return found.result(found.figure(BITS_PER_BYTE, method), examples=())


@stage(version=7, trains_on="train", measures="data")
def evaluate_perplexity_xz(config: PerplexityConfig, data: Documents, train: Documents, scoring: Scoring) -> Result:
    """Score `xz -9` by the same figure. It reads each document alone after the training text, as a model does."""
    documents = _documents(config, data)
    before = "".join(document.text for document in train.iterate()).encode()
    every = bits_behind(before, [document.text.encode() for document in documents])
    found = scoring.written([_item(config, document, bits) for document, bits in zip(documents, every, strict=True)])
    read = (
        "all of the training text" if len(before) <= LARGEST else f"the last {LARGEST >> 20} MiB of the training text"
    )
    method = f"what xz -9 needs more for each document alone, behind {read}, which it may refer back to"
    return found.result(found.figure(BITS_PER_BYTE, method), examples=())


def _powers_of_2(interval: Interval | None) -> Interval | None:
    return interval and (2 ** interval[0], 2 ** interval[1])


def windows(length: int, context: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Cut `length` tokens into (start, end, first scored): each but token 0 is scored once, by a window of `context`.

    From the second window on, the `stride` tokens at a window's end are scored, given all others in it.
    """
    end = min(length, context)
    yield 0, end, 1
    while end < length:
        scored, end = end, min(length, end + stride)
        yield max(0, end - context), end, scored


def disjoint_windows(length: int, context: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Cut in the same way, but into windows that share one token. The last reaches back, to be as long as the others.

    LM Evaluation Harness 0.4.13 cuts in this way (`get_rolling_token_windows` with `context_len=1`).
    """
    for first in range(1, length, stride):
        end = min(first + stride, length)
        yield max(0, end - context), end, first


Cut = Callable[[int], Iterator[tuple[int, int, int]]]


def _score(
    config: PerplexityConfig, engine: DecoderEngine, documents: Sequence[Document], before: Sequence[int], cut: Cut
) -> list[Item]:
    texts = [document.text for document in documents]
    sequences: list[list[int]] = []
    first: list[int] = []
    owner: list[int] = []
    for index, ids in enumerate(engine.tokenizer.encode_batch(texts)):
        if engine.tokenizer.decode(ids) != texts[index]:
            raise LmworksError(
                f"document {documents[index].id}: its tokens do not give its text back, so that bits per byte would "
                "miss a part; use a byte-level tokenizer"
            )
        tokens = [*before, *ids]
        for start, end, scored in cut(len(tokens)):
            sequences.append(tokens[start:end])
            first.append(max(scored, len(before)) - start)
            owner.append(index)
    nats, counts = [0.0] * len(texts), [0] * len(texts)
    for index, scores in zip(owner, engine.log_likelihoods(sequences, first), strict=True):
        nats[index] -= math.fsum(scores)
        counts[index] += len(scores)
    return [
        {**_item(config, document, nat / math.log(2)), "tokens": count}
        for document, nat, count in zip(documents, nats, counts, strict=True)
    ]


def _documents(config: PerplexityConfig, data: Documents) -> list[Document]:
    """Return the documents drawn, evenly from all clusters. Raises UsageError if none has the field of clusters."""
    documents = list(data.iterate())
    require_cluster(config, documents)
    ranked = sorted(documents, key=lambda document: digest_of(document.text))
    drawn = {document.id for document in draw_evenly(ranked, lambda each: _cluster(config, each), config.limit)}
    return [document for document in documents if document.id in drawn]


def _cluster(config: PerplexityConfig, document: Document) -> str:
    return cluster_of(config, document, document.meta.get("service"))


def _item(config: PerplexityConfig, document: Document, bits: float) -> Item:
    return {
        "id": document.id,
        "digest": digest_of(document.text),
        "cluster": _cluster(config, document),
        "bits": bits,
        "bytes": len(document.text.encode()),
    }
