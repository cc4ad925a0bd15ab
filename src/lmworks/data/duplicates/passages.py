"""Repeated passages: what stands word for word in several documents is kept in one of them.

Near-duplicate search compares whole documents; this finds the licence header, the menu, the quoted page inside
otherwise different ones. Every window of a passage's least length is hashed; windows with equal hashes are compared
word by word before anything is cut. Hashes lie on disk, sorted, and are joined one range of values at a time.

Axes: N documents, W words, V windows (one begins at every word that has enough after it in its document).
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.duplicates.minhash import hash_windows
from lmworks.data.records import Document, Documents, ids_of, read_columns, read_shard
from lmworks.data.steps import Parts, Tally, counted, keep_beside, map_units, origins_of
from lmworks.data.words import count_words, has_words, hash_words, letters_a_word, word_spans
from lmworks.errors import LmworksError
from lmworks.lazy import NDArray, np
from lmworks.pipeline.files import digest_file, write_atomically
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig

_RANGES = 256
"""Hashes are kept apart by their highest byte, the least that is joined at a time."""
_JOINED_WINDOWS = 2**23
"""Windows in memory at a time: about 400 MB while they are sorted."""


class PassagesConfig(StepConfig):
    """Cut what other documents say word for word."""

    makes: ClassVar[str] = "documents"
    kind: Literal["repeated-passages"] = "repeated-passages"
    documents: Reference = Field(alias="from", description="The documents to search.")
    words: int = Field(
        default=50,
        ge=8,
        description="Least length of a passage: Lee et al. 2022 found no 50 tokens in common by chance in web text.",
    )
    action: Literal["cut", "drop"] = Field(
        default="cut", description="`cut` loses least: the passage stays in one document. `drop` leaves out the others."
    )


@stage(version=6, reads="documents")
def repeated_passages(config: PassagesConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Of documents that share a passage, the one with the smallest id keeps it.

    What it keeps for others stays whole there, also where a passage of a third document overlaps it.
    """
    shards = documents.shards()
    if not shards:
        raise LmworksError("repeated-passages: there are no documents to search. Look at what the step before dropped.")
    numbered, digests = list(enumerate(shards)), origins_of(shards)
    marks = context.beside / "marks"
    folder = keep_beside(shards, partial(_hash_shard, config.words), context, "words", config.words)
    files = _open_files(folder, len(shards))
    joined = _join(files, _ranks(shards), context.scratch / "repeats", context)
    marking = partial(_mark_shard, config, folder, len(shards), joined, marks)
    origins = [
        replace(origin, settings=[key_config(config), files.digest(joined, index)])
        for index, origin in enumerate(digests)
    ]
    map_units(range(len(shards)), marking, marks, context, parts=(), step="mark", origins=origins)
    origins = [
        replace(origin, settings=[key_config(config), digest_file(_marked(marks, index))])
        for index, origin in enumerate(digests)
    ]
    tally = map_units(numbered, partial(_cut_shard, config, folder, marks), out, context, step="cut", origins=origins)
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _hash_shard(size: int, shard: Path) -> Iterator[tuple[str, bytes]]:
    """The words and the sorted windows of one shard."""
    words, windows = [np.zeros(0, np.uint32)], [np.zeros(0, np.uint64)]
    counts = [np.zeros((0, 2), np.int64)]
    table = read_columns(shard, ["text", "text_digest"])
    for texts in table.column("text").chunks:
        for block in hash_words(texts):
            hashes, number = hash_windows(block, size)
            words.append(block.hashes.astype(np.uint32))
            windows.append(hashes)
            counts.append(np.stack((block.counts, number), axis=1))
    found = np.concatenate(windows)
    order = np.argsort(found)
    found = found[order]
    limits = np.arange(1, _RANGES, dtype=np.uint64) << np.uint64(56)
    edges = np.concatenate(([0], np.searchsorted(found, limits), [len(found)]))
    yield "texts", b"".join(bytes.fromhex(digest) for digest in table.column("text_digest").to_pylist())
    yield "counts", np.concatenate(counts).tobytes()
    yield "edges", edges.tobytes()
    yield "words", np.concatenate(words).tobytes()
    yield "hashes", found.tobytes()
    yield "places", order.astype(np.uint32).tobytes()


class WindowFiles:
    """What `_hash_shard` tells. Documents, words and windows are numbered across all shards."""

    def __init__(self, folder: Path, shards: int) -> None:
        self._folder = folder
        counts = [np.fromfile(self._path(shard, "counts"), np.int64).reshape(-1, 2) for shard in range(shards)]
        every = np.concatenate(counts)
        self.document_edges: NDArray[np.int64] = np.cumsum([0, *map(len, counts)])
        """The first document of each shard."""
        self.word_edges: NDArray[np.int64] = np.concatenate(([0], np.cumsum(every[:, 0])))
        """The first word of each document."""
        self.window_edges: NDArray[np.int64] = np.concatenate(([0], np.cumsum(every[:, 1])))
        """The first window of each document."""
        self.ranges = np.sum([np.fromfile(self._path(shard, "edges"), np.int64) for shard in range(shards)], axis=0)
        self._first_words = self.word_edges[self.document_edges]

    def _path(self, shard: int, name: str) -> Path:
        return self._folder / f"{shard:05d}.{name}"

    def read_windows(self, first: int, last: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """The windows of some ranges of hashes: the hashes and the windows' numbers."""
        hashes, numbers = [], []
        for shard, start in enumerate(self.window_edges[self.document_edges[:-1]].tolist()):
            low, high = (int(edge) for edge in np.fromfile(self._path(shard, "edges"), np.int64)[[first, last]])
            hashes.append(np.fromfile(self._path(shard, "hashes"), np.uint64, high - low, offset=8 * low))
            places = np.fromfile(self._path(shard, "places"), np.uint32, high - low, offset=4 * low)
            numbers.append(places.astype(np.int64) + start)
        return np.concatenate(hashes), np.concatenate(numbers)

    def read_words(self, first: int, number: int) -> NDArray[np.uint32]:
        """The words from one on, all of one document."""
        shard = int(np.searchsorted(self._first_words, first, "right")) - 1
        start = first - int(self._first_words[shard])
        with self._path(shard, "words").open("rb", buffering=0) as file:  # half the time of np.fromfile
            return np.frombuffer(os.pread(file.fileno(), 4 * number, 4 * start), np.uint32)

    def pairs_of(self, joined: Sequence[Path], shard: int) -> NDArray[np.int64]:
        """The pairs of `_join` whose first window is in a shard, by that window."""
        between = self.window_edges[self.document_edges[shard : shard + 2]].tolist()
        pairs = np.concatenate([_pairs_between(path, *between) for path in joined])
        return pairs[np.argsort(pairs[:, 0])]

    def kept_of(self, joined: Sequence[Path], shard: int) -> NDArray[np.int64]:
        """The windows of a shard that stay for those of other documents, sorted."""
        low, high = self.window_edges[self.document_edges[shard : shard + 2]].tolist()
        every = [np.fromfile(_kept(path), np.int64) for path in joined]
        return np.sort(np.concatenate([kept[slice(*np.searchsorted(kept, (low, high)))] for kept in every]))

    def digest(self, joined: Sequence[Path], shard: int) -> str:
        """Of the pairs of a shard, as they are wherever it and the other documents stand among the shards."""
        pairs, stay = self.pairs_of(joined, shard), self.kept_of(joined, shard)
        kept = self.documents_of(pairs[:, 1])
        first = self.window_edges[self.document_edges[shard]]
        places = np.stack((pairs[:, 0] - first, pairs[:, 1] - self.window_edges[kept]), axis=1)
        return hashlib.sha256(places.tobytes() + self._texts[kept].tobytes() + (stay - first).tobytes()).hexdigest()

    @functools.cached_property
    def _texts(self) -> NDArray[np.void]:
        """The sha256 of each document's text."""
        return np.concatenate(
            [np.fromfile(self._path(shard, "texts"), "V32") for shard in range(len(self.document_edges) - 1)]
        )

    def documents_of(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The document of each window."""
        return np.searchsorted(self.window_edges, windows, "right") - 1


def _ranks(shards: Sequence[Path]) -> NDArray[np.int64]:
    """The place of each document in the order of ids."""
    ids = np.concatenate([ids_of(path) for path in shards])
    ranks = np.empty(len(ids), np.int64)
    ranks[np.argsort(ids, kind="stable")] = np.arange(len(ids))
    return ranks


def _join(files: WindowFiles, ranks: NDArray[np.int64], folder: Path, context: Context) -> list[Path]:
    """Files of pairs (window, the window with the same hash that stays), by window, where the documents differ."""
    paths: list[Path] = []
    context.progress.start(_RANGES, "ranges of hashes")
    for first, last in _groups(files.ranges):
        paths.append(folder / f"{first:03d}-{last:03d}.pairs")
        if paths[-1].exists():  # joined before a kill, and whole
            continue
        context.check_stop()
        hashes, windows = files.read_windows(first, last)
        order = np.argsort(hashes)
        hashes, windows = hashes[order], windows[order]
        repeated = np.zeros(len(hashes), bool)
        repeated[1:] = hashes[1:] == hashes[:-1]
        repeated[:-1] |= repeated[1:]
        hashes, windows = hashes[repeated], windows[repeated]
        documents = files.documents_of(windows)
        order = np.lexsort((windows, ranks[documents], hashes))
        hashes, windows, documents = hashes[order], windows[order], documents[order]
        firsts = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1])))[: len(hashes)]
        owners = np.repeat(firsts, np.diff(np.append(firsts, len(hashes))))
        others = documents != documents[owners]
        pairs = np.stack((windows[others], windows[owners][others]), axis=1)
        write_atomically(_kept(paths[-1]), np.unique(pairs[:, 1]).tobytes())
        write_atomically(paths[-1], pairs[np.argsort(pairs[:, 0])].tobytes())
        context.progress.update(last)
    return paths


def _groups(edges: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Consecutive ranges, as many as fit in memory at a time."""
    first = 0
    for last in range(1, _RANGES + 1):
        if last == _RANGES or edges[last + 1] - edges[first] > _JOINED_WINDOWS:
            yield first, last
            first = last


@functools.lru_cache(maxsize=1)
def _open_files(folder: Path, shards: int) -> WindowFiles:
    """Read once a worker, and never sent to one: they hold numbers of every document."""
    return WindowFiles(folder, shards)


def _kept(pairs: Path) -> Path:
    """Where the windows that stay are written, beside the pairs."""
    return pairs.with_suffix(".kept")


def _marked(marks: Path, index: int) -> Path:
    return marks / f"{index:05d}.bits"


def _mark_shard(
    config: PassagesConfig, folder: Path, shards: int, joined: Sequence[Path], marks: Path, index: int
) -> tuple[Parts, Tally]:
    """Store which words of one shard stand in a passage that another document keeps."""
    files = _open_files(folder, shards)
    repeated = _repeated_words(files, files.pairs_of(joined, index), index, config.words)
    repeated &= ~_words_that_stay(files, files.kept_of(joined, index), index, config)
    path = _marked(marks, index)
    write_atomically(path, np.packbits(repeated).tobytes())
    return {}, Tally(files=[path])


def _cut_shard(config: PassagesConfig, folder: Path, marks: Path, unit: tuple[int, Path]) -> tuple[Parts, Tally]:
    """Cut the repeated passages out of the documents of one shard, or leave out the documents."""
    index, shard = unit
    counts = np.fromfile(folder / f"{index:05d}.counts", np.int64).reshape(-1, 2)[:, 0]
    edges = [0, *np.cumsum(counts).tolist()]
    repeated = np.unpackbits(np.fromfile(_marked(marks, index), np.uint8), count=edges[-1]).astype(bool)
    tally, kept = Tally(), []
    for document, (start, stop) in zip(read_shard(shard), pairwise(edges), strict=True):
        _spare_few_words(document.text, repeated[start:stop], config.words)
        if not repeated[start:stop].any():
            kept.append(document)
            continue
        rest, passages = _cut(document, repeated[start:stop])
        reason = "cut: passage of another document" if config.action == "cut" else "passage of another document"
        for passage in passages if config.action == "cut" else passages[:1]:
            tell = tally.note if config.action == "cut" else tally.lose
            tell(reason, id=document.id, text=passage[:200], characters=len(passage))
        if config.action == "cut" and not rest.lacks_all_of(document):
            kept.append(rest)
            tally.counts["words cut"] += int(repeated[start:stop].sum())
        elif config.action == "cut":
            tally.lose("nothing but passages of other documents", id=document.id, text=document.text[:200])
    return counted(kept, tally)


def _spare_few_words(text: str, repeated: NDArray[np.bool_], least: int) -> None:
    """Unmark passages of scripts without spaces that say less than so many words: windows are of as many letters."""
    if not repeated.any() or letters_a_word(text) == 1:
        return
    spans = word_spans(text)
    for first, last in np.flatnonzero(np.diff(repeated, prepend=False, append=False)).reshape(-1, 2).tolist():
        passage = text[spans[first][0] : spans[last - 1][1]]
        if letters_a_word(passage) > 1 and count_words(passage) < least:
            repeated[first:last] = False


def _cut(document: Document, repeated: NDArray[np.bool_]) -> tuple[Document, list[str]]:
    """A document without some of its words, which a row has in its texts one after the other, and what was cut."""
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


def _repeated_words(files: WindowFiles, pairs: NDArray[np.int64], shard: int, size: int) -> NDArray[np.bool_]:
    """Which words of a shard stand in a passage that another document keeps, proved word by word."""
    first, last = files.document_edges[shard : shard + 2]
    documents = files.documents_of(pairs)
    words = pairs - files.window_edges[documents] + files.word_edges[documents]
    breaks = (np.diff(pairs, axis=0) != 1).any(axis=1) | (np.diff(documents, axis=0) != 0).any(axis=1)
    repeated = np.zeros(int(files.word_edges[last] - files.word_edges[first]), bool)
    for run in np.split(words, np.flatnonzero(breaks) + 1) if len(words) else ():
        (own, other), number = run[0].tolist(), len(run) + size - 1
        differ = files.read_words(own, number) != files.read_words(other, number)
        faults = np.concatenate(([0], np.cumsum(differ)))
        equal = faults[size:] == faults[:-size]
        begin = own - int(files.word_edges[first])
        for offset in range(size):
            repeated[begin + offset : begin + offset + len(run)] |= equal
    return repeated


def _words_that_stay(
    files: WindowFiles, windows: NDArray[np.int64], shard: int, config: PassagesConfig
) -> NDArray[np.bool_]:
    """Which words of a shard are kept for other documents: those of such windows, or whole documents with one."""
    first, last = files.word_edges[files.document_edges[shard : shard + 2]].tolist()
    documents = files.documents_of(windows)
    edges = np.zeros(last - first + 1, np.int64)
    if config.action == "drop":
        begins, ends = files.word_edges[documents], files.word_edges[documents + 1]
    else:
        begins = windows - files.window_edges[documents] + files.word_edges[documents]
        ends = begins + config.words
    np.add.at(edges, begins - first, 1)
    np.add.at(edges, ends - first, -1)
    found: NDArray[np.bool_] = np.cumsum(edges)[:-1] > 0
    return found


def _pairs_between(path: Path, low: int, high: int) -> NDArray[np.int64]:
    """The pairs of a file whose first window lies in a range."""
    pairs = np.memmap(path, np.int64, "r").reshape(-1, 2) if path.stat().st_size else np.zeros((0, 2), np.int64)
    start, stop = np.searchsorted(pairs[:, 0], (low, high))
    return np.array(pairs[start:stop])


def cut_words(text: str, cut: NDArray[np.bool_]) -> tuple[str, list[str]]:
    """A text without some of its words, as paragraphs, and the passages that were cut."""
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
