"""Translation word by word, with a table learned from pairs by IBM model 1 (Brown et al. 1993, section 4.1).

p(target | source) = Π over target words f of Σ over source words e, and an empty word, of t(f | e), up to a constant.
Expectation-maximisation from even shares finds its one maximum, without random draws. Each source word becomes its
likeliest target word, in the order of the source. Unknown words are copied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lmworks.lazy import np

ROUNDS = 10
"""Rounds after which, with a few thousand pairs, only the entries of rare words still change."""
MOST_PAIRS = 50_000
"""Maximum number of pairs to learn from, the first ones. A million would take hours and change few words."""
NOTHING = 0
"""Number of the empty source word."""

_WORD = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
_BEFORE_MARK = re.compile(r" (?=[.,;:!?)\]])")


@dataclass(frozen=True)
class WordTable:
    """Table of the likeliest target word for each source word."""

    words: Mapping[str, str]

    @classmethod
    def fit(cls, pairs: Sequence[tuple[str, str]]) -> WordTable:
        """Learn from (source, target). It takes about 40 bytes per pair of words that occurs in a pair of texts."""
        numbers: tuple[dict[str, int], dict[str, int]] = {"": NOTHING}, {}
        sides: list[list[int]] = []
        for pair in pairs[:MOST_PAIRS]:
            sides += [
                [known.setdefault(word, len(known)) for word in _WORD.findall(text)]
                for text, known in zip(pair, numbers, strict=True)
            ]
        links = [
            (np.repeat([NOTHING, *source], len(target)), np.tile(target, len(source) + 1), len(target))
            for source, target in zip(sides[::2], sides[1::2], strict=True)
            if target
        ]
        if not links:
            return cls({})
        sources, targets = (np.concatenate([link[side] for link in links]) for side in (0, 1))
        # The place, among the target words of all texts, that a link may explain.
        offsets = np.cumsum([0, *(size for _, _, size in links)])
        places = np.concatenate(
            [start + np.arange(len(link)) % size for start, (link, _, size) in zip(offsets, links, strict=False)]
        )
        kinds, kind = np.unique(sources * len(numbers[1]) + targets, return_inverse=True)
        source_of, target_of = np.divmod(kinds, len(numbers[1]))
        shares = np.ones(len(kinds))
        for _ in range(ROUNDS):
            share = shares[kind]
            expected = share / np.bincount(places, share)[places]
            counts = np.bincount(kind, expected, len(kinds))
            shares = counts / np.bincount(source_of, counts)[source_of]
        # Sorted by share within each source word; of equals the word that was met first is the last.
        order = np.lexsort((-target_of, shares, source_of))
        last = np.flatnonzero(np.append(np.diff(source_of[order]), 1))
        names = list(numbers[0]), list(numbers[1])
        return cls({names[0][source_of[i]]: names[1][target_of[i]] for i in order[last]})

    def translate(self, source: str) -> str:
        """Return a translation word by word."""
        words = [self.words.get(word) or self.words.get(word.lower()) or word for word in _WORD.findall(source)]
        return _BEFORE_MARK.sub("", " ".join(words))
