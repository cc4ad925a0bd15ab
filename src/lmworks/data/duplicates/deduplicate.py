"""Duplicates across shards: hash every shard, join similar documents, keep one document of each cluster.

Memory holds a few numbers per document and never its text. Band hashes are read some bands at a time, shingles only
for candidates, both from one file per shard. A row is a document's number across all shards, in their order.

Axes: N documents, b bands, S shingles, M members of buckets.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lmworks.data.duplicates.digits import CODE_COLUMNS, codes_beside, digits_of
from lmworks.data.duplicates.hashed import Hashed, rows_by_shard
from lmworks.data.duplicates.join import Clusters, join_alike
from lmworks.data.duplicates.minhash import jaccard, least_agreement
from lmworks.data.shards.records import (
    CLUSTER,
    Documents,
    as_array,
    clusters_of,
    filter_rows,
    ids_of,
    read_columns,
    write_json_lines,
    write_table,
)
from lmworks.data.shards.steps import Parts, Tally, map_units, origins_of
from lmworks.lazy import NDArray, np, pc
from lmworks.pipeline.stage import Context
from lmworks.pipeline.units import link

_BANDS_BYTES = 2**28
"""Bytes of band hashes in memory at a time."""
_MOST_SHINGLES = 2**23
"""Number of shingles of candidates in memory at a time: 32 MB."""
_REJECTED_PAIRS = 2**20
"""Number of pairs remembered as not similar, so that other bands do not compare them again: some 70 MB."""
_SKETCH_PAIRS = 2**18
"""Number of pairs of sketches that are compared together: 16 MB."""

REASONS = (
    "kept",
    "exact duplicate",
    "near duplicate",
    "exact duplicate of a held-out document",
    "near duplicate of a held-out document",
)


def drop_duplicates(
    documents: Documents,
    avoid: Sequence[Documents],
    threshold: float | None,
    out: Path,
    context: Context,
    *,
    compare_digits: bool = False,
    prefer: Sequence[str] = (),
) -> Tally:
    """Write to `out` all but the document with the smallest id of each cluster of duplicates.

    A document of a preferred source is kept before one with a smaller id from a later source or one not named. A
    cluster holds documents connected by pairs of equal texts and, given a threshold, of near duplicates. If digits are
    compared, a document is dropped only for one with the same digits and labels, except dates, times and counters. A
    cluster with a document of `avoid` keeps none. `clusters.jsonl` lists what was dropped, and for which document. If
    a cluster keeps several documents, a column holds its name, so that later splits keep them together.
    """
    shards = documents.shards()
    everything = shards + [shard for held_out in avoid for shard in held_out.shards()]
    hashed = Hashed(everything, threshold, context, threads=True)
    clusters = find_clusters(hashed, threshold, context)
    reasons, records, different = settle(clusters, hashed, everything, len(shards), compare_digits, prefer)
    edges = hashed.edges.tolist()
    together = kept_together(clusters, reasons[: edges[len(shards)]], hashed, shards)
    tally = drop_units(shards, reasons, edges, out, context, together)
    write_json_lines(out / "clusters.jsonl", records)
    tally.counts["clusters of duplicates"] = len(records)
    if different:
        tally.counts["kept: alike but for their digits"] = different
    return tally


def find_clusters(hashed: Hashed, threshold: float | None, context: Context) -> Clusters:
    """Connect exact duplicates and, given a threshold, verified near duplicates."""
    clusters = Clusters(len(hashed))
    order = np.lexsort(hashed.digests.T)
    equal = (hashed.digests[order[1:]] == hashed.digests[order[:-1]]).all(axis=1)
    clusters.join(order[1:][equal], order[:-1][equal])
    if threshold is None:
        return clusters
    rows = np.flatnonzero(clusters.roots == np.arange(len(hashed)))  # one of each set of equal texts
    proof = Proof(hashed, threshold)
    step = max(1, _BANDS_BYTES // (4 * max(1, len(hashed))))
    context.progress.start(hashed.bands, "bands")
    for first in range(0, hashed.bands, step):
        for number, band in enumerate(hashed.read_bands(first, min(first + step, hashed.bands))):
            context.check_stop()
            join_alike(band[rows], rows, clusters, proof)
            context.progress.update(first + number + 1)
    return clusters


class Proof:
    """Test of pairs for near duplicates, by all their shingles."""

    def __init__(self, hashed: Hashed, threshold: float) -> None:
        self._hashed = hashed
        self._threshold = threshold
        self._sets: dict[int, NDArray[np.uint32]] = {}
        self._held = 0
        self._unlike: set[int] = set()

    def __call__(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each pair whether its similarity reaches the threshold."""
        alike, known = np.zeros(len(first), bool), self._hashed.sketches
        for start in range(0, len(first), _SKETCH_PAIRS):
            some = slice(start, start + _SKETCH_PAIRS)
            agreeing = (known[first[some]] == known[second[some]]).sum(axis=1)
            # Most pairs of texts with a licence in common end here.
            for place in (start + np.flatnonzero(agreeing >= least_agreement(self._threshold))).tolist():
                alike[place] = self._is_alike(*sorted((int(first[place]), int(second[place]))))
        return alike

    def _is_alike(self, low: int, high: int) -> bool:
        pair = low << 32 | high
        if pair in self._unlike:
            return False
        if self._held > _MOST_SHINGLES:
            self._sets, self._held = {}, 0
        is_alike = jaccard(self._shingles(low), self._shingles(high)) >= self._threshold
        if not is_alike:
            if len(self._unlike) >= _REJECTED_PAIRS:
                self._unlike.clear()
            self._unlike.add(pair)
        return is_alike

    def _shingles(self, row: int) -> NDArray[np.uint32]:
        if row not in self._sets:
            self._sets[row] = self._hashed.read_shingles(row)
            self._held += len(self._sets[row])
        return self._sets[row]


def settle(
    clusters: Clusters,
    hashed: Hashed,
    shards: Sequence[Path],
    held_out_from: int,
    compare_digits: bool,
    prefer: Sequence[str] = (),
) -> tuple[NDArray[np.uint8], list[dict[str, list[str]]], int]:
    """Decide which documents of each cluster stay.

    Return for each row its place in `REASONS` (0 if it stays); records of the documents that stay and are dropped,
    sorted by smallest id; and how many more documents stay because their digits or labels differ.
    """
    reasons = np.zeros(len(hashed), np.uint8)
    rows = np.flatnonzero(np.bincount(clusters.roots)[clusters.roots] > 1)
    ids = read_ids(shards, hashed.edges, rows)
    ranks = np.zeros(len(rows), np.int64)
    if prefer:
        places = {name: place for place, name in enumerate(prefer)}
        sources = (record["source"] for record in _read(shards, hashed.edges, rows, ["source"]))
        ranks[:] = [places.get(source, len(places)) for source in sources]
    order = np.lexsort((ids, ranks, clusters.roots[rows]))
    rows, ids, ranks = rows[order], ids[order], ranks[order]
    if not len(rows):
        return reasons, [], 0
    groups = np.split(np.arange(len(rows)), np.flatnonzero(np.diff(clusters.roots[rows])) + 1)
    first_held_out = int(hashed.edges[held_out_from])
    keepers = _keepers(groups, rows, ranks, hashed, shards, first_held_out) if compare_digits else {}
    records, different = [], 0
    for members in groups:
        is_avoided = rows[members] >= first_held_out
        avoided, train = members[is_avoided], members[~is_avoided]
        if len(avoided):
            parts = [(train[:0], train)]
        else:
            of = np.array([keepers.get(member, int(train[0])) for member in train.tolist()])
            parts = [(kept, train[(of == kept) & (train != kept)]) for kept in train[np.isin(train, of)][:, None]]
            different += len(parts) - 1
        for kept, rest in parts:
            if not len(rest):
                continue
            seen = {hashed.digests[row].tobytes() for row in rows[avoided if len(avoided) else kept]}
            for row in rows[rest]:
                digest = hashed.digests[row].tobytes()
                reasons[row] = (1 if digest in seen else 2) + (2 if len(avoided) else 0)
                seen.add(digest)
            names = {"kept": kept, "dropped": rest, "held_out": avoided}
            record = {name: [ids[member].decode() for member in some] for name, some in names.items()}
            records.append((min(ids[[*kept, *rest, *avoided]].tolist()), record))
    return reasons, [record for _, record in sorted(records, key=lambda pair: pair[0])], different


def kept_together(
    clusters: Clusters, reasons: NDArray[np.uint8], hashed: Hashed, shards: Sequence[Path]
) -> dict[int, str]:
    """Return the cluster's name for each row that stays with a near copy, now or after an earlier search."""
    known = clusters_of(shards)
    firsts: dict[str, int] = {}
    pairs = np.array([(row, firsts.setdefault(name, row)) for row, name in known.items()], np.int64).reshape(-1, 2)
    clusters.join(pairs[:, 0], pairs[:, 1])
    roots = clusters.roots[: len(reasons)]
    stays = np.bincount(roots[reasons == 0], minlength=len(clusters.roots))
    is_known = np.isin(np.arange(len(reasons)), list(known))
    rows = np.flatnonzero((reasons == 0) & ((stays[roots] > 1) | is_known))
    ids = zip(rows.tolist(), read_ids(shards, hashed.edges, rows).tolist(), strict=True)
    # The least known name comes first: copies may have gone other ways since.
    named = [(row, (0, name)) for row, name in known.items()] + [(row, (1, name.decode())) for row, name in ids]
    names: dict[int, tuple[int, str]] = {}
    for row, name in named:
        root = int(roots[row])
        names[root] = min(names.get(root, name), name)
    return {row: names[int(roots[row])][1] for row in rows.tolist()}


def _keepers(
    groups: Sequence[NDArray[np.int64]],
    rows: NDArray[np.int64],
    ranks: NDArray[np.int64],
    hashed: Hashed,
    shards: Sequence[Path],
    first_held_out: int,
) -> dict[int, int]:
    """Return for each member of a cluster the member that stays for it.

    Clusters with held-out texts are left out, because a test item is not new if only its numbers differ.
    """
    asked = [members for members in groups if rows[members].max() < first_held_out]
    unlike = [members for members in asked if len(np.unique(hashed.digests[rows[members]], axis=0)) > 1]
    some, texts = (np.sort(rows[np.concatenate([np.zeros(0, np.int64), *part])]) for part in (asked, unlike))
    records = _read(shards, hashed.edges, some, CODE_COLUMNS)
    codes = dict(zip(some.tolist(), map(codes_beside, records), strict=True))
    records = _read(shards, hashed.edges, texts, ["text"])
    digits = dict(zip(texts.tolist(), (digits_of(record["text"]) for record in records), strict=True))
    found: dict[int, int] = {}
    for members in asked:
        order = sorted(members.tolist(), key=lambda member: (ranks[member], not codes[int(rows[member])]))
        kept: dict[tuple[tuple[str, ...], frozenset[tuple[str, str]] | None], int] = {}
        for member in order:
            row = int(rows[member])
            own = digits.get(row, ()), codes[row] or None
            found[member] = kept.setdefault(own, member)
            kept.setdefault((own[0], None), found[member])  # for which one without a label goes
    return found


def _read(
    shards: Sequence[Path], edges: NDArray[np.int64], rows: NDArray[np.int64], columns: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield some columns of ascending rows."""
    for shard, _, places in rows_by_shard(edges, rows):
        yield from read_columns(shards[shard], columns).take(as_array(places)).to_pylist()


def read_ids(shards: Sequence[Path], edges: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bytes_]:
    """Return the ids of ascending rows."""
    found = [ids_of(shards[shard])[places] for shard, _, places in rows_by_shard(edges, rows)]
    return np.concatenate([np.zeros(0, "S1"), *found])


def drop_units(
    shards: Sequence[Path],
    reasons: NDArray[np.uint8],
    edges: Sequence[int],
    out: Path,
    context: Context,
    together: Mapping[int, str],
) -> Tally:
    """Leave out of each shard the rows that have a reason (a place in `REASONS` above 0).

    `edges` holds the first row of each shard. `together` names the cluster of some rows that stay.
    """
    named: list[dict[int, str]] = [{} for _ in shards]
    for row, name in together.items():
        shard = bisect_right(edges, row) - 1
        named[shard][row - edges[shard]] = name
    units = [
        (index, shard, reasons[edges[index] : edges[index + 1]], named[index]) for index, shard in enumerate(shards)
    ]
    origins = [
        replace(origin, settings=[hashlib.sha256(gone.tobytes()).hexdigest(), sorted(names.items())])
        for origin, (_, _, gone, names) in zip(origins_of(shards), units, strict=True)
    ]
    return map_units(units, partial(drop_rows, out), out, context, step="drop", threads=True, origins=origins)


def drop_rows(out: Path, unit: tuple[int, Path, NDArray[np.uint8], Mapping[int, str]]) -> tuple[Parts, Tally]:
    """Leave out the duplicates of one shard, and name the clusters of the documents that stay."""
    index, shard, reasons, clusters = unit
    table = read_columns(shard)
    if clusters:
        names = as_array([clusters.get(row) for row in range(len(table))])
        table = table.drop_columns([CLUSTER] * (CLUSTER in table.column_names)).append_column(CLUSTER, names)
    tally = Tally()
    for row in reasons.nonzero()[0].tolist():
        document_id, text = (table.column(name)[row].as_py() for name in ("id", "text"))
        tally.lose(REASONS[reasons[row]], id=document_id, text=text[:200])
    path = out / f"part-{index:05d}.parquet"
    kept = filter_rows(table, reasons == 0)
    if len(kept) == len(table) and not clusters:
        link(shard, path)  # it would be written as it is
    elif len(kept):
        write_table(path, kept)
    tally.files += [path] * bool(len(kept))
    tally.counts["documents"] += len(kept)
    tally.counts["bytes"] += pc.sum(pc.binary_length(kept.column("text"))).as_py() or 0
    return {}, tally
