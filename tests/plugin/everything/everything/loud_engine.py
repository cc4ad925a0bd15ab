"""An engine: lmworks's own, but that every answer ends with one word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.request import Generation, Sampling
from lmworks.model.folder import load_model
from lmworks.tokens.tokenizer import open_tokenizer


class LoudEngine(DecoderEngine):
    """Says how it answers."""

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        return [replace(each, text=f"{each.text.strip()} LOUD") for each in super().generate(prompts, sampling)]


def open_loud(folder: Path, data_type: str, device: torch.device) -> DecoderEngine:
    """Opens a folder of lmworks's own."""
    return LoudEngine(load_model(folder, data_type).to(device), open_tokenizer(folder))
