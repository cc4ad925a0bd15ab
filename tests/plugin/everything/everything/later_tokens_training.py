"""The objective's arithmetic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from lmworks.train.objectives.language_model import CausalLM


class LaterTokens(CausalLM):
    """Cross-entropy of every token but the first of a row."""

    def loss(self, model: Any, batch: Any) -> tuple[Tensor, float, dict[str, float]]:
        weights = batch.weights.clone()
        weights[:, : self.config.skipped] = 0
        return super().loss(model, replace(batch, weights=weights))
