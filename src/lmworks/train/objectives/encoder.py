"""Objectives for encoders: predict masked tokens, one label per text, or one label per token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from lmworks.model.folder import ModelFolder, is_native
from lmworks.tokens.kinds.frame import frame_of
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.configs.train import TrainConfig
from lmworks.train.contract import Ids, TextBatch, Trainable, synthetic_tokens, write_synthetic_rows
from lmworks.train.families.decoder import begin_native
from lmworks.train.families.encoder import HIDDEN, EncoderObjective, labels_of

ASKED, MASKED, RANDOM = 0.15, 0.8, 0.1
"""Share of tokens to predict, and, of these, masked and randomly replaced (Devlin et al. 2019, section 3.1)."""


class MaskedLM(EncoderObjective):
    """Cross-entropy of 15 % of the tokens given all others of their text."""

    auto_class = "AutoModelForMaskedLM"

    def batch_of(self, numbers: Any, step: int) -> TextBatch:
        """Return rows with some tokens masked. The draws depend only on the seed and the step."""
        draws = np.random.default_rng([self.seed, step + 1])
        tokens, weights, _ = self.arrays(numbers)
        asked = (draws.random(tokens.shape) < ASKED) & (weights > 0)
        how = draws.random(tokens.shape)
        shown = np.where(how < MASKED, HIDDEN, tokens)
        other = draws.integers(0, self.rows.vocab_size, tokens.shape)
        shown = np.where((how >= MASKED) & (how < MASKED + RANDOM), other, shown)
        targets = np.where(asked, tokens, -1)
        return TextBatch(torch.from_numpy(np.where(asked, shown, tokens)), torch.from_numpy(targets))


class SequenceClassification(EncoderObjective):
    """Cross-entropy of the label of each text."""

    auto_class = "AutoModelForSequenceClassification"
    mean_over = "text"

    @classmethod
    def begin(
        cls, config: TrainConfig, base: ModelFolder | None, rows: PackedRows, tokenizer: Tokenizer, *, compiled: bool
    ) -> Trainable:
        """Return the base with a head for labels. It is a decoder on lmworks's engine, or an encoder."""
        if base and is_native(base.path):
            told, frame = labels_of(rows), frame_of(tokenizer)
            return begin_native(config, base, rows, tokenizer, compiled=compiled, labels=told, frame=frame)
        return super().begin(config, base, rows, tokenizer, compiled=compiled)

    @staticmethod
    def write_synthetic(out: Path, sequence_length: int, rows: int, tokenizer: Tokenizer) -> None:
        """Write random texts with begin and end tokens. The token that begins a text has its label."""
        tokens = synthetic_tokens(sequence_length, rows, tokenizer)
        tokens[:, -1] = tokenizer.end_of_text_id
        begins = tokens == tokenizer.end_of_text_id
        tokens[:, :-1][begins[:, 1:] & ~begins[:, :-1]] = tokenizer.end_of_turn_id
        labelled = begins & np.roll(~begins, -1, axis=1)
        _write_labelled(out, tokens, labelled.astype(np.int64), tokenizer)


class TokenClassification(EncoderObjective):
    """Cross-entropy of the label of each token."""

    auto_class = "AutoModelForTokenClassification"

    @staticmethod
    def write_synthetic(out: Path, sequence_length: int, rows: int, tokenizer: Tokenizer) -> None:
        """Write random tokens. Each has a label, except those that begin texts."""
        tokens = synthetic_tokens(sequence_length, rows, tokenizer)
        _write_labelled(out, tokens, (tokens != tokenizer.end_of_text_id).astype(np.int64), tokenizer)


def _write_labelled(out: Path, tokens: Ids, weights: Ids, tokenizer: Tokenizer) -> None:
    """Write rows with two labels. The number of labels hardly changes time or memory."""
    write_synthetic_rows(out, tokens, weights, tokenizer, (("even", "odd"), tokens % 2))
