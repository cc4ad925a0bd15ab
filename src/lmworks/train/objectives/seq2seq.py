"""Objectives that write the target of a source, or the missing parts of a text (Raffel et al. 2020, section 3.1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from lmworks.data.tuning.conversations import Conversations
from lmworks.pipeline.stage import Handle
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.configs.seq2seq import SpanCorruptionConfig, noise_of
from lmworks.train.contract import Ids, Numbers, Trainable, Watched, synthetic_tokens, write_synthetic_rows
from lmworks.train.families.seq2seq import Pairs, Seq2SeqObjective


class SpanCorruption(Seq2SeqObjective):
    """Span corruption. A sentinel replaces each span. The target has each sentinel with its span, and a last one."""

    def __init__(self, rows: PackedRows, config: SpanCorruptionConfig) -> None:
        super().__init__(rows, config)
        self.noise, self.spans = noise_of(rows.sequence_length)

    def batch_of(self, numbers: Numbers, step: int) -> Pairs:
        """Return pairs of texts with removed spans and these spans. Draws depend only on seed and step."""
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
    """Return `parts` lengths of at least 1 with the sum `total`. All such lists are equally likely."""
    cuts = np.sort(draw.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(np.concatenate(([0], cuts, [total])))


def _woven(first: Sequence[Ids], second: Sequence[Ids]) -> Ids:
    return np.concatenate([part for pair in zip(first, second, strict=False) for part in pair])


WINDOW_STEPS = 16
"""Number of steps whose pairs are sorted by length. More steps would hardly reduce padding, and mix rows less."""


class TextToText(Seq2SeqObjective):
    """Cross-entropy of every token of a target given its source and the target before it."""

    mixed_steps = WINDOW_STEPS

    def batch(self, step: int, model: Trainable) -> Pairs:
        """Return a step's pairs. The pairs of `WINDOW_STEPS` steps are sorted by length, and dealt to random steps.

        With 48 pairs of sentences, four in five places then hold tokens, and not two. A step takes half the time.
        """
        window, place = divmod(step, WINDOW_STEPS)
        rows = self.rows_per_step
        numbers = self.rows.numbers(self.seed, window * WINDOW_STEPS * rows, WINDOW_STEPS * rows)
        weights = self.rows.weights[numbers]
        order = numbers[np.lexsort((weights.sum(1), weights.argmax(1) // 4))]
        start = int(np.random.default_rng((self.seed, window)).permutation(WINDOW_STEPS)[place]) * rows
        return self.batch_of(order[start : start + rows], step)

    def batch_of(self, numbers: Numbers, step: int) -> Pairs:
        """Return the pairs in rows. A row is a source, its target with weights, and padding."""
        sources, targets = [], []
        for number in numbers:
            row, weights = self.rows.tokens[number].astype(np.int64), self.rows.weights[number]
            start, size = int(weights.argmax()), int(weights.sum())
            sources.append(row[:start])
            targets.append(row[start : start + size])
        return Pairs(sources, targets, [np.ones_like(target) for target in targets])

    @staticmethod
    def write_synthetic(out: Path, sequence_length: int, rows: int, tokenizer: Tokenizer) -> None:
        """Write random pairs of every possible length, because real lengths are not known before packing."""
        draw = np.random.default_rng(0)
        tokens = synthetic_tokens(sequence_length, rows, tokenizer)
        ends = draw.integers(2, sequence_length + 1, (rows, 1))
        starts = 1 + (draw.random((rows, 1)) * (ends - 1)).astype(np.int64)
        places = np.arange(sequence_length + 1)
        write_synthetic_rows(out, tokens, ((places >= starts) & (places < ends)).astype(np.int64), tokenizer)

    @staticmethod
    def watched(handle: Handle, tokenizer: Tokenizer, count: int) -> list[Watched]:
        """Return sources and their targets from conversations of two turns."""
        turns = (record["messages"] for record in Conversations(handle.path, handle.digest).iterate())
        pairs = ((each["content"] for each in said) for said in turns if len(said) == 2)
        return [Watched(source, tokenizer.encode(source), target) for source, target in islice(pairs, count)]
