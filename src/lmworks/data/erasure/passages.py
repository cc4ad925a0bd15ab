"""Runs of words of erased texts, by which they are found where nothing names the person: of that, hashes alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lmworks.data.duplicates.minhash import SHINGLE_WORDS, hash_windows
from lmworks.data.erasure.values import readings
from lmworks.data.words import hash_words
from lmworks.lazy import NDArray, np, pa

WORDS = 8
"""Of a passage; of a shorter text, all that it has, but no fewer than a shingle."""
TOO_SHORT = f"texts of fewer than {SHINGLE_WORDS} words, which stand in too many others"
COMMON = "texts of which every passage stands in a record that is kept, too"
GONE = "records whose text was deleted before: by an erasure that was cut off, or an earlier one"


@dataclass
class Passages:
    """Passages of erased texts that stand in nothing that is kept."""

    by_size: dict[int, NDArray[np.uint64]] = field(default_factory=dict)
    """Words of a passage → the sorted hashes of those that are sought."""
    sought: set[str] = field(default_factory=set)
    """Ids of records of which a passage is sought."""
    not_sought: dict[str, str] = field(default_factory=dict)
    """Id of a record of which none is → why."""

    def __bool__(self) -> bool:
        return bool(self.by_size)

    def count_in(self, texts: Sequence[str]) -> int:
        """How many different passages stand in some texts."""
        return sum(
            int(np.isin(np.unique(_windows(texts, size)), wanted, assume_unique=True).sum())
            for size, wanted in self.by_size.items()
        )


class Collector:
    """Gathers passages of what is taken, and takes away those that stand in what is kept."""

    def __init__(self) -> None:
        self._of: dict[str, dict[int, list[NDArray[np.uint64]]]] = {}
        self._every: dict[int, NDArray[np.uint64]] = {}
        self._common: dict[int, list[NDArray[np.uint64]]] = {}

    def take(self, name: str, text: str) -> None:
        """Note the passages of a text of a record that is taken."""
        of = self._of.setdefault(name, {})
        for said in readings(text):
            count = sum(len(words.hashes) for words in hash_words(_array([said])))
            if count >= SHINGLE_WORDS:
                size = min(count, WORDS)
                of.setdefault(size, []).append(np.unique(_windows([said], size)))

    def keep(self, texts: Sequence[str]) -> None:
        """Take away the passages of some texts that are kept; all that is taken was noted before."""
        if not self._every:
            sizes = {size for of in self._of.values() for size in of}
            self._every = {size: _union(of.get(size, []) for of in self._of.values()) for size in sizes}
        said = [reading for text in texts for reading in readings(text)]
        for size, every in self._every.items():
            windows = np.unique(_windows(said, size))
            common = windows[np.isin(windows, every, assume_unique=True)]
            if len(common):
                self._common.setdefault(size, []).append(common)

    def passages(self, ids: Iterable[str]) -> Passages:
        """What is sought of some records."""
        found, common = Passages(), {size: _union([some]) for size, some in self._common.items()}
        parts: dict[int, list[list[NDArray[np.uint64]]]] = {}
        for name in ids:
            own = {size: _union([some]) for size, some in self._of.get(name, {}).items()}
            nothing = np.zeros(0, np.uint64)
            left = {size: np.setdiff1d(some, common.get(size, nothing), True) for size, some in own.items()}
            if any(map(len, left.values())):
                found.sought.add(name)
                for size, some in left.items():
                    parts.setdefault(size, []).append([some])
            else:
                found.not_sought[name] = GONE if name not in self._of else COMMON if own else TOO_SHORT
        found.by_size = {size: _union(some) for size, some in parts.items()}
        return found


def _array(texts: Sequence[str]) -> pa.Array:
    return pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.string())


def _windows(texts: Sequence[str], size: int) -> NDArray[np.uint64]:
    parts = [hash_windows(words, size)[0] for words in hash_words(_array(texts))]
    return np.concatenate([np.zeros(0, np.uint64), *parts])


def _union(parts: Iterable[Sequence[NDArray[np.uint64]]]) -> NDArray[np.uint64]:
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *(each for some in parts for each in some)]))
