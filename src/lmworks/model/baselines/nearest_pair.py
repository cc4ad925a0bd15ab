"""The answer of the training pair whose source is most similar to the question, as a search without a model finds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from lmworks.data.base.words import words_in


class NearestPair:
    """Known sources with the target of each."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Index `pairs` of (source, target) by the words of their sources."""
        self._targets = [target for _, target in pairs]
        self._places = defaultdict[str, list[int]](list)
        for place, (source, _) in enumerate(pairs):
            for word in {*words_in(source.lower())}:
                self._places[word].append(place)
        rarity = {word: math.log(1 + len(pairs) / len(places)) for word, places in self._places.items()}
        self._rarity = rarity
        self._length = [math.sqrt(sum(rarity[word] ** 2 for word in {*words_in(s.lower())}) or 1.0) for s, _ in pairs]

    def write(self, source: str) -> str:
        """Return the target of the source with the highest cosine of words, weighted by rarity. Ties: the first.

        Return an empty string if no known source shares a word.
        """
        scores = defaultdict[int, float](float)
        for word in {*words_in(source.lower())} & self._places.keys():
            for place in self._places[word]:
                scores[place] += self._rarity[word] ** 2 / self._length[place]
        best = min(scores, key=lambda place: (-scores[place], place), default=None)
        return "" if best is None else self._targets[best]
