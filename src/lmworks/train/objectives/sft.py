"""Predict what the assistant says."""

from __future__ import annotations

from torch import Tensor

from lmworks.train.decoder import DecoderObjective
from lmworks.train.objective import Batch, Trainable


class Sft(DecoderObjective):
    """Cross-entropy of the assistant's tokens given all before them in their conversation."""

    def loss(self, model: Trainable, batch: Batch) -> tuple[Tensor, float, dict[str, float]]:
        """Only trained positions go through the output matrix."""
        weights = batch.weights[:, 1:].flatten()
        (trained,) = weights.nonzero(as_tuple=True)
        hidden = model.hidden(batch).flatten(0, 1)[trained]
        targets = batch.tokens[:, 1:].flatten()[trained]
        loss, right = model.cross_entropy(hidden, targets, weights[trained])
        return loss, float(weights.sum()), {"accuracy": float(right)}
