"""Semantic duplicates: texts that say the same in other words, by the cosine of their embeddings.

SemDeDup (Abbas et al. 2023, arXiv 2303.09540): k-means puts embeddings into cells, and only texts of one cell are
compared. Unlike there, a text is dropped only if one that stays is like it, and of those alike the smallest id stays.

Axes: N documents, M documents of a cell, D width of an embedding.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field

from lmworks.data.duplicates.codes import read_codes
from lmworks.data.duplicates.deduplicate import REASONS, drop_units, read_ids
from lmworks.data.pretrained import load, mean_of_tokens, model_digest, most_tokens
from lmworks.data.records import Documents, read_columns, write_json_lines
from lmworks.data.steps import keep_beside
from lmworks.lazy import NDArray, np
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import BesideRecipe, Reference

CELL_DOCUMENTS = 1_000
"""Documents of a cell on average: a cell's similarities are then computed in milliseconds."""
SAMPLE = 50_000
"""Embeddings that the cells are learned from: 77 MB at a width of 384."""
_BLOCK_ROWS = 1_024
"""Rows compared in one go with all of their cell."""


class SemanticConfig(BesideRecipe):
    """Drop documents that say what another says, by the embeddings of a model that the user supplies."""

    packages: ClassVar[tuple[str, ...]] = ("sklearn", "threadpoolctl", "transformers")
    makes: ClassVar[str] = "documents"
    kind: Literal["semantic-duplicates"] = "semantic-duplicates"
    documents: Reference = Field(alias="from", description="The documents to search.")
    encoder: str = Field(
        description="Folder of a Hugging Face encoder whose mean-pooled output is a sentence embedding, such as "
        "all-MiniLM-L6-v2; relative to the recipe."
    )
    cosine: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Least similarity of duplicates. With all-MiniLM-L6-v2, of labelled STS-B pairs half of the "
        "paraphrases lie above it and next to nothing else; another encoder needs a value of its own.",
    )
    tokens: int = Field(
        default=256, ge=8, description="Tokens embedded from a text's start: what all-MiniLM-L6-v2 was trained to read."
    )
    encoder_digest: str = Field(default="", description="Digest of the encoder's files; set by `resolve`.")

    def resolve(self, folder: Path) -> Self:
        """This config with the digest of the encoder: other weights give other duplicates."""
        digest = model_digest(folder / self.encoder, "encoder")
        return super().resolve(folder).model_copy(update={"encoder_digest": digest})


@stage(version=3, reads="documents")
def semantic_duplicates(config: SemanticConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Keep of each group of like documents the one with the smallest id. `clusters.jsonl` lists the groups.

    One that has another label, or says something else in codes and numbers beside its text, stays.
    """
    shards = documents.shards()
    one_process = replace(context, workers=1)  # the model computes in threads of its own
    embedding = partial(embed_shard, config)
    folder = keep_beside(shards, embedding, one_process, "embedded", config.encoder_digest, config.tokens)
    embedded = [np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))]
    edges = np.cumsum([0, *map(len, embedded)])
    ids = read_ids(shards, edges, np.arange(edges[-1]))
    cells = find_cells(embedded)
    lead_of = np.arange(len(ids))
    number_of_cells = int(cells.max(initial=-1)) + 1
    context.progress.start(number_of_cells, "cells")
    for cell in range(number_of_cells):
        context.check_stop()
        inside = cells == cell
        vectors = np.concatenate([some[inside[at : at + len(some)]] for at, some in zip(edges, embedded, strict=False)])
        rows = np.flatnonzero(inside)
        order = np.argsort(ids[rows])
        lead_of[rows[order]] = rows[order][nearest_kept(vectors[order], config.cosine)]
        context.progress.update(cell + 1)
    alike = np.flatnonzero(lead_of != np.arange(len(ids)))
    codes = read_codes(shards, edges, np.union1d(alike, lead_of[alike]))
    groups: dict[int, list[int]] = {}
    for row, lead in zip(alike.tolist(), lead_of[alike].tolist(), strict=True):
        if codes[row] <= codes[lead]:
            groups.setdefault(lead, []).append(row)
    reasons, records = np.zeros(len(ids), np.uint8), []
    for lead, rest in groups.items():
        reasons[rest] = REASONS.index("semantic duplicate")
        names = sorted(ids[row].decode() for row in rest)
        records.append({"kept": [ids[lead].decode()], "dropped": names, "held_out": []})
    tally = drop_units(shards, reasons, edges.tolist(), out, context)
    write_json_lines(out / "clusters.jsonl", sorted(records, key=lambda record: record["kept"]))
    tally.counts["clusters of duplicates"] = len(records)
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def embed_shard(config: SemanticConfig, shard: Path) -> Iterator[tuple[str, bytes]]:
    """The embeddings of one shard."""
    texts = read_columns(shard, ["text"]).column("text").to_pylist()
    stream = io.BytesIO()
    np.save(stream, embed(config.folder / config.encoder, texts, config.tokens))
    yield "npy", stream.getvalue()


def embed(folder: Path, texts: Sequence[str], tokens: int) -> NDArray[np.float32]:
    """Embeddings [N, D] of length 1: the mean over a text's first tokens of what the encoder in a folder puts out."""
    tokenizer, model = load(folder, "AutoModel")
    tokenizer.enable_truncation(min(tokens, most_tokens(model)))
    return mean_of_tokens(model, tokenizer.encode_batch(texts))


def find_cells(embedded: Sequence[NDArray[np.float32]]) -> NDArray[np.int64]:
    """The cell of each document [N]: k-means on a seeded sample, in one thread so that no bit depends on the cores."""
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    count = sum(map(len, embedded))
    if count < 2 * CELL_DOCUMENTS:
        return np.zeros(count, np.int64)
    share = min(1, SAMPLE / count)
    draw = np.random.default_rng(0)
    sample = np.concatenate([some[draw.random(len(some)) < share] for some in embedded])
    with threadpool_limits(1):
        cells = MiniBatchKMeans(count // CELL_DOCUMENTS, random_state=0, n_init=1).fit(sample)
        return np.concatenate([cells.predict(some) for some in embedded if len(some)]).astype(np.int64)


def nearest_kept(vectors: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """For each row of unit vectors [M, D] the first earlier row that stays and is like it, else the row itself [M]."""
    leads = np.arange(len(vectors))
    stays = np.ones(len(vectors), bool)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS]
        alike = block @ vectors[: start + len(block)].T >= threshold
        for row in np.flatnonzero(np.tril(alike, start - 1).any(axis=1)).tolist():
            earlier = np.flatnonzero(alike[row, : start + row] & stays[: start + row])
            if len(earlier):
                leads[start + row], stays[start + row] = earlier[0], False
    return leads
