"""How well the words of texts predict a column: measured in a second on rows that are held out.

Multinomial naive Bayes on the words that a text has (Manning et al. 2008, section 13.2), with numpy alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from lmworks.data.base.text import fold, one_form
from lmworks.data.base.words import words_in
from lmworks.data.duplicates.minhash import shingles, signatures
from lmworks.lazy import NDArray, np, pa

MOST_ROWS, FEWEST_ROWS, MOST_VALUES = 1_200, 60, 150
"""Rows that are looked at, those below which nothing is said, and values beyond which a column holds no labels."""
HELD_OUT = 3
"""Number of rows, or of groups of near copies, of which one is held out."""
ALIKE = 0.8
"""Share of equal shingles from which two texts are near copies, as `split` has it in recipes of `init`."""
CODE_ACCURACY, CODE_RATIO = 0.25, 2
"""Accuracy from which whole numbers are codes of classes, and the least ratio of it to that of the most common number.
In published sets codes had 0.35 to 0.71, at least 5 times the most common one. Lengths, scores and years had at most
1.6 times the most common one (`benchmarks/start/codes.py`)."""
CLEARLY = 0.05
"""Share of rows by which a prediction must be better at the least, beside two standard errors."""


@dataclass(frozen=True)
class Fit:
    """Accuracy on rows that are held out."""

    accuracy: float
    commonest: float
    """Accuracy of the most common value, given to every row."""
    rows: int

    @property
    def is_clear(self) -> bool:
        """Whether the words say clearly more than which value is the most common."""
        gain = self.accuracy - self.commonest
        error = sqrt((self.accuracy * (1 - self.accuracy) + self.commonest * (1 - self.commonest)) / self.rows)
        return gain >= max(CLEARLY, 2 * error)

    @property
    def shows_codes(self) -> bool:
        """Whether words predict whole numbers so well that these are codes of classes, and not amounts."""
        return self.is_clear and self.accuracy >= max(CODE_ACCURACY, CODE_RATIO * self.commonest)

    def __str__(self) -> str:
        return f"{self.accuracy:.2f} against {self.commonest:.2f} for the most common label"


def fits(rows: Sequence[Mapping[str, Any]], texts: Sequence[str], columns: Sequence[str]) -> dict[str, Fit]:
    """Return how well the words of texts predict each column, of those that enough rows have."""
    step = max(1, len(rows) // MOST_ROWS)
    unlike = {" ".join(str(row.get(name) or "") for name in texts): row for row in rows[::step]}
    known: dict[str, int] = {}
    words = [[known.setdefault(word, len(known)) for word in {*words_in(fold(text))}] for text in unlike]
    groups = _groups(list(unlike))
    held_out = np.random.default_rng(0).permutation(len(groups))[groups] % HELD_OUT == 0
    found = {
        name: _fit(words, [_value(row.get(name)) for row in unlike.values()], held_out, len(known)) for name in columns
    }
    return {name: fit for name, fit in found.items() if fit}


def _groups(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return a number for each text [N], the same for near copies unless all texts are copies of a few."""
    found = signatures(*shingles(pa.array(texts))).T
    groups = np.arange(len(texts))
    for place in range(1, len(texts)):
        shared = (found[:place] == found[place]).mean(axis=1)
        if shared.max() >= ALIKE:
            groups[place] = groups[shared.argmax()]
    return groups if len(np.unique(groups)) >= FEWEST_ROWS else np.arange(len(texts))


def _value(value: Any) -> str:
    return "" if value is None or isinstance(value, list | Mapping) else one_form(str(value))


def _fit(words: Sequence[Sequence[int]], values: Sequence[str], held_out: NDArray[np.bool_], size: int) -> Fit | None:
    some = [(words[at], value, held_out[at]) for at, value in enumerate(values) if value and words[at]]
    counts = Counter(value for _, value, _ in some)
    if len(some) < FEWEST_ROWS or not 2 <= len(counts) <= MOST_VALUES:
        return None
    asked = [(ids, value) for ids, value, is_held_out in some if is_held_out]
    learned = [(ids, value) for ids, value, is_held_out in some if not is_held_out]
    if min(len(asked), len(learned)) < FEWEST_ROWS // HELD_OUT:
        return None
    numbers = {value: number for number, value in enumerate(counts)}
    seen, often = np.ones((len(numbers), size)), np.ones(len(numbers))
    for ids, value in learned:
        seen[numbers[value], ids] += 1
        often[numbers[value]] += 1
    weights = np.log(seen / seen.sum(axis=1, keepdims=True))
    best = [int((weights[:, ids].sum(axis=1) + np.log(often)).argmax()) for ids, _ in asked]
    right = sum(told == numbers[value] for told, (_, value) in zip(best, asked, strict=True))
    commonest = numbers[Counter(value for _, value in learned).most_common(1)[0][0]]
    return Fit(right / len(asked), sum(numbers[value] == commonest for _, value in asked) / len(asked), len(asked))
