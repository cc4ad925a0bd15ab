"""What records say beside their texts: labels, answers of one word, numbers. A record goes for none that says another.

Keys, addresses of pages and times are no such thing: each record has its own, copies too. They are told by the name of
their field, or by having nearly as many values as records.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from lmworks.data.base.structure import Field, codes_of
from lmworks.data.duplicates.hashed import rows_by_shard
from lmworks.data.shards.records import as_array, read_columns
from lmworks.lazy import NDArray, np

_KEY = re.compile(
    r"(?:^|[._-])(?:id|ids|uid|uuid|guid|key|ur[il]|link|href|index|idx|row|number|hash|sha\d*|md5|time|timestamp|date"
    r"|(?:created|updated|modified)(?:_at)?)(?:\.\d+)*$",
    re.IGNORECASE,
)
_KEY_IN_CAPITALS = re.compile(r"[a-z](?:Id|ID|Uuid|UUID|Url|URL|Uri|URI|Key|Index|Hash|At)(?:\.\d+)*$")
_LEAST_RECORDS, _MOST_DIFFERENT = 20, 0.9
"""Of so many records with a field, those whose values differ in a larger share are taken to be keyed by it."""


def read_codes(shards: Sequence[Path], edges: NDArray[np.int64], rows: NDArray[np.int64]) -> dict[int, frozenset[str]]:
    """The codes and the label of each of some ascending rows, with the names of their fields."""
    found: dict[int, Mapping[str, str]] = {}
    for shard, some, places in rows_by_shard(edges, rows):
        table = read_columns(shards[shard], ["meta", "field_names", "field_texts", "structure"])
        found |= dict(zip(some.tolist(), map(_codes, table.take(as_array(places)).to_pylist()), strict=True))
    values: defaultdict[str, set[str]] = defaultdict(set)
    times: defaultdict[str, int] = defaultdict(int)
    for codes in found.values():
        for name, value in codes.items():
            values[name].add(value)
            times[name] += 1
    keys = {
        name
        for name, number in times.items()
        if number >= _LEAST_RECORDS and len(values[name]) > _MOST_DIFFERENT * number
    }
    return {
        row: frozenset(f"{name}\0{value}" for name, value in codes.items() if name not in keys)
        for row, codes in found.items()
    }


def _codes(record: Mapping[str, object]) -> dict[str, str]:
    """By field, without those that are keys by their names."""
    found: dict[str, str] = {}
    names, texts, structure = (record.get(name) for name in ("field_names", "field_texts", "structure"))
    if isinstance(structure, str) and isinstance(names, list) and isinstance(texts, list):
        codes = codes_of(tuple(map(Field, names, texts)), structure)
        found = {
            name: value for name, value in codes.items() if not _KEY.search(name) and not _KEY_IN_CAPITALS.search(name)
        }
    meta = str(record["meta"])
    if '"label"' in meta and (label := json.loads(meta).get("label")) is not None:
        found["label of the record"] = json.dumps(label)
    return found
