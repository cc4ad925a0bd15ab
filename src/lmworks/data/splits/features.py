"""Features that a split balances, as numbered values of every document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lmworks.data.licences.gate import licence_class
from lmworks.data.quality.language import detect_language
from lmworks.data.shards.records import Document, read_shard
from lmworks.lazy import NDArray, np

FEATURES = ("length", "language", "source", "licence", "quality")
BINS = 10
"""Number of bins of length and of quality, each with a tenth of all documents."""


def describe_shard(shard: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the features of one shard's documents."""
    records = [_describe(document) for document in read_shard(shard)]
    yield "json", json.dumps({name: [record[name] for record in records] for name in FEATURES}).encode()


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
    """Return an ISO 8601 date, or the beginning of a month or year, in seconds since 1970; None if unreadable."""
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


def read_features(folder: Path) -> dict[str, NDArray[np.int64]]:
    """Return the value of each document [N] for every feature, in the order of shards, numbered from 0."""
    shards = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    found: dict[str, NDArray[np.int64]] = {}
    for name in FEATURES:
        column = [value for shard in shards for value in shard[name]]
        if name in ("language", "source", "licence"):
            found[name] = np.unique([str(value) for value in column], return_inverse=True)[1].astype(np.int64)
        else:
            found[name] = _bins(np.array([np.nan if value is None else value for value in column], float), BINS)
    return found


def _bins(numbers: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the number of the quantile that each number lies in. NaN has a bin of its own at the end."""
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return np.zeros(len(numbers), np.int64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, count + 1)[1:-1]))
    found = np.searchsorted(edges, numbers, side="right")
    return np.where(np.isnan(numbers), len(edges) + 1, found).astype(np.int64)
