"""Find the items of evaluation sets inside texts.

Words are compared as duplicate search does: without case and punctuation, each character of an unspaced script on its
own. An index holds the hash of every run of 8 words of every item; where a text has the same runs in the same order,
they join to a passage in common. From the passages follow the field's tests:
a 13-gram in common (Brown et al. 2020, appendix C), 70 % of an item's 8-grams (Chowdhery et al. 2022, section 8), the
whole item, and a text that is a near-duplicate of the item. All of them need a common 8-gram, but for items of fewer
words, which are sought whole.

Axes: W words of a text, E runs of all items.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from lmworks.data.duplicates.minhash import SHINGLE_WORDS, hash_windows, jaccard
from lmworks.data.words import Words, hash_words, word_spans
from lmworks.lazy import NDArray, np, pa

Method = Literal["exact", "near-duplicate", "13-gram", "8-gram"]
METHODS: tuple[Method, ...] = get_args(Method)
"""The surest first: a text is counted under the first that applies."""

RUN_WORDS, LONG_RUN_WORDS = 8, 13
SHARE_OF_RUNS = 0.7
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
    """An item found in a text, by the surest method, with the passages in common."""

    item: int
    method: Method
    passages: tuple[Passage, ...]


def word_hashes(texts: Sequence[str]) -> Iterator[NDArray[np.uint64]]:
    """A hash of each word [W], text by text."""
    for block in hash_words(pa.array(texts, pa.string())):
        yield from np.split(block.hashes, np.cumsum(block.counts)[:-1])


def runs(words: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """A hash of each run of `size` words [W - size + 1]."""
    return hash_windows(Words(words, np.array([len(words)])), size)[0]


def write_index(folder: Path, texts: Sequence[str]) -> None:
    """Store the runs of every item, sorted by hash."""
    items = list(word_hashes(texts))
    lengths = np.array([len(words) for words in items], np.int64)
    for size in (*range(SHORTEST_INSIDE, RUN_WORDS), RUN_WORDS):
        whole = size < RUN_WORDS  # an item of fewer words is one run
        chosen = [number for number, length in enumerate(lengths) if (length == size if whole else length >= size)]
        found = [runs(items[number], size) for number in chosen]
        hashes = np.concatenate([np.zeros(0, np.uint64), *found])
        owners = np.repeat(np.array(chosen, np.int64), [len(each) for each in found])
        offsets = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(each)) for each in found)])
        order = np.argsort(hashes, kind="stable")
        for name, column in (("hashes", hashes), ("owners", owners), ("offsets", offsets)):
            _save(folder / f"{size}-{name}.npy", column[order])
    short = [number for number, length in enumerate(lengths) if length < SHORTEST_INSIDE]
    _save(folder / "short.npy", np.array([[number, _whole(items[number])] for number in short], np.uint64))
    _save(folder / "lengths.npy", lengths)
    _save(folder / "words.npy", np.concatenate([np.zeros(0, np.uint64), *items]))


def _save(path: Path, column: NDArray[Any]) -> None:
    import io

    from lmworks.pipeline.files import write_atomically

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
        self.lengths: NDArray[np.int64] = load("lengths")
        self.ends: NDArray[np.int64] = np.cumsum(self.lengths)
        self.words: NDArray[np.uint64] = load("words")
        self.short: dict[int, list[int]] = defaultdict(list)
        for number, whole in load("short").reshape(-1, 2).tolist():
            self.short[whole].append(number)

    def item(self, number: int) -> NDArray[np.uint64]:
        """The words of an item."""
        end = int(self.ends[number])
        return self.words[end - int(self.lengths[number]) : end]

    def candidates(self, texts: Any) -> NDArray[np.bool_]:
        """Which of the texts [N] (a pyarrow string array) may hold an item: the others have no run in common with any.

        Runs that reach from one text into the next are looked up with the rest, and do no more than propose.
        """
        found = [np.zeros(0, bool)]
        for block in hash_words(texts):
            ends = np.cumsum(block.counts)
            may = block.counts < SHORTEST_INSIDE if self.short else np.zeros(len(ends), bool)
            for size, (hashes, _, _) in self.runs.items():
                mine = runs(block.hashes, size)
                places = np.flatnonzero(_place(hashes, mine)[1])
                may[np.searchsorted(ends, places, "right")] = True
            found.append(may)
        return np.concatenate(found)

    def matches(self, text: str, methods: Sequence[Method], threshold: float) -> list[Match]:
        """Every item that a text holds, by the surest of the methods; near-duplicates by a Jaccard threshold."""
        (words,) = word_hashes([text])
        by_item: dict[int, list[Passage]] = defaultdict(list)
        for passage in self._passages(words):
            by_item[passage.item].append(passage)
        found = []
        for item, passages in sorted(by_item.items()):
            method = next((each for each in methods if self._applies(each, item, passages, words, threshold)), None)
            if method:
                shown = [each for each in passages if each.words >= _least(method, int(self.lengths[item]))]
                found.append(Match(item, method, tuple(shown or passages)))
        if "exact" in methods and len(words) < SHORTEST_INSIDE and self.short:
            alike = [item for item in self.short.get(_whole(words), ()) if self.lengths[item] == len(words)]
            found += [Match(item, "exact", (Passage(item, 0, 0, len(words)),)) for item in alike if len(words)]
        return found

    def _passages(self, words: NDArray[np.uint64]) -> Iterator[Passage]:
        for size, (hashes, owners, offsets) in self.runs.items():
            mine = runs(words, size)
            first, known = _place(hashes, mine)
            places = np.flatnonzero(known)
            if not len(places):
                continue
            low, high = first[places], np.searchsorted(hashes, mine[places], side="right")
            counts = high - low
            starts = np.repeat(places, counts)
            rows = np.repeat(low, counts) + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            yield from _join(owners[rows], starts, offsets[rows], size)

    def _applies(
        self, method: Method, item: int, passages: Sequence[Passage], words: NDArray[np.uint64], threshold: float
    ) -> bool:
        length = int(self.lengths[item])
        match method:
            case "exact":
                return any(passage.words == length for passage in passages)
            case "13-gram":
                return any(passage.words >= LONG_RUN_WORDS for passage in passages)
            case "8-gram":
                offsets = {
                    at for each in passages for at in range(each.offset, each.offset + each.words - RUN_WORDS + 1)
                }
                return length >= RUN_WORDS and len(offsets) >= SHARE_OF_RUNS * (length - RUN_WORDS + 1)
            case "near-duplicate":
                if not threshold <= len(words) / length <= 1 / threshold:  # sets of unlike size, but for repeats
                    return False
                sets = [np.unique(runs(each, min(SHINGLE_WORDS, len(each)))) for each in (words, self.item(item))]
                return jaccard(*sets) >= threshold


def _place(hashes: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each of `wanted` belongs in sorted hashes, and whether it stands there."""
    if not len(hashes):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    first = np.searchsorted(hashes, wanted)
    return first, hashes[np.minimum(first, len(hashes) - 1)] == wanted


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


def _least(method: Method, length: int) -> int:
    """The words of a passage that the method speaks of; shorter ones in common are chance."""
    return {"exact": length, "13-gram": LONG_RUN_WORDS, "8-gram": RUN_WORDS, "near-duplicate": RUN_WORDS}[method]


def spans(text: str, passages: Sequence[Passage]) -> list[tuple[int, int]]:
    """Where passages stand in a text: first and last character, those that touch made one."""
    places = word_spans(text)
    found: list[tuple[int, int]] = []
    for passage in sorted(passages, key=lambda each: each.start):
        start, stop = places[passage.start][0], places[passage.start + passage.words - 1][1]
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found
