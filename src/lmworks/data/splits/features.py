"""What a split balances: the features of every document, as numbered values.

Topics are clusters of hashed TF-IDF vectors after a truncated SVD (latent semantic analysis, Deerwester et al. 1990),
by mini-batch k-means. The distance to the centre of its topic tells a typical document from an unusual one, so that
both are tested (Shahrabadi et al. 2024, doi:10.3390/a17030106).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from lmworks.data.licences.gate import licence_class
from lmworks.data.quality.language import detect_language
from lmworks.data.records import Document, as_array, read_shard
from lmworks.data.words import hash_words
from lmworks.lazy import NDArray, np

Feature = Literal["length", "language", "source", "licence", "quality", "topic", "distance"]
FEATURES: tuple[Feature, ...] = get_args(Feature)

LENGTH_BINS, QUALITY_BINS, DISTANCE_BINS = 10, 10, 5
"""Tenths of all documents; fifths of a topic, which is smaller."""
HASHED_WORDS = 2**14
COMPONENTS = 32
SAMPLE = 20_000
"""Documents that topics are learned from: enough for tens of clusters, and bounded in memory."""


def describe_shard(with_topics: bool, shard: Path) -> Iterator[tuple[str, bytes]]:
    """The features of one shard's documents, and with topics how often each hashed word occurs."""
    documents = read_shard(shard)
    records = [_describe(document) for document in documents]
    columns = {name: [record[name] for record in records] for name in records[0]}
    yield "json", json.dumps(columns).encode()
    if with_topics:
        yield "npz", _count_words([document.text for document in documents])


def _describe(document: Document) -> dict[str, Any]:
    quality = document.meta.get("quality")
    return {
        "length": len(document.text),
        "language": document.language or detect_language(document.text)[0],
        "source": document.source,
        "licence": licence_class(document.licence),
        "quality": float(quality) if isinstance(quality, int | float) else None,
    }


def moment(created: str | None) -> float | None:
    """Seconds since 1970 of an ISO 8601 date; of a month or a year, its beginning; None if it cannot be read."""
    text = (created or "").strip()
    if text.isdigit() and len(text) == 4:
        text += "-01-01"
    elif len(text) == 7:
        text += "-01"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def read_features(folder: Path, wanted: Sequence[Feature], topics: int, seed: int) -> dict[str, NDArray[np.int64]]:
    """The value of each document [N] for every feature wanted, in the order of shards, numbered from 0."""
    found: dict[str, NDArray[np.int64]] = {}
    for name in [name for name in wanted if name not in ("topic", "distance")]:
        column = [value for path in sorted(folder.glob("*.json")) for value in json.loads(path.read_text())[name]]
        if name in ("language", "source", "licence"):
            found[name] = np.unique([str(value) for value in column], return_inverse=True)[1].astype(np.int64)
        else:
            numbers = np.array([np.nan if value is None else value for value in column], float)
            found[name] = _bins(numbers, LENGTH_BINS if name == "length" else QUALITY_BINS)
    if {"topic", "distance"} & set(wanted):
        topic, distance, _ = find_topics(folder, topics, seed)
        if "topic" in wanted:
            found["topic"] = topic
        if "distance" in wanted:
            found["distance"] = np.zeros_like(topic)
            for number in range(int(topic.max()) + 1):
                found["distance"][topic == number] = _bins(distance[topic == number], DISTANCE_BINS)
    return found


def _bins(numbers: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The quantile that each number lies in, from 0; what is no number has a bin of its own at the end."""
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return np.zeros(len(numbers), np.int64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, count + 1)[1:-1]))
    found = np.searchsorted(edges, numbers, side="right")
    return np.where(np.isnan(numbers), len(edges) + 1, found).astype(np.int64)


def _count_words(texts: Sequence[str]) -> bytes:
    indices, counts, lengths = [np.zeros(0, np.uint16)], [np.zeros(0, np.float32)], [np.zeros(1, np.int64)]
    for words in hash_words(as_array(texts)):
        owners = np.repeat(np.arange(len(words.counts)), words.counts)
        buckets = (words.hashes % np.uint64(HASHED_WORDS)).astype(np.int64)
        cells, times = np.unique(owners * HASHED_WORDS + buckets, return_counts=True)
        indices.append((cells % HASHED_WORDS).astype(np.uint16))
        counts.append(times.astype(np.float32))
        lengths.append(np.bincount(cells // HASHED_WORDS, minlength=len(words.counts)))
    edges = np.cumsum(np.concatenate(lengths))
    stream = io.BytesIO()
    np.savez(stream, counts=np.concatenate(counts), indices=np.concatenate(indices), indptr=edges)
    return stream.getvalue()


def find_topics(folder: Path, topics: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64], list[int]]:
    """The topic of each document [N], its distance to the topic's centre [N], and where each shard's documents start.

    Learned from a sample, applied shard by shard. One thread, so that the number of cores changes no bit.
    """
    from scipy.sparse import vstack
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        weights, count = _inverse_frequencies(folder)
        chosen = np.zeros(count, bool)
        chosen[np.random.default_rng(seed).permutation(count)[:SAMPLE]] = True
        sample = vstack([rows[chosen[place]] for place, rows in _vectors(folder, weights)])
        reduction = TruncatedSVD(min(COMPONENTS, sample.shape[0]), random_state=seed).fit(sample)
        clusters = MiniBatchKMeans(min(topics, sample.shape[0]), random_state=seed, n_init=3)
        clusters.fit(normalize(reduction.transform(sample)))
        topic, distance, starts = np.zeros(count, np.int64), np.zeros(count), [0]
        for place, rows in _vectors(folder, weights):
            distances = clusters.transform(normalize(reduction.transform(rows)))
            topic[place], distance[place] = distances.argmin(axis=1), distances.min(axis=1)
            starts.append(place.stop)
    return topic, distance.round(6), starts  # the last digits depend on the processor; bins must not


def _inverse_frequencies(folder: Path) -> tuple[NDArray[np.float64], int]:
    """Inverse document frequency of each hashed word, and the number of documents."""
    documents, found = 0, np.zeros(HASHED_WORDS)
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as words:
            found += np.bincount(words["indices"], minlength=HASHED_WORDS)
            documents += len(words["indptr"]) - 1
    return np.log((1 + documents) / (1 + found)) + 1, documents


def _vectors(folder: Path, weights: NDArray[np.float64]) -> Iterator[tuple[slice, Any]]:
    """TF-IDF rows of each shard, of length 1, and the places of its documents."""
    from scipy.sparse import csr_array
    from sklearn.preprocessing import normalize

    start = 0
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as words:
            indices = words["indices"].astype(np.int32)
            values = (1 + np.log(words["counts"])) * weights[indices]
            rows = csr_array((values, indices, words["indptr"]), shape=(len(words["indptr"]) - 1, HASHED_WORDS))
        yield slice(start, start + rows.shape[0]), normalize(rows)
        start += rows.shape[0]
