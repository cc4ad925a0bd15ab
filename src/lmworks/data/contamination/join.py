"""Join of evaluation items and texts by runs of 8 words.

Both are compared as a reader sees them (`base.text`): without markup, case, accents and punctuation. Each letter of a
script without spaces is a word here, and numbers of words are multiplied by `letters_a_word`. A text holds an item if
it has all its runs (`exact`), 70 % of them (`near-duplicate`; Chowdhery et al. 2022, section 8), 13 consecutive words
(`13-gram`; Brown et al. 2020, appendix C), or one of its lines (`line`). Runs that 3 records of one set share, such as
an instruction, do not count. An item with fewer than 8 words of its own is found as a whole or not at all.

Axes: F forms of items, R their runs, N texts.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from lmworks.data.base.text import fold, letters, view, without_markup
from lmworks.data.base.words import Words, combining_marks, hash_words, letters_a_word, mixed_bits, word_spans
from lmworks.data.duplicates.minhash import hash_windows
from lmworks.data.shards.records import as_array
from lmworks.lazy import NDArray, np, pc
from lmworks.pipeline.files import write_atomically

Method = Literal["exact", "near-duplicate", "13-gram", "line"]
SUREST: tuple[Method, ...] = get_args(Method)
"""Methods, the surest first."""
SHARED = "shared"
"""Verdict on an item that was not found and has fewer than 8 words of its own: neither contaminated nor clean."""
RUN_WORDS, LONG_RUN_WORDS = 8, 13
_SHARE_OF_RUNS = 0.7
_LEAST_SHARING = 3
"""Number of records of a set with the same run from which the run does not count."""
_SHORTEST_INSIDE = 5
"""Minimum words of an item that is searched for inside texts. A shorter item is found only as a whole text."""
_MOST_FORMS = 64
"""Maximum number of forms that are looked up for one run."""
_MAY_DIFFER = r"[<&]|[^\x09-\x0d\x20-\x7e]"
"""Pattern of RE2 for texts that a reader may see in another form."""


class Form(NamedTuple):
    """One wording of an item that is searched for."""

    item: int
    text: str
    set: str
    record: str
    is_line: bool = False
    """Whether it is one line of the item."""


class Match(NamedTuple):
    """An item found in a text."""

    item: int
    set: str
    record: str
    method: Method
    size: int
    starts: list[int]
    """First word of each run of `size` words that the text has in common with the item."""


def compared_words(texts: Any) -> Iterator[Words]:
    """Yield the words of texts (a pyarrow string array without nulls) as they are compared, some texts at a time."""
    marked = pc.match_substring_regex(texts, _MAY_DIFFER)
    if seen := [fold(letters(without_markup(text))) for text in texts.filter(marked).to_pylist()]:
        texts = pc.replace_with_mask(texts, marked, as_array(seen))
    yield from hash_words(pc.replace_substring(texts, "_", " "))


def words_of(texts: Sequence[str]) -> Iterator[NDArray[np.uint64]]:
    """Yield a hash of each compared word of each text."""
    for block in compared_words(as_array(texts)):
        yield from np.split(block.hashes, np.cumsum(block.counts)[:-1])


def without_inner_signs(text: str) -> str:
    """Return a text without markup and without the signs inside words: "don't" as "dont"."""
    return _inner_signs().sub("", without_markup(text))


@functools.cache
def _inner_signs() -> re.Pattern[str]:
    marks = combining_marks()
    return re.compile(rf"(?<=[\w{marks}])[^\w\s{marks}]+(?=\w)")


def _runs(words: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """Return a hash of each run of `size` words of a text."""
    return hash_windows(Words(words, np.array([len(words)])), size)[0] if size else np.zeros(0, np.uint64)


def write_index(folder: Path, forms: Sequence[Form]) -> set[int]:
    """Write the arrays of an `Index` into a folder. Return the items with at most 7 words of their own.

    Other records share all other words. Such an item is found only as a whole. If not found, it may still be unclean.
    """
    words = list(words_of([form.text for form in forms]))
    times = np.array([letters_a_word(form.text) for form in forms], np.int64)
    runs = [_runs(some, min(len(some), RUN_WORDS)) for some in words]
    owners = np.repeat(np.arange(len(forms)), [len(some) for some in runs])
    every = np.concatenate([np.zeros(0, np.uint64), *runs])
    lengths = np.array([len(some) for some in words], np.int64)
    shared = _shared_runs(forms, words, every, owners) & (lengths[owners] >= RUN_WORDS)
    own_words = lengths.copy()
    for form in np.unique(owners[shared]).tolist():
        own_words[form] -= np.count_nonzero(np.convolve(shared[owners == form], np.ones(RUN_WORDS)))
    kinds: dict[str, Any] = {"item": np.int64, "set": np.str_, "record": np.str_, "is_line": np.bool_}
    columns = {name: np.array([getattr(form, name) for form in forms], kind) for name, kind in kinds.items()}
    columns |= {"length": lengths, "times": times, "own_words": own_words}
    stream = io.BytesIO()
    np.savez(
        stream, allow_pickle=False, runs=every, owners=owners, counts=~shared | (own_words == 0)[owners], **columns
    )
    write_atomically(folder / "index.npz", stream.getvalue())
    is_thin = (own_words < np.minimum(RUN_WORDS * times, lengths)) & ~columns["is_line"]
    return set(columns["item"][is_thin].tolist())


def _shared_runs(
    forms: Sequence[Form], words: Sequence[NDArray[np.uint64]], runs: NDArray[np.uint64], owners: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which runs [R] are in 3 records of their set. Records whose longest forms are equal count once."""
    longest: dict[tuple[str, str], bytes] = {}
    for form, some in zip(forms, words, strict=True):
        key = form.set, form.record
        longest[key] = max(longest.get(key, b""), some.tobytes(), key=len)
    numbers: dict[Any, int] = {}
    sets = np.array([numbers.setdefault(form.set, len(numbers)) for form in forms], np.uint64)
    records = np.array(
        [numbers.setdefault((form.set, longest[form.set, form.record]), len(numbers)) for form in forms], np.int64
    )
    keys = mixed_bits(runs ^ sets[owners])
    order = np.lexsort((records[owners], keys))
    values, sharing = np.unique(keys[order][_is_new(keys[order], records[owners][order])], return_counts=True)
    return np.isin(keys, values[sharing >= _LEAST_SHARING])


def _is_new(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows of sorted columns differ from the row before them."""
    is_new = np.ones(len(columns[0]), bool)
    is_new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return is_new


class _Table:
    """Runs of one size of all forms, sorted by hash."""

    def __init__(self, size: int, runs: NDArray[np.uint64], forms: NDArray[np.int64]) -> None:
        order = np.lexsort((forms, runs))
        order = order[_is_new(runs[order], forms[order])]
        order = order[np.arange(len(order)) - np.searchsorted(runs[order], runs[order]) < _MOST_FORMS]
        self.size, self._hashes, self._forms = size, runs[order], forms[order]
        self._mask = np.uint64((8 << len(order).bit_length()) - 1)
        self._may = np.zeros(int(self._mask) + 1, bool)
        """Whether the table has a run with these lowest bits. It rules out most runs of texts fast."""
        self._may[self._hashes & self._mask] = True

    def find(self, block: Words) -> NDArray[np.int64]:
        """Return the pairs of texts and forms [_, 2] that have a run in common."""
        is_inside = self.size >= _SHORTEST_INSIDE
        if not len(self._hashes) or not (is_inside or (block.counts == self.size).any()):
            return np.zeros((0, 2), np.int64)
        hashes, counts = hash_windows(block, self.size)
        may = np.flatnonzero(self._may[hashes & self._mask])
        low = np.searchsorted(self._hashes, hashes[may])
        known = self._hashes[np.minimum(low, len(self._hashes) - 1)] == hashes[may]
        texts = np.searchsorted(np.cumsum(counts), may[known], "right")
        low, texts = np.unique(np.stack((low[known], texts)), axis=1)
        if not is_inside:
            low, texts = low[block.counts[texts] == self.size], texts[block.counts[texts] == self.size]
        number = np.searchsorted(self._hashes, self._hashes[low], "right") - low
        rows = np.repeat(low - np.cumsum(number) + number, number) + np.arange(number.sum())
        return np.stack((np.repeat(texts, number), self._forms[rows]), axis=1)


@functools.lru_cache(maxsize=1)
def open_index(folder: Path) -> Index:
    """Return the index of a folder, read once per process."""
    return Index(folder)


class Index:
    """Forms of items that are searched for in texts."""

    def __init__(self, folder: Path) -> None:
        stored = dict(np.load(folder / "index.npz", allow_pickle=False))
        self._runs, self._counts, owners = (stored.pop(name) for name in ("runs", "counts", "owners"))
        self._edges = np.searchsorted(owners, np.arange(len(stored["item"]) + 1))
        self._forms = stored
        sizes = np.minimum(stored["length"], RUN_WORDS)[owners]
        chosen = {size: np.flatnonzero((sizes == size) & self._counts) for size in np.unique(sizes).tolist()}
        self._tables = [_Table(size, self._runs[rows], owners[rows]) for size, rows in chosen.items()]

    def search(self, texts: Any) -> Iterator[list[Match]]:
        """Yield the matches of each text (of a pyarrow string array without nulls)."""
        for block in compared_words(texts):
            pairs = np.concatenate([np.zeros((0, 2), np.int64), *(table.find(block) for table in self._tables)])
            held: dict[int, list[int]] = {}
            for text, form in np.unique(pairs, axis=0).tolist():
                held.setdefault(text, []).append(form)
            ends = np.cumsum(block.counts)
            for text, (end, count) in enumerate(zip(ends.tolist(), block.counts.tolist(), strict=True)):
                yield list(self._matches(held.get(text, ()), block.hashes[end - count : end]))

    def _matches(self, forms: Sequence[int], words: NDArray[np.uint64]) -> Iterator[Match]:
        sizes = np.minimum(self._forms["length"][forms], RUN_WORDS).tolist() if forms else []
        runs = {size: _runs(words, size) for size in set(sizes)}
        for form, size in zip(forms, sizes, strict=True):
            if method := self._method(form, runs[size], len(words)):
                item, name, record = (self._forms[column][form].item() for column in ("item", "set", "record"))
                starts = np.flatnonzero(np.isin(runs[size], self._runs[self._of(form)]))
                yield Match(item, name, record, method, size, starts.tolist())

    def _of(self, form: int) -> slice:
        """Return the place of the runs of a form."""
        return slice(int(self._edges[form]), int(self._edges[form + 1]))

    def _method(self, form: int, runs: NDArray[np.uint64], words: int) -> Method | None:
        """Return the surest method by which a text with these runs and this number of words holds a form."""
        length, times, own_words = (int(self._forms[name][form]) for name in ("length", "times", "own_words"))
        if length < _SHORTEST_INSIDE * times and words != length:
            return None
        held = np.isin(self._runs[self._of(form)], runs)
        if held.all():
            return "line" if self._forms["is_line"][form] else "exact"
        if length < LONG_RUN_WORDS * times or 0 < own_words < RUN_WORDS * times:
            return None
        counts = self._counts[self._of(form)]
        if (held & counts).sum() >= _SHARE_OF_RUNS * counts.sum():
            return "near-duplicate"
        edges = np.flatnonzero(np.diff(held & counts, prepend=False, append=False))
        longest = int(np.diff(edges)[::2].max(initial=0)) + RUN_WORDS - 1
        return "13-gram" if own_words and longest >= LONG_RUN_WORDS * times else None


def spans(text: str, match: Match) -> list[tuple[int, int]]:
    """Return the start and end of each part of a text that a match covers."""
    seen = view(text, markup=True, folded=True)
    places = word_spans(seen.text.replace("_", " "))
    found: list[tuple[int, int]] = []
    for first in match.starts:
        start, stop = seen.span(places[first][0], places[first + match.size - 1][1])
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found
