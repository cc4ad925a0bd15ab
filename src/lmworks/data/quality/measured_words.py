"""The words of some texts, counted: what garbage is told by.

Axes: N texts, W words of all of them, K classes of words of a language.
"""

from __future__ import annotations

from collections.abc import Sequence

from lmworks.data.quality.clean_text import CLASSES, PLACE, Lexicon, clean_text
from lmworks.lazy import NDArray, np

_LEAST_TRIPLES = 100
_LETTERS_OF_WORDS = 0.5
"""Share of letters above which a text is of words."""
LEAST_ORDERED_WORDS = 60
LEAST_FUNCTION_WORDS = 0.1
_MOST_CODE = 0.05
"""Share of signs of code above which pairs of words say nothing."""
_LEAST_EXPECTED_PAIRS = 6
_FIRST_WORDS = 300
_MOST_FUNCTIONS_OF_LISTS, _MOST_ENDS_OF_LISTS = 0.2, 0.02


class Measured:
    """The words of some texts, none of them empty, counted."""

    def __init__(self, words: Sequence[Sequence[str]], lexicon: Lexicon) -> None:
        self.sizes = np.array([len(each) for each in words], np.int64)
        self._starts = np.cumsum(self.sizes) - self.sizes
        self._text = np.repeat(np.arange(len(words)), self.sizes)
        self._rows = lexicon.rows([word for each in words for word in each])
        self._lexicon = lexicon
        self._facts = lexicon.facts[self._rows]
        self._sums = np.add.reduceat(self._facts, self._starts, axis=0, dtype=np.float64)
        functions = np.add.reduceat(lexicon.function[self._rows], self._starts, axis=0, dtype=np.int32)
        self._language = functions.argmax(axis=1)
        self.functions = functions.max(axis=1) / self.sizes
        """The share of words that are function words of the language that has the most."""
        self.letters = self._sums[:, PLACE["letters"]] / self._sums[:, PLACE["size"]]
        self.code = self._sums[:, PLACE["code"]] / self._sums[:, PLACE["size"]]
        self._cores = lexicon.core[self._rows]
        keys = self._text << 32 | self._cores
        different, self._first, self._times = np.unique(keys, return_index=True, return_counts=True)
        self._of = different >> 32
        early = np.arange(len(keys)) - np.repeat(self._starts, self.sizes) < _FIRST_WORDS
        first = np.bincount(np.unique(keys[early]) >> 32, minlength=len(words))
        self.first_share = first / np.minimum(self.sizes, _FIRST_WORDS)
        """The share of different words among the first."""

    def share(self, fact: str) -> NDArray[np.float64]:
        """A sum over the words of each text, by their number [N]."""
        found: NDArray[np.float64] = self._sums[:, PLACE[fact]] / self.sizes
        return found

    def is_latin(self) -> NDArray[np.bool_]:
        """Whether there is enough text in Latin script [N]."""
        found: NDArray[np.bool_] = (self._sums[:, 0] >= _LEAST_TRIPLES) & (self.letters >= _LETTERS_OF_WORDS)
        return found

    def features(self) -> NDArray[np.float64]:
        """What the misread score depends on [N, 10]."""
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
        )
        return np.stack(columns, axis=1)

    def _kinds(self) -> NDArray[np.int64]:
        """The class of each word in the language of its text [W]."""
        kinds = self._lexicon.kind[self._rows, self._lexicon.order_of[self._language][self._text]]
        found: NDArray[np.int64] = kinds.astype(np.int64)
        return found

    def order(self) -> NDArray[np.float64]:
        """How far the order of words is from chance, in standard deviations of all orders of the same words [N]."""
        found = np.full(len(self.sizes), np.nan)
        kinds = self._kinds()
        for language, known in clean_text().order.items():
            is_its = self._language == self._lexicon.languages.index(language)
            texts = np.flatnonzero(
                is_its & (self.functions >= LEAST_FUNCTION_WORDS) & (self.sizes >= LEAST_ORDERED_WORDS)
            )
            if not len(texts):
                continue
            place = np.full(len(self.sizes), -1)
            place[texts] = np.arange(len(texts))
            inside = np.flatnonzero(place[self._text] >= 0)
            of, classes = place[self._text[inside]], kinds[inside]
            size = len(known.table)
            shares = np.bincount(of * size + classes, minlength=len(texts) * size).reshape(-1, size)
            shares = (shares / self.sizes[texts, None]).astype(np.float32)
            table, (left, right), (left_of_squares, right_of_squares) = (
                known.table,
                known.factors,
                known.factors_of_squares,
            )
            after, before = (shares @ left) @ right.T, (shares @ right) @ left.T
            expected = np.einsum("nk,nk->n", after, shares)
            # The variance of a pair without that of its first and of its second word, which stay.
            whole = np.einsum("nk,nk->n", shares @ left_of_squares, shares @ right_of_squares) + expected**2
            whole -= np.einsum("nk,nk->n", shares, after**2 + before**2)
            adjacent = of[1:] == of[:-1]
            pairs = table[classes[:-1], classes[1:]] * adjacent
            mean = np.bincount(of[:-1], pairs, len(texts)) / np.maximum(1, self.sizes[texts] - 1)
            deviation = np.sqrt(np.maximum(whole, 0) / np.maximum(1, self.sizes[texts] - 1))
            found[texts] = np.where(whole > 1e-9, (mean - expected) / np.maximum(deviation, 1e-9), np.nan)
        return found

    def own_order(self) -> NDArray[np.float64]:
        """How far from independent classes of adjacent words are, in standard deviations of chi-square [N]."""
        size, classes = CLASSES + 1, np.minimum(self._kinds(), CLASSES)
        adjacent = self._text[1:] == self._text[:-1]
        cells = ((self._text[:-1] * size + classes[:-1]) * size + classes[1:])[adjacent]
        table = np.bincount(cells, minlength=len(self.sizes) * size * size).reshape(-1, size, size).astype(np.float64)
        rows, columns = table.sum(2), table.sum(1)
        chance = rows[:, :, None] * columns[:, None] / np.maximum(1, self.sizes - 1)[:, None, None]
        counted = chance >= 1
        differences = np.where(counted, (table - chance) ** 2 / np.maximum(chance, 1), 0).sum((1, 2))
        number, used = counted.sum((1, 2)), (rows > 0).sum(1)
        free = np.maximum(1, np.where(number > 2 * used, number - 2 * used + 1, number / 2))
        return np.where(number > 0, (differences - free) / np.sqrt(2 * free), np.nan)

    def phrases(self) -> NDArray[np.float64]:
        """How often words stand together again, by how often by chance; NaN if chance gives hardly any [N]."""
        number = len(self.sizes)
        inside = self._cores != self._lexicon.nothing
        sizes = np.bincount(self._text[inside], minlength=number)
        counted = self._cores[self._first] != self._lexicon.nothing
        same = np.bincount(self._of[counted], (self._times * (self._times - 1))[counted], number)
        same = same / np.maximum(1, sizes * (sizes - 1))
        expected = (sizes - 1) * (sizes - 2) / 2 * same**2
        asked = (expected >= _LEAST_EXPECTED_PAIRS) & (self.code < _MOST_CODE) & (sizes >= LEAST_ORDERED_WORDS)
        inside &= asked[self._text]
        text, cores = self._text[inside], self._cores[inside]
        adjacent = text[1:] == text[:-1]
        keys = (text[:-1] << 40 | cores[:-1] << 20 | cores[1:])[adjacent]
        pairs, times = np.unique(keys, return_counts=True)
        found = np.bincount(pairs >> 40, times * (times - 1) // 2, number)
        return np.where(asked, found / np.maximum(expected, 1), np.nan)

    def keywords(self) -> NDArray[np.float64]:
        """The share of words that repeat others in a list without a sentence [N]."""
        is_list = (self.functions < _MOST_FUNCTIONS_OF_LISTS) & (self.share("end") < _MOST_ENDS_OF_LISTS)
        return np.where(is_list, self.share("plain") - self.first_share, 0)
