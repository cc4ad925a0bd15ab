"""Counts of the words of texts, by which garbage is recognised.

Axes: N texts, W words of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from lmworks.data.quality.clean_text import PLACE, Lexicon
from lmworks.lazy import NDArray, np

_LEAST_TRIPLES = 100
_LETTERS_OF_WORDS = 0.5
"""Minimum share of letters of a text that consists of words."""
_LATIN_SHARE = 0.6
"""Minimum share of triples with at least two letters from a to z. Czech has 0.8."""
_LEAST_FOREIGN = 0.08

_FIRST_WORDS = 300
_BITS = 20
"""Bits of a word's place in the texts counted together, and of the number of its core. Both numbers are smaller."""
_MOST_FUNCTIONS_OF_LISTS, _MOST_ENDS_OF_LISTS, _LEAST_WORDS_OF_LISTS = 0.4, 0.02, 0.65


class Measured:
    """Counts of the words of texts. No text is empty."""

    def __init__(self, texts: Sequence[Sequence[str]], lexicon: Lexicon) -> None:
        """Count the words of each text."""
        self.sizes = np.array(list(map(len, texts)))
        starts = np.cumsum(self.sizes) - self.sizes
        self._text = np.repeat(np.arange(len(texts)), self.sizes)
        rows = lexicon.rows(list(chain.from_iterable(texts)))
        self._facts = lexicon.facts[rows]
        # Sums of whole numbers and of eighths, which a float32 holds as they are.
        self._sums = np.add.reduceat(self._facts, starts, axis=0).astype(np.float64)
        sets = np.bincount(
            self._text * len(lexicon.sets) + lexicon.function[rows], minlength=len(texts) * len(lexicon.sets)
        )
        functions = sets.reshape(len(texts), -1) @ lexicon.sets
        self.functions = functions.max(axis=1) / self.sizes
        """Share of function words, in the language that has most of them [N]."""
        self.is_foreign = (self.functions >= _LEAST_FOREIGN) & ~lexicon.has_words[functions.argmax(axis=1)]
        """Whether a text is in a language of which only the most frequent words are known [N]."""
        self.letters = self._sums[:, PLACE["letters"]] / self._sums[:, PLACE["size"]]
        self.code = self._sums[:, PLACE["code"]] / self._sums[:, PLACE["size"]]
        # Places in the same number as what is counted: what is sorted needs no order beside it.
        numbers = np.arange(len(self._text))
        keys = np.sort((self._text << _BITS | lexicon.core[rows]) << _BITS | numbers)
        distinct = np.flatnonzero(np.diff(keys >> _BITS, prepend=-1))
        self._first, self._times = keys[distinct] & ((1 << _BITS) - 1), np.diff(distinct, append=len(keys))
        self._owners = self._text[self._first]
        self._is_early = numbers - np.repeat(starts, self.sizes) < _FIRST_WORDS
        first = np.bincount(self._owners[self._is_early[self._first]], minlength=len(texts))
        self.first_share = first / np.minimum(self.sizes, _FIRST_WORDS)
        """Share of different words among the first `_FIRST_WORDS` [N]."""

    def share(self, fact: str) -> NDArray[np.float64]:
        """Return the mean of a column over the words of each text [N]."""
        share: NDArray[np.float64] = self._sums[:, PLACE[fact]] / self.sizes
        return share

    def is_latin(self) -> NDArray[np.bool_]:
        """Return whether there is enough text in Latin script [N]."""
        triples, letters = self._sums[:, PLACE["triples"]], self._sums[:, PLACE["letters"]]
        is_latin: NDArray[np.bool_] = (triples >= _LEAST_TRIPLES) & (triples >= _LATIN_SHARE * letters)
        return is_latin & (self.letters >= _LETTERS_OF_WORDS)

    def features(self) -> NDArray[np.float64]:
        """Return the features of the misread score [N, 11]."""
        once = self._times == 1
        owners, facts = self._owners[once], self._facts[self._first[once]]
        size = len(self.sizes)
        columns = (
            self.share("likely") * self.sizes / np.maximum(self._sums[:, 0], 1),
            self.functions,
            self.code,
            np.bincount(owners, facts[:, PLACE["odd"]], size) / self.sizes,
            np.bincount(owners, facts[:, PLACE["mixed"]], size) / self.sizes,
            self.first_share,
            self.share("single"),
            np.bincount(owners, minlength=size) / self.sizes,
            self.letters,
            self.share("plain"),
            (self.share("known") + 0.01) / (self.share("asked") + 0.02),
        )
        return np.stack(columns, axis=1)

    def is_list(self) -> NDArray[np.bool_]:
        """Return whether a text has no sentences, and is mostly words and addresses [N]."""
        is_list: NDArray[np.bool_] = self.functions < _MOST_FUNCTIONS_OF_LISTS
        is_list &= self.share("end") < _MOST_ENDS_OF_LISTS
        return is_list & (self.share("plain") + self.share("address") >= _LEAST_WORDS_OF_LISTS)

    def keywords(self) -> NDArray[np.float64]:
        """Return the share of the first words, without signs and numbers, that repeat others [N]."""
        number, plain = len(self.sizes), self._is_early & (self._facts[:, PLACE["plain"]] > 0)
        different = np.bincount(self._owners[plain[self._first]], minlength=number)
        return 1 - different / np.maximum(1, np.bincount(self._text[plain], minlength=number))
