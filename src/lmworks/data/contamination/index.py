"""Find the items of evaluation sets inside texts.

Words are compared without markup, case and punctuation (`plain`), each letter of a script without spaces on its own:
there numbers of words are taken times `letters_a_word`, but for near-duplicates, of which all is compared. An
index holds the hash of every run of 8 words of every item; where a text has the same runs in the same order, they join
to a passage in common. From the passages follow the field's tests: a 13-gram in common (Brown et al. 2020, appendix C),
70 % of an item's 8-grams (Chowdhery et al. 2022, section 8), the whole item, and a text, or a passage as long as the
item, that is a near-duplicate of it. All of them need a common 8-gram, but for items of fewer words, which are sought
whole. What 3 records of one set share, such as an instruction, tells of none of them, but where an item stands whole,
or has nothing else and is a near-duplicate. Of an item of which only that was found, though it is most of it or leaves
fewer than 8 words of its own, nothing is known: it is `SHARED`.

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
SHARED: Literal["shared"] = "shared"
"""In place of a method where of an item too much is shared to say more of what was found."""
SUREST: tuple[Method | Literal["shared"], ...] = (*METHODS, SHARED)

RUN_WORDS, LONG_RUN_WORDS = 8, 13
SHARE_OF_RUNS = 0.7
NEAR = 0.8
"""Jaccard similarity of 5-word shingles from where on a text is near another."""
BEGINNINGS = 3
"""Places tried where an item would begin: words that came or went move those behind them."""
SHORTEST_INSIDE = 5
"""Words: a shorter item is found only where it is the whole text, since it stands everywhere by chance."""

MOST_ALIKE = 64
"""Equal runs of an item that are kept, and of a text where all pairs would be too many: more say nothing more."""
_MOST_PAIRS = 2**23
LEAST_SHARING = 3
"""Records of a set that have a run of words in common from where on it tells of none."""


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
    method: Method | Literal["shared"]
    passages: tuple[Passage, ...]


def runs(words: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """A hash of each run of `size` words [W - size + 1]."""
    return hash_windows(Words(words, np.array([len(words)])), size)[0]


def first_alike(hashes: NDArray[np.uint64], owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order in which hashes are sorted; of those of one owner that are equal the first alone, `MOST_ALIKE`."""
    order = np.argsort(hashes, kind="stable")
    is_new = (np.diff(hashes[order]) != 0) | (np.diff(owners[order]) != 0)
    begins = np.flatnonzero(np.concatenate(([True], is_new)))[: len(order)]
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order)))
    return order[rank < MOST_ALIKE]


def shared_runs(
    items: Sequence[NDArray[np.uint64]], sizes: NDArray[np.int64], records: Sequence[tuple[str, str]]
) -> NDArray[np.int32]:
    """Of each word [W] of all items how many records of its set share the run that begins there; 0 for few.

    `sizes` are the words of a run of each item, `records` the set and the record that each is of. Records whose longest
    items are equal are one.
    """
    longest: dict[tuple[str, str], bytes] = {}
    for record, words in zip(records, items, strict=True):
        longest[record] = max(longest.get(record, b""), words.tobytes(), key=len)
    distinct = sorted({(name, content) for (name, _), content in longest.items()})
    known = {each: number for number, each in enumerate(distinct)}
    sets = {name: number for number, name in enumerate(sorted({name for name, _ in distinct}))}
    lengths = np.array([len(words) for words in items], np.int64)
    starts, found = np.cumsum(lengths) - lengths, np.zeros(int(lengths.sum()), np.int32)
    for size in set(sizes.tolist()):
        chosen = np.flatnonzero((sizes == size) & (lengths >= size)).tolist()
        hashes = np.concatenate([np.zeros(0, np.uint64), *(runs(items[number], size) for number in chosen)])
        counts = lengths[chosen] - size + 1
        owners = np.repeat([known[records[n][0], longest[records[n]]] for n in chosen], counts).astype(np.int64)
        named = np.repeat([sets[records[number][0]] for number in chosen], counts).astype(np.int64)
        at = np.repeat(starts[chosen] - np.cumsum(counts) + counts, counts) + np.arange(len(hashes))
        order = np.lexsort((owners, named, hashes))
        is_new = np.diff(hashes[order], prepend=0) != 0
        is_new |= np.diff(named[order], prepend=-1) != 0
        is_other = is_new | (np.diff(owners[order], prepend=-1) != 0)
        begins = np.flatnonzero(is_new)
        sharing = np.add.reduceat(is_other.astype(np.int64), begins) if len(begins) else begins
        found[at[order]] = np.repeat(sharing * (sharing >= LEAST_SHARING), np.diff(begins, append=len(order)))
    return found


def own_words(shared: NDArray[np.int32], lengths: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many words of each item [I] stand in no run of that many words (`sizes`) that others share."""
    covered = np.zeros(len(shared) + 1, np.int64)
    begins = np.flatnonzero(shared)
    np.add.at(covered, begins, 1)
    np.add.at(covered, begins + np.repeat(sizes, lengths)[begins], -1)
    is_own = np.concatenate(([0], np.cumsum(np.cumsum(covered[:-1]) == 0)))
    ends = np.cumsum(lengths)
    found: NDArray[np.int64] = is_own[ends] - is_own[ends - lengths]
    return found


def write_index(folder: Path, texts: Sequence[str], records: Sequence[tuple[str, str]] | None = None) -> None:
    """Store the runs of every item, sorted by hash; `records` are the set and the record that each item is of."""
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
        order = first_alike(hashes, owners)
        for name, column in (("hashes", hashes), ("owners", owners), ("offsets", offsets)):
            save_column(folder / f"{size}-{name}.npy", column[order])
    records = records or [("", str(number)) for number in range(len(texts))]
    for name, size in (("shared", RUN_WORDS), ("shared-long", LONG_RUN_WORDS)):
        save_column(folder / f"{name}.npy", shared_runs(items, size * times, records))
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
        self._shared = {RUN_WORDS: load("shared"), LONG_RUN_WORDS: load("shared-long")}
        self.short: dict[int, list[int]] = defaultdict(list)
        self.times: NDArray[np.int64] = load("times")
        """By which the numbers of words are taken for each item."""
        self._own_words = own_words(self._shared[RUN_WORDS], self.lengths, RUN_WORDS * self.times)
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
                places = known.places(runs(block.hashes, size))
                may[np.searchsorted(ends, places, "right")] = True
            found.append(may)
        return np.concatenate(found)

    def matches(self, text: str, methods: Sequence[Method], threshold: float) -> list[Match]:
        """Every item that a text holds, by the surest of the methods; near-duplicates by a Jaccard threshold.

        Of an item that it may hold, of which only what others share is in it, the method is `SHARED`.
        """
        (words,) = compared_in_turn([text], behind=True)
        by_item: dict[int, list[Passage]] = defaultdict(list)
        for passage in self._passages(words):
            by_item[passage.item].append(passage)
        if "exact" in methods:
            by_item |= {item: self._with_whole(item, passages, words) for item, passages in by_item.items()}
        found = []
        for item, passages in sorted(by_item.items()):
            method = next((each for each in methods if self._applies(each, item, passages, words, threshold)), None)
            if method == "near-duplicate":
                _, first, count = self._near(item, passages, words, threshold)
                found.append(Match(item, method, (Passage(item, first, 0, count),)))
            elif method:
                shown = [each for each in passages if each.words >= self._least(method, item)]
                found.append(Match(item, method, tuple(shown or passages)))
            elif self._is_shared(item, passages):
                found.append(Match(item, SHARED, tuple(passages)))
        if "exact" in methods and len(words) <= self._longest_short:
            alike = [item for item in self.short.get(_whole(words), ()) if self.lengths[item] == len(words)]
            found += [Match(item, "exact", (Passage(item, 0, 0, len(words)),)) for item in alike if len(words)]
        return found

    def _passages(self, words: NDArray[np.uint64]) -> Iterator[Passage]:
        for size, (hashes, owners, offsets) in self.runs.items():
            rows, starts = look_up(hashes, runs(words, size))
            if len(rows):
                yield from _join(owners[rows], starts, offsets[rows], size)

    def _with_whole(self, item: int, passages: list[Passage], words: NDArray[np.uint64]) -> list[Passage]:
        """Passages of an item, with that of all of it where it stands whole: of equal runs not all are kept."""
        wanted = self.item(item)
        if any(each.words == len(wanted) for each in passages):
            return passages
        for start in {each.start - each.offset for each in passages}:
            if start >= 0 and np.array_equal(words[start : start + len(wanted)], wanted):
                return [*passages, Passage(item, start, 0, len(wanted))]
        return passages

    def _own(self, passage: Passage, words: int) -> NDArray[np.bool_]:
        """Which runs of a passage few records share: of 8 or 13 words, in scripts without spaces more letters."""
        size = words * int(self.times[passage.item])
        first = int(self.ends[passage.item] - self.lengths[passage.item]) + passage.offset
        found: NDArray[np.bool_] = self._shared[words][first : first + max(passage.words - size + 1, 0)] == 0
        return found

    def shared_by(self, item: int) -> int:
        """How many records have the run of an item that most have, itself among them; 0 if few have any."""
        end = int(self.ends[item])
        return int(self._shared[RUN_WORDS][end - int(self.lengths[item]) : end].max(initial=0))

    def _held(self, item: int, passages: Sequence[Passage]) -> NDArray[np.bool_]:
        """Which runs of 8 words of an item stand in passages."""
        size, length = self._least("8-gram", item), int(self.lengths[item])
        held = np.zeros(max(length - size + 1, 0), bool)
        for each in passages:
            held[each.offset : max(each.offset + each.words - size + 1, each.offset)] = True
        return held

    def _is_shared(self, item: int, passages: Sequence[Passage]) -> bool:
        """Whether what others share is most of what an item says, or hides all but too little of it, and was found."""
        held = self._held(item, passages)
        hidden = held & ~self._own(Passage(item, 0, 0, int(self.lengths[item])), RUN_WORDS)
        is_long = any(passage.words >= self._least("13-gram", item) for passage in passages)
        is_hidden = is_long and self._own_words[item] < self._least("8-gram", item)
        return bool(hidden.any()) and bool(is_hidden or held.sum() >= SHARE_OF_RUNS * len(held))

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
                return any(self._own(passage, LONG_RUN_WORDS).any() for passage in passages)
            case "8-gram":
                own = self._own(Passage(item, 0, 0, length), RUN_WORDS)
                held = self._held(item, passages)
                return bool(own.any()) and int((held & own).sum()) >= SHARE_OF_RUNS * int(own.sum())
            case "near-duplicate":
                least = self._least("8-gram", item)
                is_shared = all(each.words >= least and not self._own(each, RUN_WORDS).any() for each in passages)
                if is_shared and self._own_words[item]:
                    return False
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

    def places(self, wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Where one of them stands in `wanted`."""
        may = np.flatnonzero(self._may[wanted & self._mask])
        return may[place_in(self._hashes, wanted[may])[1]]


def look_up(hashes: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every pair of places, in sorted hashes and in `wanted`, where the same stands; in the order of `wanted`.

    Where there would be millions, of equal ones in `wanted` the first alone.
    """
    first, known = place_in(hashes, wanted)
    places = np.flatnonzero(known)
    counts = np.searchsorted(hashes, wanted[places], side="right") - first[places]
    if counts.sum() > _MOST_PAIRS:
        kept = np.sort(first_alike(wanted[places], np.zeros(len(places), np.int64)))
        places, counts = places[kept], counts[kept]
    low = first[places]
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
