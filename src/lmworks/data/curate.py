"""Curate: keep what is worth learning from, once, and nothing that gives a held-out text away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lmworks.data.documents import Document, Documents, read_shard, write_file, write_json_lines
from lmworks.data.duplicates import Clusters, candidate_buckets, jaccard, shingles, signature
from lmworks.data.filters import FILTERS, FilterSettings, detect_language
from lmworks.data.steps import Parts, Tally, map_shards, map_units
from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import Reference, StepConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NearDuplicates(StepConfig):
    """When two texts count as one."""

    jaccard: float = Field(
        default=0.8, gt=0, le=1, description="Least share of 5-word phrases in common: the field's usual choice."
    )


class CurateConfig(StepConfig):
    """Filter documents, then drop exact and near duplicates."""

    kind: Literal["curate"] = "curate"
    documents: Reference = Field(alias="from", description="The documents to curate.")
    filters: list[Literal["length", "language", "repetition"]] = Field(
        default=["length", "language", "repetition"], description="Applied in this order; a document counts once."
    )
    languages: list[str] = Field(default=["en"], description="What the language filter keeps: ISO 639-1 codes.")
    near_duplicates: NearDuplicates | None = Field(
        default=NearDuplicates(), description="Null searches for exact duplicates only."
    )
    avoid: list[Reference] = Field(
        default=[], description="Held-out documents: what repeats one of them is dropped, so that no score is inflated."
    )


@stage(version=1)
def curate(config: CurateConfig, documents: Documents, avoid: list[Documents], out: Path, context: Context) -> Result:
    """Filter, then drop all but the document with the smallest id of each cluster of duplicates.

    A cluster holds what is connected by duplicate pairs. A cluster with a document of `avoid` keeps none.
    `clusters.jsonl` lists them all.
    """
    filtered = context.scratch / "filtered"
    tally = map_shards(documents, filter_shard, config, filtered, context, step="filter")
    sets = [Documents(filtered, ""), *avoid]
    if not sets[0].shards():
        raise LmworksError(f"curate: the filters leave no document. Dropped by reason: {dict(tally.counts)}.")
    shards = [shard for each in sets for shard in each.shards()]
    owners = [number for number, each in enumerate(sets) for _ in each.shards()]
    hashed = context.scratch / "hashed"
    map_units(list(enumerate(shards)), partial(_hash_shard, hashed), hashed, context, parts=(), step="hash")
    table = _Table(hashed, owners)
    clusters = find_clusters(table, config.near_duplicates.jaccard if config.near_duplicates else None)
    dropped: dict[str, str] = {}
    records = [_settle(cluster, table, dropped) for cluster in clusters]
    tally.add(map_shards(sets[0], partial(drop_shard, dropped), config, out, context, step="drop"))
    write_json_lines(out / "clusters.jsonl", records)
    tally.counts["clusters of duplicates"] = len(records)
    return Result(counts=tally.counts, examples=tally.examples)


def filter_shard(config: CurateConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    """Apply each filter to one shard, and note the language of what passes."""
    settings = FilterSettings(tuple(config.languages))
    tally, kept = Tally(), []
    for document in documents:
        reason = next(filter(None, (FILTERS[name](document, settings) for name in config.filters)), None)
        if reason:
            tally.note(reason, id=document.id, text=document.text[:200])
        else:
            kept.append(replace(document, language=detect_language(document.text)[0]))
    return {"": kept}, tally


def drop_shard(dropped: dict[str, str], config: CurateConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    """Leave out the duplicates of one shard."""
    tally, kept = Tally(), []
    for document in documents:
        if document.id in dropped:
            tally.note(dropped[document.id], id=document.id, text=document.text[:200])
        else:
            kept.append(document)
    tally.counts["documents"] += len(kept)
    tally.counts["bytes"] += sum(len(document.text.encode()) for document in kept)
    return {"": kept}, tally


def _hash_shard(folder: Path, numbered: tuple[int, Path]) -> tuple[Parts, Tally]:
    """Store the ids, text digests, signatures and shingles of one shard."""
    import io

    import numpy as np

    index, shard = numbered
    documents = read_shard(shard)
    sets = [shingles(document.text) for document in documents]
    stream = io.BytesIO()
    np.savez(
        stream,
        ids=np.array([document.id for document in documents], "S32"),
        digests=np.array([document.text_digest for document in documents], "S64"),
        signatures=np.stack([signature(each) for each in sets]),
        shingles=np.concatenate(sets),
        ends=np.cumsum([len(each) for each in sets]),
    )
    write_file(folder / f"{index:05d}.npz", stream.getvalue())
    return {}, Tally()


class _Table:
    """What is known of every document in the search, in the order of ids."""

    def __init__(self, folder: Path, owners: Sequence[int]) -> None:
        import numpy as np

        parts = [np.load(path) for path in sorted(folder.glob("*.npz"))]
        ids = np.concatenate([part["ids"] for part in parts])
        order = np.argsort(ids)
        self.ids: list[str] = [name.decode() for name in ids[order]]
        self.avoided: list[bool] = np.concatenate(
            [np.full(len(part["ids"]), owner > 0) for part, owner in zip(parts, owners, strict=True)]
        )[order].tolist()
        self.digests: list[bytes] = np.concatenate([part["digests"] for part in parts])[order].tolist()
        self.signatures: NDArray[np.uint32] = np.concatenate([part["signatures"] for part in parts])[order]
        sets = [each for part in parts for each in np.split(part["shingles"], part["ends"][:-1])]
        self.shingles = [sets[row] for row in order]


def find_clusters(table: _Table, threshold: float | None) -> Iterator[list[int]]:
    """Sets of two and more documents connected by exact duplicates and, given a threshold, verified near ones."""
    clusters = Clusters(len(table.ids))
    first_with: dict[bytes, int] = {}
    for row, digest in enumerate(table.digests):
        clusters.join(first_with.setdefault(digest, row), row)
    if threshold is not None:
        for bucket in candidate_buckets(table.signatures, threshold):
            _join_alike(bucket.tolist(), table, threshold, clusters)
    members = defaultdict(list)
    for row in range(len(table.ids)):
        members[clusters.find(row)].append(row)
    return (rows for rows in members.values() if len(rows) > 1)


def _join_alike(bucket: list[int], table: _Table, threshold: float, clusters: Clusters) -> None:
    """Join what near duplicates connect in a bucket. Linear in its size if all are alike, as in a flood of copies."""
    while bucket:
        reached = [bucket.pop(0)]
        while reached and bucket:
            row = reached.pop()
            alike, others = [], []
            for other in bucket:
                known = clusters.find(other) == clusters.find(row)
                if known or jaccard(table.shingles[other], table.shingles[row]) >= threshold:
                    clusters.join(other, row)
                    alike.append(other)
                else:
                    others.append(other)
            reached += alike
            bucket = others


def _settle(cluster: Sequence[int], table: _Table, dropped: dict[str, str]) -> dict[str, Any]:
    """Decide what of a cluster stays, add the rest to `dropped` with the reason, and describe the cluster."""
    avoided = [row for row in cluster if table.avoided[row]]
    train = [row for row in cluster if not table.avoided[row]]
    kept, rest = ([], train) if avoided else (train[:1], train[1:])
    seen = {table.digests[row] for row in avoided or kept}
    for row in rest:
        alike = "exact" if table.digests[row] in seen else "near"
        seen.add(table.digests[row])
        dropped[table.ids[row]] = f"{alike} duplicate of a held-out document" if avoided else f"{alike} duplicate"
    names = {"kept": kept, "dropped": rest, "held_out": avoided}
    return {name: [table.ids[row] for row in rows] for name, rows in names.items()}
