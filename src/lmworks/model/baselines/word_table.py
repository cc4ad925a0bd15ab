"""Translate word by word: a table learned from pairs by IBM model 1 (Brown et al. 1993, section 4.1).

p(target | source) = Π over target words f of Σ over source words e, nothing included, of t(f | e), up to a constant.
Expectation-maximisation from even shares finds its one maximum, so nothing is drawn. Each source word then becomes its
likeliest target word, in the order of the source; a word that was never seen is copied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations, references_of, source_of
from lmworks.errors import told
from lmworks.lazy import np
from lmworks.model.baselines.baseline import BaselineConfig
from lmworks.model.config import Family
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference

ROUNDS = 10
"""After these the tables of a few thousand pairs stand still but for rare words."""
MOST_PAIRS = 50_000
"""The first: a million sentences would take hours and change few words."""
WORDS = "words.json"
NOTHING = 0
"""Number of the source word that stands for none."""

_WORD = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
_BEFORE_MARK = re.compile(r" (?=[.,;:!?)\]])")


@dataclass(frozen=True)
class WordTable:
    """The likeliest target word of each source word."""

    words: Mapping[str, str]

    @classmethod
    def fit(cls, pairs: Sequence[tuple[str, str]]) -> WordTable:
        """Learn from (source, target); memory is some 40 bytes a pair of words that stand in one pair of texts."""
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
        """Word by word."""
        words = [self.words.get(word) or self.words.get(word.lower()) or word for word in _WORD.findall(source)]
        return _BEFORE_MARK.sub("", " ".join(words))

    def save(self, folder: Path) -> None:
        """Write it into a folder; equal models give equal bytes."""
        (folder / WORDS).write_text(canonical_json(dict(self.words)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> WordTable:
        """Read it. Raises LmworksError for a file that is not as `save` writes it."""
        with told(folder / WORDS, "the target word of each source word"):
            found = json.loads((folder / WORDS).read_text("utf-8"))
            return cls({str(word): str(target) for word, target in found.items()})


class WordTableConfig(BaselineConfig):
    """Translate word by word: what a model that rewrites must beat."""

    engine: ClassVar[str] = "word-table"
    family: ClassVar[Family] = "encoder-decoder"
    objective: Literal["word-table"] = "word-table"
    data: Reference = Field(description="Pairs, as the data step `pairs` writes them.")


@stage(version=1, trains_on="data")
def word_table(config: WordTableConfig, data: Conversations, out: Path, context: Context) -> Result:
    """Learn from every pair."""
    model = WordTable.fit([(source_of(pair), text) for pair in data.iterate() for text in references_of(pair)])
    config.write(out)
    model.save(out)
    return Result(counts={"words": len(model.words), "parameters": 0})
