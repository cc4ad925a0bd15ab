"""The words of some texts, counted: what garbage is told by.

Axes: N texts, W words of all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import chain

from lmworks.data.quality.clean_text import PLACE, Lexicon, clean_text
from lmworks.data.quality.word_order import Orders
from lmworks.lazy import NDArray, np

_LEAST_TRIPLES = 100
_LETTERS_OF_WORDS = 0.5
"""Share of letters above which a text is of words."""
_LATIN_SHARE = 0.6
"""Of triples with at least two letters from a to z: 0.8 in Czech."""
_LEAST_FOREIGN = 0.08

_FIRST_WORDS = 300
_BITS = 20
"""Of the number of a word among those of some texts, and of that of its core: a lexicon holds fewer."""
_MOST_FUNCTIONS_OF_LISTS, _MOST_ENDS_OF_LISTS, _LEAST_WORDS_OF_LISTS = 0.4, 0.02, 0.65


@functools.cache
def _orders() -> Orders:
    return Orders(list(clean_text().order.values()))


class Measured:
    """The words of some texts, none of them empty, counted."""

    def __init__(self, texts: Sequence[tuple[Sequence[str], Sequence[int]]], lexicon: Lexicon) -> None:
        """Of each text its words, and how many each line has."""
        number = np.arange(len(texts))
        of = np.repeat(number, [len(lengths) for _, lengths in texts])
        self._lines = of, np.fromiter(chain.from_iterable(lengths for _, lengths in texts), np.int64, len(of))
        self.sizes = np.array([len(words) for words, _ in texts])
        self._starts = np.cumsum(self.sizes) - self.sizes
        self._text = np.repeat(number, self.sizes)
        self._rows = lexicon.rows(list(chain.from_iterable(words for words, _ in texts)))
        self._lexicon = lexicon
        self._facts = lexicon.facts[self._rows]
        # Sums of whole numbers and of eighths, which a float32 holds as they are.
        self._sums = np.add.reduceat(self._facts, self._starts, axis=0).astype(np.float64)
        sets = np.bincount(
            self._text * len(lexicon.sets) + lexicon.function[self._rows], minlength=len(texts) * len(lexicon.sets)
        )
        functions = sets.reshape(len(texts), -1) @ lexicon.sets
        self._language = functions.argmax(axis=1)
        self.functions = functions.max(axis=1) / self.sizes
        """The share of words that are function words of the language that has the most."""
        self.letters = self._sums[:, PLACE["letters"]] / self._sums[:, PLACE["size"]]
        self.code = self._sums[:, PLACE["code"]] / self._sums[:, PLACE["size"]]
        # Places in the same number as what is counted: what is sorted needs no order beside it.
        numbers = np.arange(len(self._text))
        keys = np.sort((self._text << _BITS | lexicon.core[self._rows]) << _BITS | numbers)
        starts = np.flatnonzero(np.diff(keys >> _BITS, prepend=-1))
        self._first, self._times = keys[starts] & ((1 << _BITS) - 1), np.diff(starts, append=len(keys))
        self._of = self._text[self._first]
        self._is_early = numbers - np.repeat(self._starts, self.sizes) < _FIRST_WORDS
        first = np.bincount(self._of[self._is_early[self._first]], minlength=len(texts))
        self.first_share = first / np.minimum(self.sizes, _FIRST_WORDS)
        """The share of different words among the first."""

    def share(self, fact: str) -> NDArray[np.float64]:
        """A sum over the words of each text, by their number [N]."""
        found: NDArray[np.float64] = self._sums[:, PLACE[fact]] / self.sizes
        return found

    def is_latin(self) -> NDArray[np.bool_]:
        """Whether there is enough text in Latin script [N]."""
        triples, letters = self._sums[:, PLACE["triples"]], self._sums[:, PLACE["letters"]]
        found: NDArray[np.bool_] = (triples >= _LEAST_TRIPLES) & (triples >= _LATIN_SHARE * letters)
        found &= self.letters >= _LETTERS_OF_WORDS
        return found

    def is_foreign(self) -> NDArray[np.bool_]:
        """Whether it is in a language of which only its most frequent words are known [N]."""
        found: NDArray[np.bool_] = (self.functions >= _LEAST_FOREIGN) & ~self._lexicon.is_ordered[self._language]
        return found

    def features(self) -> NDArray[np.float64]:
        """What the misread score depends on [N, 11]."""
        once = self._times == 1
        of, facts = self._of[once], self._facts[self._first[once]]
        size = len(self.sizes)
        columns = (
            self.share("likely") * self.sizes / np.maximum(self._sums[:, 0], 1),
            self.functions,
            self.code,
            np.bincount(of, facts[:, PLACE["odd"]], size) / self.sizes,
            np.bincount(of, facts[:, PLACE["mixed"]], size) / self.sizes,
            self.first_share,
            self.share("single"),
            np.bincount(of, minlength=size) / self.sizes,
            self.letters,
            self.share("plain"),
            (self.share("known") + 0.01) / (self.share("asked") + 0.02),
        )
        return np.stack(columns, axis=1)

    def order(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """As `Orders.score` [N]."""
        language = self._lexicon.order_of[self._language]
        classes = self._lexicon.kind[self._rows, language[self._text]].astype(np.int64)
        return _orders().score(classes, self._lexicon.look[self._rows].astype(np.int64), language, self._lines)

    def is_list(self) -> NDArray[np.bool_]:
        """Whether it is without sentences, of words and addresses for the most part [N]."""
        found: NDArray[np.bool_] = (self.functions < _MOST_FUNCTIONS_OF_LISTS) & (
            self.share("end") < _MOST_ENDS_OF_LISTS
        )
        return found & (self.share("plain") + self.share("address") >= _LEAST_WORDS_OF_LISTS)

    def keywords(self) -> NDArray[np.float64]:
        """The share of the first words, signs and numbers aside, that repeat others [N]."""
        number, plain = len(self.sizes), self._is_early & (self._facts[:, PLACE["plain"]] > 0)
        different = np.bincount(self._of[plain[self._first]], minlength=number)
        return 1 - different / np.maximum(1, np.bincount(self._text[plain], minlength=number))
