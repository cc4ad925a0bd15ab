"""Prompts and prefixes: what is learned to stand before every text, while the weights stay as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from lmworks.errors import LmworksError
from lmworks.model.decoder import Decoder
from lmworks.model.folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from lmworks.model.prefix import KeysAndValues, keys_and_values, peft_config, read, stored
from lmworks.pipeline.files import write_atomically

if TYPE_CHECKING:
    from lmworks.train.configs.adapter import PrefixConfig

COMMON = 5000
"""Tokens of which some are drawn to begin with, Lester et al.'s number: a tokenizer learns the common ones first."""


class Prefix:
    """It begins as common tokens drawn at random: of their embeddings, or of the keys and values that they have."""

    @torch.no_grad()
    def __init__(self, decoder: Decoder, config: PrefixConfig, seed: int) -> None:
        """Raises LmworksError where texts leave what stands before them behind."""
        if decoder.config.sliding_window:
            raise LmworksError("a prompt or prefix would slide out of the window of this base: take kind lora or dora")
        decoder.requires_grad_(False)
        table = decoder.model.embed_tokens.weight
        draw = torch.Generator().manual_seed(seed)
        words = table[torch.randint(min(COMMON, len(table)), (config.tokens,), generator=draw)]
        learned = words.clone() if config.kind == "prompt" else stored(read(words, decoder))
        self.decoder, self.config, self.on = decoder, config, True
        self.trained = nn.ParameterDict({"prompt_embeddings": learned})
        """What is learned, [P,·] by PEFT's name, and all that a checkpoint holds."""

    def keys_and_values(self) -> KeysAndValues:
        """Of each layer; nothing while it is switched off."""
        return keys_and_values(self.config.kind, self.trained["prompt_embeddings"], self.decoder) if self.on else ()

    def switch(self, *, on: bool) -> None:
        """Whether it stands before texts."""
        self.on = on

    def save(self, folder: Path) -> None:
        """Write a PEFT folder, which `PeftModel.from_pretrained(base, folder)` loads."""
        from safetensors.torch import save

        tensors = {name: weight.detach() for name, weight in self.trained.items()}
        write_atomically(folder / ADAPTER_WEIGHTS, save(tensors))
        config = peft_config(self.config.kind, self.config.tokens, self.decoder.config)
        write_atomically(folder / ADAPTER_CONFIG, (json.dumps(config, indent=2) + "\n").encode())

    def merge(self) -> None:
        """Nothing: no weights say the same."""
