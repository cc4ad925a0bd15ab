"""Predict hidden tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lmworks.train.contract import TextBatch
from lmworks.train.families.encoder import HIDDEN, EncoderObjective

ASKED, MASKED, RANDOM = 0.15, 0.8, 0.1
"""Share of tokens asked for, and of these, hidden and replaced; the rest stay (Devlin et al. 2019, section 3.1)."""


class MaskedLM(EncoderObjective):
    """Cross-entropy of 15 % of the tokens given all others of their text."""

    auto_class = "AutoModelForMaskedLM"

    def batch_of(self, numbers: Any, step: int) -> TextBatch:
        """Rows with some tokens hidden, by draws from (seed, step) alone."""
        draws = np.random.default_rng([self.seed, step + 1])
        tokens, weights, _ = self.arrays(numbers)
        asked = (draws.random(tokens.shape) < ASKED) & (weights > 0)
        how = draws.random(tokens.shape)
        shown = np.where(how < MASKED, HIDDEN, tokens)
        other = draws.integers(0, self.rows.vocab_size, tokens.shape)
        shown = np.where((how >= MASKED) & (how < MASKED + RANDOM), other, shown)
        targets = np.where(asked, tokens, -1)
        return TextBatch(torch.from_numpy(np.where(asked, shown, tokens)), torch.from_numpy(targets))
