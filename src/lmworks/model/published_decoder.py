"""Decoders of other architectures (GPT-2, GPT-NeoX, Phi, Gemma and more), computed by `transformers`.

Axes: B batch, T time, D hidden size, V vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lmworks.errors import LmworksError
from lmworks.model.folder import approximate_config, copy_tokenizer, special_ids
from lmworks.model.published import load_published

AGREEMENT = 1e-3
"""Largest difference between a model's logits and the product they are taken for, as a share of their spread."""


class PublishedDecoder:
    """Offers what likelihoods and training ask of our decoder: hidden states whose product with a matrix is the logits.

    An output bias, which Phi and GPT-J have, is a further column of the matrix, beside a hidden value that is always 1.
    """

    def __init__(self, network: Any, folder: Path) -> None:
        self.network = network
        self.config = approximate_config(folder / "config.json")
        self.compute_type: torch.dtype = network.dtype

    @property
    def module(self) -> nn.Module:
        """The network of `transformers`."""
        module: nn.Module = self.network
        return module

    @property
    def output_weight(self) -> Tensor:
        """[V,D]"""
        output = self.network.get_output_embeddings()
        weight: Tensor = output.weight
        return weight if output.bias is None else torch.cat((weight, output.bias[:, None]), dim=1)

    @property
    def blocks(self) -> nn.ModuleList:
        """The layers: the longest list of modules that are alike."""
        return max((m for m in self.module.modules() if isinstance(m, nn.ModuleList)), key=len)

    def hidden(self, tokens: Tensor, *_: object) -> Tensor:
        """[B,T] tokens, padded on the right if at all -> [B,T,D]. Causality hides the padding: no mask is needed."""
        found: Tensor = self.network.base_model(input_ids=tokens, use_cache=False).last_hidden_state
        if self.network.get_output_embeddings().bias is None:
            return found
        return torch.cat((found, found.new_ones(*found.shape[:-1], 1)), dim=-1)

    def eval(self) -> PublishedDecoder:
        """Without dropout."""
        self.network.eval()
        return self


def load_published_decoder(folder: Path, data_type: str | None = "float32") -> PublishedDecoder:
    """Read a folder that `AutoModelForCausalLM` knows; None keeps the type that is stored.

    Raises LmworksError if it does not, if weights are missing, or if the logits are more than a product (Gemma 2 caps
    them, Cohere scales them).
    """
    network = load_published(folder, "AutoModelForCausalLM", data_type or "auto", may_miss=())
    model = PublishedDecoder(network, folder).eval()
    _require_plain_logits(model, folder)
    return model


def save_published_decoder(model: PublishedDecoder, folder: Path, tokenizer_folder: Path) -> None:
    """Write it as it was read, with its tokenizer and the ids that end an answer."""
    for settings in (model.network.config, model.network.generation_config):
        for name, value in special_ids(tokenizer_folder).items():
            setattr(settings, name, value)
    model.network.save_pretrained(folder)
    copy_tokenizer(tokenizer_folder, folder)


@torch.no_grad()
def _require_plain_logits(model: PublishedDecoder, folder: Path) -> None:
    tokens = torch.arange(1, 9)[None]
    expected = model.network(input_ids=tokens, use_cache=False).logits.float()
    found = (model.hidden(tokens) @ model.output_weight.T).float()
    if float((found - expected).abs().max()) > AGREEMENT * float(expected.std() + expected.abs().max()):
        raise LmworksError(
            f"{folder}: its logits are not the product of hidden states and output matrix (they are capped, scaled or "
            "shifted): such a decoder cannot be tuned or measured here"
        )
