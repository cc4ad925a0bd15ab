"""Hashes of a shard for the search for duplicates, in one file: written once, read in parts.

A row is a document's number across all shards, in their order. Axes: N documents, b bands, S shingles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from lmworks.data.duplicates.minhash import SKETCH, bands, shingles, signatures, sketches
from lmworks.data.shards.records import read_columns
from lmworks.data.shards.steps import keep_beside
from lmworks.lazy import NDArray, np
from lmworks.pipeline.stage import Context

_FIXED_BYTES = 16 + 4 + SKETCH
"""Size of a document's digest, count and sketch in the file of its shard."""


def rows_by_shard(
    edges: NDArray[np.int64], rows: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield each shard that has some of `rows` (ascending), these rows and their places in it. `edges`: first rows."""
    for shard in np.unique(np.searchsorted(edges, rows, "right") - 1).tolist():
        some = rows[slice(*np.searchsorted(rows, edges[shard : shard + 2]))]
        yield shard, some, some - edges[shard]


def hash_shard(threshold: float | None, shard: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the text digests, sketches, band hashes and shingles of one shard, as one file."""
    table = read_columns(shard, ["text", "text_digest"])
    half_digests = "".join(digest[:32] for digest in table.column("text_digest").to_pylist())
    counts, found, sketched, hashes = [np.zeros(0, np.int64)], [], [], []
    for texts in table.column("text").chunks if threshold else ():
        some, number = shingles(texts)
        hashes.append(some.tobytes())
        counts.append(number)
        signed = signatures(some, number)
        sketched.append(sketches(signed).tobytes())
        found.append(bands(signed, threshold or 0))
    joined = np.concatenate(found, axis=1) if found else np.zeros((0, len(table)), np.uint32)
    number = np.concatenate(counts) if found else np.zeros(len(table), np.int64)
    head = np.array([len(table), len(joined)], np.uint64).tobytes()
    if not found:
        sketched = [bytes(SKETCH * len(table))]
    start = (head, bytes.fromhex(half_digests), number.astype(np.uint32).tobytes())
    yield "hashed", b"".join((*start, *sketched, joined.tobytes(), *hashes))


class Hashed:
    """Result of `hash_shard`: N and b, digests [N, 2], counts [N], sketches, bands [b, N], shingles [S]."""

    def __init__(
        self, shards: Sequence[Path], threshold: float | None, context: Context, threads: bool = False
    ) -> None:
        hashing = partial(hash_shard, threshold)
        folder = keep_beside(shards, hashing, context, "hashed", threshold, threads=threads)
        self._paths = paths = sorted(folder.glob("*.hashed"))
        sizes, digests, counts = [0], [np.zeros((0, 2), np.uint64)], [np.zeros(0, np.uint32)]
        sketched = [np.zeros((0, SKETCH), np.uint8)]
        self.bands = 0
        for path in paths:
            with path.open("rb") as stream:
                size, self.bands = (int(number) for number in np.fromfile(stream, np.uint64, 2))
                digests.append(np.fromfile(stream, np.uint64, 2 * size).reshape(size, 2))
                counts.append(np.fromfile(stream, np.uint32, size))
                sketched.append(np.fromfile(stream, np.uint8, SKETCH * size).reshape(size, SKETCH))
            sizes.append(size)
        self.edges: NDArray[np.int64] = np.cumsum(sizes)
        """First row of each shard, and at the end the number of rows."""
        self.digests: NDArray[np.uint64] = np.concatenate(digests)
        self.counts: NDArray[np.uint32] = np.concatenate(counts)
        self.sketches: NDArray[np.uint8] = np.concatenate(sketched)
        starts = np.cumsum(self.counts, dtype=np.int64) - self.counts
        firsts = np.append(starts, 0)[np.minimum(self.edges[:-1], len(starts))]
        self._starts = starts - np.repeat(firsts, np.diff(self.edges))  # in the shard's own shingles

    def __len__(self) -> int:
        return int(self.edges[-1])

    def read_bands(self, first: int, last: int) -> NDArray[np.uint32]:
        """Return the bands from `first` to before `last` [last - first, N]."""
        parts = []
        for path, size in zip(self._paths, np.diff(self.edges).tolist(), strict=True):
            offset = 16 + _FIXED_BYTES * size + 4 * size * first
            parts.append(np.fromfile(path, np.uint32, size * (last - first), offset=offset).reshape(-1, size))
        return np.concatenate(parts, axis=1)

    def read_shingles(self, row: int) -> NDArray[np.uint32]:
        """Return the set of shingles of a row, sorted."""
        shard = int(np.searchsorted(self.edges, row, "right")) - 1
        size = int(self.edges[shard + 1] - self.edges[shard])
        offset = 16 + (_FIXED_BYTES + 4 * self.bands) * size + 4 * int(self._starts[row])
        found = np.fromfile(self._paths[shard], np.uint32, int(self.counts[row]), offset=offset)
        found.sort()  # several times as fast as numpy's unique
        return np.asarray(found[np.append(True, found[1:] != found[:-1])])
