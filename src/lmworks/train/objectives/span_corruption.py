"""Write what is missing from a text (Raffel et al. 2020, section 3.1.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmworks.errors import LmworksError
from lmworks.tokens.rows.shards import PackedRows
from lmworks.train.configs.seq2seq import SENTINELS, SpanCorruptionConfig
from lmworks.train.contract import Ids, Numbers
from lmworks.train.families.seq2seq import Pairs, Seq2SeqObjective

NOISE_SHARE = 0.15
MEAN_SPAN = 3


class SpanCorruption(Seq2SeqObjective):
    """Each span of noise is replaced by a sentinel; the target is each sentinel and what it hides, and a last one."""

    def __init__(self, rows: PackedRows, config: SpanCorruptionConfig) -> None:
        super().__init__(rows, config)
        self.noise = max(1, round(rows.sequence_length * NOISE_SHARE))
        self.spans = max(1, round(self.noise / MEAN_SPAN))
        if self.spans >= SENTINELS:
            raise LmworksError(
                f"rows of {rows.sequence_length} tokens have {self.spans} spans of noise, and there are {SENTINELS} "
                "sentinels: set sequence_length to 1900 or less"
            )

    def batch_of(self, numbers: Numbers, step: int) -> Pairs:
        """Noise is drawn from (seed, step)."""
        draw = np.random.default_rng([self.seed, step + 1])
        sources, targets, weights = [], [], []
        for number in numbers:
            row, trained = (each[number, :-1].astype(np.int64) for each in (self.rows.tokens, self.rows.weights))
            kept = _lengths(len(row) - self.noise, self.spans, draw)
            hidden = _lengths(self.noise, self.spans, draw)
            edges = np.stack((kept, hidden), axis=1).cumsum()[:-1]
            texts, known = np.split(row, edges), np.split(trained, edges)  # kept, hidden, kept, hidden, …
            marks = [np.array([-1 - span]) for span in range(self.spans + 1)]
            one = np.ones(1, np.int64)
            sources.append(_woven(texts[0::2], marks))
            targets.append(np.append(_woven(marks, texts[1::2]), marks[-1]))
            weights.append(np.append(_woven([one] * self.spans, known[1::2]), one))
        return Pairs(sources, targets, weights)


def _lengths(total: int, parts: int, draw: np.random.Generator) -> Ids:
    """So many lengths of at least 1 with this sum, all such equally likely."""
    cuts = np.sort(draw.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(np.concatenate(([0], cuts, [total])))


def _woven(first: Sequence[Ids], second: Sequence[Ids]) -> Ids:
    return np.concatenate([part for pair in zip(first, second, strict=False) for part in pair])
