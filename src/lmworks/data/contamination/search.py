"""Test items sought in the text that a model learned from, by content.

An item is what it asks and the answer wanted, sought apart. Of each the surest verdict is told: `whole`, if it stands
in a training text from its first word to its last; `near`, if the Jaccard similarity of its 5-word shingles with a
training text, or with the passage that begins where it would, is 0.8 or more; `verbatim`, if 13 of its words on end
stand in one, or one of its lines of 8 to 12 words does, whole. An item of fewer than 13 words is found whole, or by
such a line, or not at all; one of fewer than 8, or laid out in labelled lines all shorter than that, is not sought.
In scripts that put no space between words as many letters count for each as say as much (`letters_a_word`).
Words are compared as `plain` has it; signs inside a word, as in "don't", may stand, be spaces or be missing in the
training text. What 3 items share, such as an instruction, tells of none of them, but where an item stands whole, or
has nothing else and is near. `shared` is an item of which only that was found, though it is most of it or leaves fewer
than 8 words of its own: nothing is known of it.

Axes: W words of some texts, I items, F marks of all items.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import Field

from lmworks.data.contamination.index import (
    BEGINNINGS,
    LONG_RUN_WORDS,
    NEAR,
    SHARE_OF_RUNS,
    SHARED,
    SortedHashes,
    first_alike,
    likeness,
    own_words,
    shared_runs,
)
from lmworks.data.contamination.items import Item, is_short_layout, items_of, own_lines
from lmworks.data.contamination.plain import compared_in_turn, compared_words, plain
from lmworks.data.contamination.reworded import find_reworded
from lmworks.data.contamination.training import (
    SHORTEST,
    KeyedConfig,
    Texts,
    count_texts,
    files_of,
    marks,
    open_index,
    run_keys,
    texts_in,
)
from lmworks.data.duplicates.minhash import begins, hash_windows
from lmworks.data.pretrained import model_digest
from lmworks.data.records import write_json_lines
from lmworks.data.words import Words, combining_marks, letters_a_word
from lmworks.lazy import NDArray, np
from lmworks.pipeline.files import canonical_json, write_atomically
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.recipe.schema import Reference, RewordedConfig

Verdict = Literal["whole", "near", "verbatim", "shared", "not found", "too short"]
FOUND: tuple[Verdict, ...] = get_args(Verdict)[:3]
"""The surest first."""
_RANKED: tuple[Verdict, ...] = get_args(Verdict)[:4]
PARTS = ("question", "answer")
_LEAST_HITS = 0.3
"""Share of an item's long runs in a text from where on it may be near: half of them stand in any that is."""
_BASE = 0x9E3779B97F4A7C15


class SearchConfig(KeyedConfig):
    """Which items are sought in what; made by the graph."""

    data: Reference = Field(description="What is scored.")
    texts: list[Reference] = Field(description="All that was learned from.")
    indices: list[Reference] = Field(description="The index of each of them.")
    unknown: list[str] = Field(default=[], description="Why what was learned from is not known whole, in words.")
    reworded: RewordedConfig | None = Field(default=None, description="How items are sought in other words.")
    encoder_digest: str = Field(default="", description="Digest of its encoder's files; set by `resolve`.")

    def resolve(self, folder: Path) -> Self:
        """With the digest of the encoder too, if one is named. Raises UsageError if it is not there."""
        found = super().resolve(folder)
        if self.reworded is None:
            return found
        digest = model_digest(folder / self.reworded.encoder, "evaluate.reworded.encoder")
        return found.model_copy(update={"encoder_digest": digest})


@stage(version=9, reads=("texts", "indices"), measures="data")
def contamination_search(
    config: SearchConfig, data: Handle, texts: list[Handle], indices: list[Handle], out: Path, context: Context
) -> Result:
    """Seek every record. `verdicts.jsonl` has a line for each, `searched.json` what they were sought in.

    Where an index proposes a shard, its texts decide.
    """
    items = list(items_of(data))
    sought = Sought([text for item in items for text in item[1:]], run_keys(config.folder))
    unknown = list(config.unknown)
    searched = 0
    context.progress.start(len(texts), "training texts")
    for done, (text, index) in enumerate(zip(texts, indices, strict=True), 1):
        if not files_of(text):
            unknown.append("of the records that were learned from, some are of a kind that is not read here")
        for file, numbers in open_index(index, text):
            context.check_stop()
            for some in texts_in(file) if sought.may_stand(numbers) else ():
                sought.seek(some)
        searched += count_texts(index)
        context.progress.update(done)
    lines = [_line(item, sought, number * len(PARTS)) for number, item in enumerate(items)]
    if config.reworded:
        unfound = {
            item.id: item.question for item, line in zip(items, lines, strict=True) if line["question"] not in FOUND
        }
        files = [file for text in texts for file in files_of(text)]
        suspects = find_reworded(unfound, files, config.folder, config.reworded, context.check_stop)
        lines = [
            line | ({"suspected": suspects[line["id"]]._asdict()} if line["id"] in suspects else {}) for line in lines
        ]
    write_json_lines(out / "verdicts.jsonl", lines)
    write_atomically(out / "searched.json", canonical_json({"texts": searched, "unknown": unknown}) + "\n")
    counts = Counter(f"{part}: {line[part]}" for line in lines for part in PARTS if line[part])
    counts.update("question: suspected in other words" for line in lines if "suspected" in line)
    return Result(counts={"items": len(items), "training texts": searched, **dict(sorted(counts.items()))})


def _line(item: Item, sought: Sought, place: int) -> dict[str, Any]:
    line: dict[str, Any] = {"id": item.id}
    for number, (part, text) in enumerate(zip(PARTS, item[1:], strict=True), place):
        line[part] = sought.verdict(number) if text or part == "question" else None
        if line[part] == SHARED:
            line[f"{part} shared by"] = sought.shared_by(number)
        if number in sought.held:
            line[f"{part} in"] = sought.held[number]
    return line


class _Table:
    """Runs of `size` words of texts that are sought, to be found among those of other texts."""

    def __init__(self, forms: Words, size: int, which: NDArray[np.bool_], firsts: bool = False) -> None:
        """Of forms [I] those that are chosen, with all their runs or the first alone."""
        hashes, counts = hash_windows(forms, size)
        owners = np.repeat(np.arange(len(counts)), counts)
        offsets = np.arange(len(hashes)) - np.repeat(np.cumsum(counts) - counts, counts)
        chosen = np.flatnonzero(which[owners] & (offsets == 0) if firsts else which[owners])
        order = chosen[first_alike(hashes[chosen], owners[chosen])]
        self._size, self._known = size, SortedHashes(hashes[order])
        self._owners, self._offsets = owners[order], offsets[order]

    def find(self, words: Words) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of each run in common with texts: its form, the first word of it in the form, and that in the texts."""
        rows, hits = self._known.look_up(hash_windows(words, self._size)[0])
        return self._owners[rows], self._offsets[rows], np.flatnonzero(begins(words.counts, self._size))[hits]


class Sought:
    """Texts that are sought, and the surest verdict on each so far."""

    def __init__(self, texts: Sequence[str], keys: tuple[int, int]) -> None:
        self.held: dict[int, str] = {}
        """By the place of a text: the id of the first record in which it was found by its verdict."""
        self._best = np.full(len(texts), len(_RANKED))
        self._forms: list[NDArray[np.uint64]] = []
        owners: list[int] = []
        every_word = list(compared_in_turn(texts))
        of_text = [letters_a_word(plain(text)) for text in texts]
        for number, (text, words) in enumerate(zip(texts, every_word, strict=True)):
            forms = [form for form in (words, *_joined(text, words)) if len(form) >= SHORTEST * of_text[number]]
            self._forms += forms
            owners += [number] * len(forms)
        whole, times = len(owners), [of_text[number] for number in owners]
        for number, line, words in own_lines(texts, every_word):
            times.append(letters_a_word(line))
            self._forms.append(words)
            owners.append(number)
        self._is_short = [
            len(words) < SHORTEST * size or is_short_layout(text)
            for text, words, size in zip(texts, every_word, of_text, strict=True)
        ]
        self._owners = np.array(owners, np.int64)
        """The text that each form [I] is of."""
        self._is_line = np.arange(len(owners)) >= whole
        sizes = np.array([len(words) for words in self._forms], np.int64)
        every = Words(np.concatenate([np.zeros(0, np.uint64), *self._forms]), sizes)
        self._marks, self._marked = marks(every, keys)
        self._sizes, runs = sizes, LONG_RUN_WORDS * np.array(times, np.int64)
        self._runs = runs
        """Words on end of each form [I] that are enough."""
        long = sizes >= runs
        self._firsts = _Table(every, SHORTEST, sizes > 0, firsts=True)
        hardly = long & (sizes < LONG_RUN_WORDS + 2)
        self._long = {
            LONG_RUN_WORDS: _Table(every, LONG_RUN_WORDS, long),
            LONG_RUN_WORDS - 1: _Table(every, LONG_RUN_WORDS - 1, hardly),
            **{size: _Table(every, size, long & (runs == size)) for size in set(runs.tolist()) - {LONG_RUN_WORDS}},
        }
        # In 13 words on end, 8 begin at 6 places; a near text of 13 or 14 words may have 12 alone in common.
        self._on_end = np.where(~long, self._marked, np.where(sizes < LONG_RUN_WORDS + 2, 5, 6))
        self._starts = np.cumsum(sizes) - sizes
        of_text_or_line = [("", str(owner)) for owner in owners]
        self._shared = {
            size: shared_runs(self._forms, np.full(len(owners), size), of_text_or_line) for size in self._long
        }
        """Of each word of all forms how many share the run that begins there, by its size; 0 for few."""
        shared = self._shared[LONG_RUN_WORDS]
        self._own_words = own_words(shared, sizes, np.full(len(sizes), LONG_RUN_WORDS))
        self._hides = self._own_words < SHORTEST * np.array(times, np.int64)
        """Forms of which others leave too little that is their own."""
        self._sums = np.array([_polynomial(words)[-1] for words in self._forms], np.uint64)

    def verdict(self, number: int) -> Verdict:
        """The surest one of a text."""
        best = int(self._best[number])
        return _RANKED[best] if best < len(_RANKED) else "too short" if self._is_short[number] else "not found"

    def shared_by(self, number: int) -> int:
        """How many texts have the run of a text that most have, itself among them; 0 if few have any."""
        places = [
            slice(self._starts[form], self._starts[form] + self._sizes[form])
            for form in np.flatnonzero(self._owners == number)
        ]
        return max((int(self._shared[LONG_RUN_WORDS][place].max(initial=0)) for place in places), default=0)

    def may_stand(self, numbers: NDArray[np.uint32]) -> bool:
        """Whether one may be found in texts of which these are the marks: enough of its own on end are among them."""
        if not len(numbers) or not len(self._marks):
            return False
        places = np.minimum(np.searchsorted(numbers, self._marks), len(numbers) - 1)
        present = np.concatenate(([0], np.cumsum(numbers[places] == self._marks)))
        starts, ends = np.cumsum(self._marked) - self._marked, np.cumsum(self._marked)
        for size in np.unique(self._on_end).tolist():
            whole = np.flatnonzero(present[size:] - present[: len(present) - size] == size)
            owner = np.searchsorted(ends, whole, "right")
            if np.any((self._on_end[owner] == size) & (whole >= starts[owner]) & (whole + size <= ends[owner])):
                return True
        return False

    def seek(self, some: Texts) -> None:
        """Look for all in texts, and keep what is surer than what was found before."""
        first = 0
        for words in compared_words(some.texts):
            owners = some.owners[first : first + len(words.counts)]
            first += len(words.counts)
            ends = np.cumsum(words.counts)
            forms, at = self._whole(words, ends)
            is_line = self._is_line[forms]
            self._note("whole", forms[~is_line], at[~is_line], ends, owners)
            self._note("verbatim", forms[is_line], at[is_line], ends, owners)
            for size, table in self._long.items():
                forms, offsets, at = table.find(words)
                own = self._shared[size][self._starts[forms] + offsets] == 0
                is_long = size == self._runs[forms]
                self._note("verbatim", forms[own & is_long], at[own & is_long], ends, owners)
                hidden = ~own & is_long & self._hides[forms]
                self._note("shared", forms[hidden], at[hidden], ends, owners)
                if size <= LONG_RUN_WORDS:
                    near, shared = self._near(forms, at, offsets, own, size, words, ends)
                    self._note("near", forms[near], at[near], ends, owners)
                    self._note("shared", forms[shared], at[shared], ends, owners)

    def _whole(self, words: Words, ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Forms that stand in the texts from their first word to their last, and where: by sums of their words."""
        forms, _, at = self._firsts.find(words)
        inside = at + self._sizes[forms] <= ends[np.searchsorted(ends, at, "right")]
        forms, at = forms[inside], at[inside]
        if not len(forms):
            return forms, at
        sums = _polynomial(words.hashes)
        equal = sums[at + self._sizes[forms]] - sums[at] == self._sums[forms] * _powers(int(at.max()) + 1)[at]
        return forms[equal], at[equal]

    def _near(
        self,
        forms: NDArray[np.int64],
        at: NDArray[np.int64],
        offsets: NDArray[np.int64],
        own: NDArray[np.bool_],
        size: int,
        words: Words,
        ends: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which of the runs in common tell that a form is near, and which that most of it, but what is its own, stands
        there."""
        better = np.flatnonzero(self._best[self._owners[forms]] > FOUND.index("near"))
        forms, at, offsets, own = forms[better], at[better], offsets[better], own[better]
        texts = np.searchsorted(ends, at, "right")
        pairs = forms * (len(ends) + 1) + texts
        order = np.argsort(pairs, kind="stable")
        edges = np.flatnonzero(np.diff(pairs[order], prepend=-1, append=-1))
        found, shared = list[int](), list[int]()
        for first, after in pairwise(edges.tolist()):
            hits = order[first:after]
            text, form = int(texts[hits[0]]), int(forms[hits[0]])
            count = self._sizes[form] - size + 1
            if len(hits) < _LEAST_HITS * count:
                continue
            if not own[hits].any() and self._own_words[form]:
                if len(np.unique(offsets[hits])) >= SHARE_OF_RUNS * count:
                    shared.append(int(hits[0]))
                continue
            start = int(ends[text] - words.counts[text])
            inside = words.hashes[start : int(ends[text])]
            begins = Counter((at[hits] - offsets[hits] - start).tolist()).most_common(BEGINNINGS)
            if likeness(inside, self._forms[form], [place for place, _ in begins], NEAR)[0] >= NEAR:
                found.append(int(hits[0]))
        return better[found], better[shared]

    def _note(
        self,
        verdict: Verdict,
        forms: NDArray[np.int64],
        at: NDArray[np.int64],
        ends: NDArray[np.int64],
        owners: Sequence[str],
    ) -> None:
        """Keep a verdict on forms found at these words, where it is surer than the one before."""
        rank = _RANKED.index(verdict)
        texts, first = np.unique(self._owners[forms], return_index=True)
        for text, place in zip(texts.tolist(), first.tolist(), strict=True):
            if rank < self._best[text]:
                self._best[text] = rank
                self.held[text] = owners[int(np.searchsorted(ends, at[place], "right"))]


def _joined(text: str, words: NDArray[np.uint64]) -> list[NDArray[np.uint64]]:
    """The words of a text whose signs inside words are left out ("dont"), if they are others."""
    (found,) = compared_in_turn([_signs_inside().sub("", plain(text))])
    return [] if np.array_equal(found, words) else [found]


@functools.cache
def _signs_inside() -> re.Pattern[str]:
    return re.compile(rf"(?<=[\w{combining_marks()}])[^\w\s{combining_marks()}]+(?=\w)")


def _powers(count: int) -> NDArray[np.uint64]:
    return _many_powers(max(count, 1).bit_length())[:count]


@functools.cache
def _many_powers(bits: int) -> NDArray[np.uint64]:
    factors = np.full(2**bits, _BASE, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


def _polynomial(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sums of the first words, each times a power of its place [W + 1]: of equal words on end they differ alike."""
    sums = np.cumsum(words * _powers(len(words)), dtype=np.uint64)
    return np.concatenate((np.zeros(1, np.uint64), sums))
