"""Predict each next token."""

from __future__ import annotations

from itertools import islice

from torch import Tensor

from lmworks.data.documents import Documents
from lmworks.pipeline.stage import Handle
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.decoder import DecoderObjective
from lmworks.train.objective import Batch, Trainable, Watched


class CausalLM(DecoderObjective):
    """Cross-entropy of every token given those before it in its document."""

    def loss(self, model: Trainable, batch: Batch) -> tuple[Tensor, float, dict[str, float]]:
        """Every position goes through the output matrix; nearly all have weight 1."""
        weights = batch.weights[:, 1:].flatten()
        hidden = model.hidden(batch).flatten(0, 1)
        loss, right = model.cross_entropy(hidden, batch.tokens[:, 1:].flatten(), weights)
        return loss, float(weights.sum()), {"accuracy": float(right)}

    @staticmethod
    def watched(handle: Handle, tokenizer: Tokenizer, count: int) -> list[Watched]:
        """Documents to be continued from their first line."""
        found = []
        for document in islice(Documents(handle.path, handle.digest).iterate(), count):
            title, _, rest = document.text.partition("\n")
            found.append(Watched(title, [tokenizer.end_of_text_id, *tokenizer.encode(title + "\n")], rest.lstrip()))
        return found
