"""Predict what the assistant says."""

from __future__ import annotations

from itertools import islice

from torch import Tensor

from lmworks.data.conversations import Conversations
from lmworks.pipeline.stage import Handle
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.decoder import DecoderObjective
from lmworks.train.objective import Batch, Trainable, Watched


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

    @staticmethod
    def watched(handle: Handle, tokenizer: Tokenizer, count: int) -> list[Watched]:
        """Conversations without their last answer."""
        found = []
        for record in islice(Conversations(handle.path, handle.digest).iterate(), count):
            *before, last = record["messages"]
            prompt, _ = tokenizer.encode_chat(before, add_generation_prompt=True)
            found.append(Watched(before[-1]["content"], prompt, last["content"]))
        return found
