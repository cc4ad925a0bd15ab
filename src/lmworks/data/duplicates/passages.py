"""Repeated passages: a passage that several documents have word for word is kept in one of them.

Near-duplicate search compares whole documents. This step finds a licence header, a menu or a quoted page inside
documents that otherwise differ. Windows of the minimum length of a passage are compared by 64-bit hashes. Among a
billion windows, two different ones have the same hash with a probability of 3 %. Hashes are on disk, sorted, and are
joined one range at a time.

Axes: N documents, W words, V windows (one begins at every word with enough words after it in its document).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.base.words import count_words, has_words, hash_words, letters_a_word, word_spans
from lmworks.data.duplicates.minhash import hash_windows
from lmworks.data.shards.records import Document, Documents, ids_of, read_columns, read_shard
from lmworks.data.shards.steps import Parts, Tally, counted, keep_beside, map_units, origins_of
from lmworks.errors import LmworksError
from lmworks.lazy import NDArray, np
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig

_RANGES = 256
"""Number of ranges of hashes, one per value of the highest byte. At least one range is joined at a time."""
_JOINED_WINDOWS = 2**23
"""Maximum number of windows in memory at a time: about 400 MB while they are sorted."""
_KINDS = _KEPT, _REPEATED = ".kept", ".repeated"
"""Endings of two files: windows that a document keeps for others, and windows that others keep for it."""


class PassagesConfig(StepConfig):
    """Cut passages that other documents repeat word for word."""

    makes: ClassVar[str] = "documents"
    kind: Literal["repeated-passages"] = "repeated-passages"
    documents: Reference = Field(alias="from", description="Documents to search.")
    words: int = Field(
        default=50,
        ge=8,
        description="Minimum words of a repeated passage. In web text, 50 tokens never repeat by chance (Lee et al.).",
    )


@stage(version=7, reads="documents")
def repeated_passages(config: PassagesConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Cut passages that another document keeps: the document with the smallest id keeps a passage.

    A passage that a document keeps for others stays whole there, even if it overlaps a passage of a third document.
    """
    shards = documents.shards()
    if not shards:
        raise LmworksError("repeated-passages: there are no documents. Look at what earlier steps dropped, and why.")
    folder = keep_beside(shards, partial(_hash_shard, config.words), context, "windows", config.words)
    windows = Windows(folder, len(shards))
    joined = _join(windows, _ranks(shards), context.scratch / "repeats", context)
    units = [(index, shard, *windows.between(index)) for index, shard in enumerate(shards)]
    origins = [
        replace(origin, settings=[key_config(config), *(_digest(joined, kind, *between) for kind in _KINDS)])
        for origin, (_, _, *between) in zip(origins_of(shards), units, strict=True)
    ]
    tally = map_units(units, partial(_cut_shard, config, folder, joined), out, context, step="cut", origins=origins)
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _hash_shard(size: int, shard: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the numbers of words and windows of the documents of a shard, and its sorted windows."""
    windows, counts = [np.zeros(0, np.uint64)], [np.zeros((0, 2), np.int64)]
    for texts in read_columns(shard, ["text"]).column("text").chunks:
        for block in hash_words(texts):
            hashes, number = hash_windows(block, size)
            windows.append(hashes)
            counts.append(np.stack((block.counts, number), axis=1))
    hashes = np.concatenate(windows)
    order = np.argsort(hashes)
    hashes = hashes[order]
    limits = np.arange(1, _RANGES, dtype=np.uint64) << np.uint64(56)
    edges = np.concatenate(([0], np.searchsorted(hashes, limits), [len(hashes)]))
    yield "counts", np.concatenate(counts).tobytes()
    yield "edges", edges.tobytes()
    yield "hashes", hashes.tobytes()
    yield "places", order.astype(np.uint32).tobytes()


class Windows:
    """Windows of all documents, in the files of `_hash_shard`. They are numbered across all shards."""

    def __init__(self, folder: Path, shards: int) -> None:
        self._paths = [folder / f"{shard:05d}" for shard in range(shards)]
        counts = [_read_counts(path)[:, 1] for path in self._paths]
        self._first = np.concatenate(([0], np.cumsum([some.sum() for some in counts])))
        """First window of each shard, and at the end the number of windows."""
        self._edges = np.concatenate(([0], np.cumsum(np.concatenate(counts))))
        """First window of each document, and at the end the number of windows."""
        self.ranges = np.sum([self._read_edges(path) for path in self._paths], axis=0)
        """First window of each range of hashes, and at the end the number of windows."""

    def _read_edges(self, path: Path) -> NDArray[np.int64]:
        return np.fromfile(path.with_suffix(".edges"), np.int64)

    def read(self, first: int, last: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return the hashes and the numbers of the windows in some ranges of hashes."""
        hashes, numbers = [], []
        for path, start in zip(self._paths, self._first.tolist(), strict=False):
            low, high = self._read_edges(path)[[first, last]].tolist()
            hashes.append(np.fromfile(path.with_suffix(".hashes"), np.uint64, high - low, offset=8 * low))
            places = np.fromfile(path.with_suffix(".places"), np.uint32, high - low, offset=4 * low)
            numbers.append(places.astype(np.int64) + start)
        return np.concatenate(hashes), np.concatenate(numbers)

    def between(self, shard: int) -> tuple[int, int]:
        """Return the first window of a shard, and the first window after the shard."""
        return int(self._first[shard]), int(self._first[shard + 1])

    def documents_of(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the document of each window."""
        return np.searchsorted(self._edges, windows, "right") - 1


def _read_counts(path: Path) -> NDArray[np.int64]:
    """Return how many words and windows each document of a shard has [N, 2]."""
    return np.fromfile(path.with_suffix(".counts"), np.int64).reshape(-1, 2)


def _ranks(shards: Sequence[Path]) -> NDArray[np.int64]:
    """Return the place of each document if documents are sorted by id."""
    ids = np.concatenate([ids_of(path) for path in shards])
    ranks = np.empty(len(ids), np.int64)
    ranks[np.argsort(ids, kind="stable")] = np.arange(len(ids))
    return ranks


def _join(windows: Windows, ranks: NDArray[np.int64], folder: Path, context: Context) -> list[Path]:
    """Write windows that have the same hash in different documents: windows that stay, and windows that repeat them."""
    paths: list[Path] = []
    context.progress.start(_RANGES, "ranges of hashes")
    for first, last in _groups(windows.ranges):
        paths.append(folder / f"{first:03d}-{last:03d}")
        if paths[-1].with_suffix(_REPEATED).exists():  # joined before a kill, and whole
            continue
        context.check_stop()
        hashes, numbers = windows.read(first, last)
        order = np.argsort(hashes)
        hashes, numbers = hashes[order], numbers[order]
        is_common = np.zeros(len(hashes), bool)
        is_common[1:] = hashes[1:] == hashes[:-1]
        is_common[:-1] |= is_common[1:]
        hashes, numbers = hashes[is_common], numbers[is_common]
        documents = windows.documents_of(numbers)
        order = np.lexsort((numbers, ranks[documents], hashes))
        hashes, numbers, documents = hashes[order], numbers[order], documents[order]
        firsts = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1])))[: len(hashes)]
        owners = np.repeat(firsts, np.diff(np.append(firsts, len(hashes))))
        others = documents != documents[owners]
        write_atomically(paths[-1].with_suffix(_KEPT), np.unique(numbers[owners][others]).tobytes())
        write_atomically(paths[-1].with_suffix(_REPEATED), np.sort(numbers[others]).tobytes())
        context.progress.update(last)
    return paths


def _groups(edges: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield consecutive ranges, as many as fit in memory at a time."""
    first = 0
    for last in range(1, _RANGES + 1):
        if last == _RANGES or edges[last + 1] - edges[first] > _JOINED_WINDOWS:
            yield first, last
            first = last


def _read_joined(joined: Sequence[Path], kind: str, low: int, high: int) -> NDArray[np.int64]:
    """Return the windows of one kind in a range of numbers, sorted and numbered from its first."""
    parts = [np.zeros(0, np.int64)]
    for path in (path.with_suffix(kind) for path in joined):
        numbers = np.memmap(path, np.int64, "r") if path.stat().st_size else parts[0]
        parts.append(np.array(numbers[slice(*np.searchsorted(numbers, (low, high)))]))
    return np.sort(np.concatenate(parts)) - low


def _digest(joined: Sequence[Path], kind: str, low: int, high: int) -> str:
    return hashlib.sha256(_read_joined(joined, kind, low, high).tobytes()).hexdigest()


def _cut_shard(
    config: PassagesConfig, folder: Path, joined: Sequence[Path], unit: tuple[int, Path, int, int]
) -> tuple[Parts, Tally]:
    """Cut the repeated passages out of the documents of one shard."""
    index, shard, *between = unit
    counts = _read_counts(folder / f"{index:05d}")
    kept_windows, repeated_windows = (_read_joined(joined, kind, *between) for kind in _KINDS)
    repeated = _words_of(repeated_windows, counts, config.words) & ~_words_of(kept_windows, counts, config.words)
    tally, kept = Tally(), []
    edges = [0, *np.cumsum(counts[:, 0]).tolist()]
    for document, (start, stop) in zip(read_shard(shard), pairwise(edges), strict=True):
        _spare_few_words(document.text, repeated[start:stop], config.words)
        if not repeated[start:stop].any():
            kept.append(document)
            continue
        rest, passages = _cut(document, repeated[start:stop])
        for passage in passages:
            tally.note("cut: passage of another document", id=document.id, text=passage[:200], characters=len(passage))
        if rest.lacks_all_of(document):
            tally.lose("nothing but passages of other documents", id=document.id, text=document.text[:200])
        else:
            kept.append(rest)
            tally.counts["words cut"] += int(repeated[start:stop].sum())
    return counted(kept, tally)


def _spare_few_words(text: str, repeated: NDArray[np.bool_], least: int) -> None:
    """Unmark passages below `least` words in scripts without spaces, where each letter of a window counts as a word."""
    if not repeated.any() or letters_a_word(text) == 1:
        return
    spans = word_spans(text)
    for first, last in np.flatnonzero(np.diff(repeated, prepend=False, append=False)).reshape(-1, 2).tolist():
        passage = text[spans[first][0] : spans[last - 1][1]]
        if letters_a_word(passage) > 1 and count_words(passage) < least:
            repeated[first:last] = False


def _cut(document: Document, repeated: NDArray[np.bool_]) -> tuple[Document, list[str]]:
    """Return a document without its `repeated` words, and what was cut. A row's words run through all its texts."""
    passages: list[str] = []
    done = 0

    def cut(text: str) -> str:
        nonlocal done
        words = len(repeated) if document.structure is None else len(word_spans(text))
        here = repeated[done : done + words]
        done += words
        if not here.any():
            return text
        rest, some = cut_words(text, here)
        passages.extend(some)
        return rest

    return document.changed(cut), passages


def _words_of(windows: NDArray[np.int64], counts: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """Return which words of a shard are in windows of `size` words."""
    word_edges, window_edges = (np.append(0, np.cumsum(column)) for column in counts.T)
    documents = np.searchsorted(window_edges, windows, "right") - 1
    begins = windows - window_edges[documents] + word_edges[documents]
    edges = np.zeros(word_edges[-1] + 1, np.int64)
    np.add.at(edges, begins, 1)
    np.add.at(edges, begins + size, -1)
    is_inside: NDArray[np.bool_] = np.cumsum(edges)[:-1] > 0
    return is_inside


def cut_words(text: str, cut: NDArray[np.bool_]) -> tuple[str, list[str]]:
    """Return a text without some of its words, as paragraphs, and the passages that were cut."""
    spans = [(0, 0), *word_spans(text), (len(text), len(text))]
    edges = np.flatnonzero(np.diff(cut, prepend=False, append=False)).reshape(-1, 2)
    pieces, passages, end = [], [], 0

    def apart(word: int) -> bool:
        return any(map(str.isspace, text[spans[word][1] : spans[word + 1][0]]))

    for first, last in edges.tolist():
        while 0 < first < last and not apart(first):  # half of an address or a date is kept whole with its other half
            first += 1
        while first < last < len(cut) and not apart(last):
            last -= 1
        if first == last:
            continue
        # Punctuation goes with the passage if a space or an end parts it from what is on its other side.
        before, after = text[spans[first][1] : spans[first + 1][0]], text[spans[last][1] : spans[last + 1][0]]
        opening, closing = _OPENING.search(before), _CLOSING.search(after)
        start = spans[first + 1][0] - (len(opening[1]) if opening else len(before) if first == 0 else 0)
        stop = spans[last][1] + (len(closing[1]) if closing else len(after) if last == len(cut) else 0)
        pieces.append(text[end:start])
        passages.append(text[start:stop])
        end = stop
    pieces.append(text[end:])
    return "\n\n".join(piece.strip() for piece in pieces if has_words(piece)), passages


_OPENING = re.compile(r"\s(\S*)$")
_CLOSING = re.compile(r"^(\S*)\s")
