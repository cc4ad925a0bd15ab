"""Objectives that predict tokens of documents or of the assistant, or a larger model's probabilities for them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from lmworks.data.shards.records import Documents
from lmworks.errors import LmworksError
from lmworks.model.folder import ModelFolder, is_native, load_model
from lmworks.pipeline.stage import Context, Handle
from lmworks.tokens.tokenizer import Tokenizer, TokenizerFolder
from lmworks.train.arithmetic.losses import chunked_divergence
from lmworks.train.configs.language_model import DistillationConfig
from lmworks.train.contract import Watched
from lmworks.train.families.decoder import DecoderObjective, TrainableDecoder, begin_published
from lmworks.train.preflight.check import other_tokens


class CausalLM(DecoderObjective):
    """Cross-entropy of every token given those before it in its document."""

    @staticmethod
    def watched(handle: Handle, tokenizer: Tokenizer, count: int) -> list[Watched]:
        """Return documents that the model continues from their first line."""
        found = []
        for document in islice(Documents(handle.path, handle.digest).iterate(), count):
            title, _, rest = document.text.partition("\n")
            found.append(Watched(title, [tokenizer.end_of_text_id, *tokenizer.encode(title + "\n")], rest.lstrip()))
        return found


class Sft(DecoderObjective):
    """Cross-entropy of the assistant's tokens given all before them in their conversation."""


class Distillation(DecoderObjective):
    """Cross-entropy of the assistant's tokens, and the divergence from the teacher's distribution of each."""

    config: DistillationConfig
    validation_measure: tuple[str, str] | None = (
        "what is learned: cross-entropy and divergence from the teacher, by label_share",
        "nats per token",
    )

    def prepare(self, model: Any, tokenizer: Tokenizer, context: Context, judges: Sequence[ModelFolder] = ()) -> None:
        """Open the teacher. Raises LmworksError if it has another tokenizer."""
        (folder,) = judges
        theirs = TokenizerFolder(folder.path, "").open()
        if theirs.digest != tokenizer.digest:
            raise LmworksError(f"{self.config.step_name}: {other_tokens(theirs.vocab_size)}")
        if is_native(folder.path):
            decoder = load_model(folder.path)
            decoder.compute_type = getattr(torch, self.config.data_type)
            self.teacher: Any = TrainableDecoder(decoder, end_of_text=tokenizer.end_of_text_id, compiled=False)
        else:
            self.teacher = begin_published(self.config.model_copy(update={"adapter": None}), folder, tokenizer)
        self.teacher.network.requires_grad_(False).eval().to(model.output_weight.device)

    def trivial(self, unseen: Sequence[Any]) -> tuple[str, list[dict[str, float]]]:
        """Return no baseline, because the divergence of a trivial prediction from the teacher is not known."""
        return "", []

    def loss(self, model: Any, batch: Any) -> tuple[Tensor, float, dict[str, float]]:
        """Return both losses, weighted by `label_share`. Only trained positions go through the output matrices."""
        (trained,) = batch.weights[:, 1:].flatten().nonzero(as_tuple=True)
        targets, weights = (each[:, 1:].flatten()[trained] for each in (batch.tokens, batch.weights))
        hidden = model.hidden(batch).flatten(0, 1)[trained]
        with torch.no_grad():
            taught = self.teacher.hidden(batch).flatten(0, 1)[trained]
        of_labels, right = model.cross_entropy(hidden, targets, weights)
        divergence = chunked_divergence(
            *(hidden, model.output_weight, taught, self.teacher.output_weight, weights),
            temperature=self.config.temperature,
            reverse=self.config.divergence == "reverse",
        )
        share, told = self.config.label_share, {"accuracy": float(right), "divergence": float(divergence.detach())}
        return share * of_labels + (1 - share) * divergence, float(weights.sum()), told
