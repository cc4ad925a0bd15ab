"""Hashes of runs of words of erased texts, which find a text in which no value names the person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lmworks.data.base.words import hash_words
from lmworks.data.duplicates.minhash import hash_windows
from lmworks.data.erased.values import as_words, readings
from lmworks.lazy import NDArray, np

WORDS = 8
"""Number of words in a run."""


class Passages:
    """Runs of eight words of erased texts that are in no record that is kept."""

    def __init__(self) -> None:
        self.of: dict[str, NDArray[np.uint64]] = {}
        """Sorted hashes of runs by the id of their record."""

    def __bool__(self) -> bool:
        return any(map(len, self.of.values()))

    def take(self, name: str, texts: Iterable[str]) -> None:
        """Add the runs of the texts of a record that is taken."""
        own = _windows([reading for text in texts for reading in readings(text)])
        self.of[name] = np.unique(np.concatenate([self.of.get(name, np.zeros(0, np.uint64)), own]))

    def keep(self, texts: Iterable[str]) -> None:
        """Remove the runs of some texts that are kept. Call it after `take` for all taken records."""
        windows = _windows([reading for text in texts for reading in readings(text)])
        common = windows[np.isin(windows, self._every())]
        if len(common):
            self.of = {name: np.setdiff1d(own, common, assume_unique=True) for name, own in self.of.items()}

    def count_in(self, texts: Sequence[str]) -> int:
        """Return how many different runs are in some texts."""
        return int(np.isin(self._every(), _windows(texts)).sum())

    def _every(self) -> NDArray[np.uint64]:
        return np.unique(np.concatenate([np.zeros(0, np.uint64), *self.of.values()]))


def _windows(texts: Sequence[str]) -> NDArray[np.uint64]:
    parts = [hash_windows(words, WORDS)[0] for words in hash_words(as_words(texts))]
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]))
