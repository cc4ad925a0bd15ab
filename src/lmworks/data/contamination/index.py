"""Find the items of evaluation sets inside texts.

Words are compared without markup, case and punctuation (`plain`), each letter of a script without spaces on its own:
there numbers of words are taken times `letters_a_word`, but for near-duplicates, of which all is compared. An
index holds the hash of every run of 8 words of every item; where a text has the same runs in the same order, they join
to a passage in common. From the passages follow the field's tests: a 13-gram in common (Brown et al. 2020, appendix C),
70 % of an item's 8-grams (Chowdhery et al. 2022, section 8), the whole item, and a text, or a passage as long as the
item, that is a near-duplicate of it. All of them need a common 8-gram, but for items of fewer words, which are sought
whole.

Axes: W words of a text, E runs of all items.
"""

from __future__ import annotations

import functools
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from lmworks.data.contamination.plain import compared_in_turn, compared_words, plain, word_places
from lmworks.data.duplicates.minhash import SHINGLE_WORDS, hash_windows, jaccard
from lmworks.data.words import Words, letters_a_word
from lmworks.lazy import NDArray, np
from lmworks.pipeline.files import write_atomically

Method = Literal["exact", "near-duplicate", "13-gram", "8-gram"]
METHODS: tuple[Method, ...] = get_args(Method)
"""The surest first: a text is counted under the first that applies."""

RUN_WORDS, LONG_RUN_WORDS = 8, 13
SHARE_OF_RUNS = 0.7
NEAR = 0.8
"""Jaccard similarity of 5-word shingles from where on a text is near another."""
BEGINNINGS = 3
"""Places tried where an item would begin: words that came or went move those behind them."""
SHORTEST_INSIDE = 5
"""Words: a shorter item is found only where it is the whole text, since it stands everywhere by chance."""


@dataclass(frozen=True)
class Passage:
    """Consecutive words that a text has in common with an item."""

    item: int
    start: int
    """Number of the first word in the text."""
    offset: int
    """Number of the first word in the item."""
    words: int


@dataclass(frozen=True)
class Match:
    """An item found in a text, by the surest method, with the passages in common; of a near-duplicate what is alike."""

    item: int
    method: Method
    passages: tuple[Passage, ...]


def runs(words: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """A hash of each run of `size` words [W - size + 1]."""
    return hash_windows(Words(words, np.array([len(words)])), size)[0]


def write_index(folder: Path, texts: Sequence[str]) -> None:
    """Store the runs of every item, sorted by hash."""
    items = list(compared_in_turn(texts))
    times = np.array([letters_a_word(plain(text)) for text in texts], np.int64)
    lengths = np.array([len(words) for words in items], np.int64)
    short = lengths < SHORTEST_INSIDE * times
    for size in (*range(SHORTEST_INSIDE, RUN_WORDS), RUN_WORDS):
        whole = size < RUN_WORDS  # an item of fewer words is one run
        chosen = np.flatnonzero(((lengths == size) if whole else (lengths >= size)) & ~short)
        found = [runs(items[number], size) for number in chosen]
        hashes = np.concatenate([np.zeros(0, np.uint64), *found])
        owners = np.repeat(chosen, [len(each) for each in found])
        offsets = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(each)) for each in found)])
        order = np.argsort(hashes, kind="stable")
        for name, column in (("hashes", hashes), ("owners", owners), ("offsets", offsets)):
            save_column(folder / f"{size}-{name}.npy", column[order])
    wholes = [[number, _whole(items[number])] for number in np.flatnonzero(short).tolist()]
    save_column(folder / "short.npy", np.array(wholes, np.uint64))
    save_column(folder / "times.npy", times)
    save_column(folder / "lengths.npy", lengths)
    save_column(folder / "words.npy", np.concatenate([np.zeros(0, np.uint64), *items]))


def save_column(path: Path, column: NDArray[Any]) -> None:
    """Store an array; half a file is never left."""
    stream = io.BytesIO()
    np.save(stream, column)
    write_atomically(path, stream.getvalue())


def _whole(words: NDArray[np.uint64]) -> int:
    return int(runs(words, len(words))[0]) if len(words) else 0


@functools.lru_cache(maxsize=1)
def open_index(folder: Path) -> Index:
    """The stored index, once a process."""
    return Index(folder)


class Index:
    """What `write_index` stored; read from disk as it is needed."""

    def __init__(self, folder: Path) -> None:
        def load(name: str) -> NDArray[Any]:
            column: NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r")
            return column

        self.runs = {
            size: (load(f"{size}-hashes"), load(f"{size}-owners"), load(f"{size}-offsets"))
            for size in range(SHORTEST_INSIDE, RUN_WORDS + 1)
        }
        self._known = {size: SortedHashes(hashes) for size, (hashes, _, _) in self.runs.items() if len(hashes)}
        self.lengths: NDArray[np.int64] = load("lengths")
        self.ends: NDArray[np.int64] = np.cumsum(self.lengths)
        self.words: NDArray[np.uint64] = load("words")
        self.short: dict[int, list[int]] = defaultdict(list)
        self.times: NDArray[np.int64] = load("times")
        """By which the numbers of words are taken for each item."""
        for number, whole in load("short").reshape(-1, 2).tolist():
            self.short[whole].append(number)
        alone = [number for numbers in self.short.values() for number in numbers]
        self._longest_short = int(self.lengths[alone].max()) if alone else -1

    def item(self, number: int) -> NDArray[np.uint64]:
        """The words of an item."""
        end = int(self.ends[number])
        return self.words[end - int(self.lengths[number]) : end]

    def candidates(self, texts: Any) -> NDArray[np.bool_]:
        """Which of the texts [N] (a pyarrow string array) may hold an item: the others have no run in common with any.

        Runs that reach from one text into the next are looked up with the rest, and do no more than propose.
        """
        found = [np.zeros(0, bool)]
        for block in compared_words(texts):
            ends = np.cumsum(block.counts)
            may = block.counts <= self._longest_short
            for size, known in self._known.items():
                places = known.look_up(runs(block.hashes, size))[1]
                may[np.searchsorted(ends, places, "right")] = True
            found.append(may)
        return np.concatenate(found)

    def matches(self, text: str, methods: Sequence[Method], threshold: float) -> list[Match]:
        """Every item that a text holds, by the surest of the methods; near-duplicates by a Jaccard threshold."""
        (words,) = compared_in_turn([text], behind=True)
        by_item: dict[int, list[Passage]] = defaultdict(list)
        for passage in self._passages(words):
            by_item[passage.item].append(passage)
        found = []
        for item, passages in sorted(by_item.items()):
            method = next((each for each in methods if self._applies(each, item, passages, words, threshold)), None)
            if method == "near-duplicate":
                _, first, count = self._near(item, passages, words, threshold)
                found.append(Match(item, method, (Passage(item, first, 0, count),)))
            elif method:
                shown = [each for each in passages if each.words >= self._least(method, item)]
                found.append(Match(item, method, tuple(shown or passages)))
        if "exact" in methods and len(words) <= self._longest_short:
            alike = [item for item in self.short.get(_whole(words), ()) if self.lengths[item] == len(words)]
            found += [Match(item, "exact", (Passage(item, 0, 0, len(words)),)) for item in alike if len(words)]
        return found

    def _passages(self, words: NDArray[np.uint64]) -> Iterator[Passage]:
        for size, (hashes, owners, offsets) in self.runs.items():
            rows, starts = look_up(hashes, runs(words, size))
            if len(rows):
                yield from _join(owners[rows], starts, offsets[rows], size)

    def _near(
        self, item: int, passages: Sequence[Passage], words: NDArray[np.uint64], threshold: float
    ) -> tuple[float, int, int]:
        longest = sorted(passages, key=lambda passage: -passage.words)[:BEGINNINGS]
        return likeness(words, self.item(item), [each.start - each.offset for each in longest], threshold)

    def _applies(
        self, method: Method, item: int, passages: Sequence[Passage], words: NDArray[np.uint64], threshold: float
    ) -> bool:
        length = int(self.lengths[item])
        match method:
            case "exact":
                return any(passage.words == length for passage in passages)
            case "13-gram":
                return any(passage.words >= self._least(method, item) for passage in passages)
            case "8-gram":
                size = self._least(method, item)
                offsets = {at for each in passages for at in range(each.offset, each.offset + each.words - size + 1)}
                return length >= size and len(offsets) >= SHARE_OF_RUNS * (length - size + 1)
            case "near-duplicate":
                return self._near(item, passages, words, threshold)[0] >= threshold

    def _least(self, method: Method, item: int) -> int:
        """The words of a passage that the method speaks of; shorter ones in common are chance."""
        if method == "exact":
            return int(self.lengths[item])
        return int(self.times[item]) * (LONG_RUN_WORDS if method == "13-gram" else RUN_WORDS)


def likeness(
    words: NDArray[np.uint64], item: NDArray[np.uint64], starts: Sequence[int], threshold: float
) -> tuple[float, int, int]:
    """Jaccard similarity of an item's shingles with those of a text, or of a passage of the text that is as long as the
    item and begins at one of `starts`, whichever is highest; with first word and length of what is so alike.

    Of texts of a quite other length 0, for they cannot be alike up to the threshold (but for repeats).
    """
    wanted, found = _shingles(item), (0.0, 0, 0)
    places = {(0, len(words)), *((max(start, 0), max(min(start + len(item), len(words)), 0)) for start in starts)}
    for first, after in sorted(places):
        if threshold * len(item) <= after - first <= len(item) / threshold:
            found = max(found, (jaccard(_shingles(words[first:after]), wanted), first, after - first))
    return found


def _shingles(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.unique(runs(words, min(SHINGLE_WORDS, len(words))))


def place_in(hashes: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each of `wanted` belongs in sorted hashes, and whether it stands there."""
    if not len(hashes):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    first = np.searchsorted(hashes, wanted)
    return first, hashes[np.minimum(first, len(hashes) - 1)] == wanted


class SortedHashes:
    """Hashes, sorted, among which most of what is sought does not stand."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self._hashes = hashes
        self._mask = np.uint64((8 << len(hashes).bit_length()) - 1)
        self._may = np.zeros(int(self._mask) + 1, bool)
        self._may[hashes & self._mask] = True

    def look_up(self, wanted: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """As the function of that name: a table of the lowest bits tells most misses apart, sooner than a search."""
        may = np.flatnonzero(self._may[wanted & self._mask])
        rows, places = look_up(self._hashes, wanted[may])
        return rows, may[places]


def look_up(hashes: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every pair of places, in sorted hashes and in `wanted`, where the same stands; in the order of `wanted`."""
    first, known = place_in(hashes, wanted)
    places = np.flatnonzero(known)
    low, high = first[places], np.searchsorted(hashes, wanted[places], side="right")
    counts = high - low
    rows = np.repeat(low, counts) + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, np.repeat(places, counts)


def _join(
    owners: NDArray[np.int64], starts: NDArray[np.int64], offsets: NDArray[np.int64], size: int
) -> Iterator[Passage]:
    """Runs of one item that follow each other in the text and in the item, made one."""
    order = np.lexsort((starts, starts - offsets, owners))
    owners, starts, offsets = owners[order], starts[order], offsets[order]
    follows = (np.diff(owners) == 0) & (np.diff(starts) == 1) & (np.diff(offsets) == 1)
    edges = np.flatnonzero(np.concatenate(([True], ~follows, [True])))
    for first, after in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        yield Passage(int(owners[first]), int(starts[first]), int(offsets[first]), size + after - first - 1)


def spans(text: str, passages: Sequence[Passage]) -> list[tuple[int, int]]:
    """Where passages stand in a text: first and last character, those that touch made one."""
    places = word_places(text)
    found: list[tuple[int, int]] = []
    for passage in sorted(passages, key=lambda each: each.start):
        start, stop = places[passage.start][0], places[passage.start + passage.words - 1][1]
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found
