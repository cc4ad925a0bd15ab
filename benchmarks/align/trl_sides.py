"""What comparisons with TRL share: a small decoder of random weights, and how TRL's trainers are set up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from corpora import make_tokenizer
from lmworks.model.config import DecoderConfig
from lmworks.model.decoder import Decoder
from lmworks.model.folder import save_model
from lmworks.tokens.rows.pack_preferences import SIDES
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import TokenizerFolder
from tiny import disturbed

Inputs = dict[str, Tensor]


def make_base(folder: Path, length: int) -> TokenizerFolder:
    """Write a decoder of random weights that reads so many tokens into `folder/base`; gives its tokenizer."""
    tokenizer = make_tokenizer(folder / "tokenizer")
    shape = DecoderConfig(
        vocab_size=400,
        hidden_size=64,
        num_layers=2,
        num_heads=4,
        num_key_value_heads=2,
        head_size=16,
        intermediate_size=96,
        context_length=length,
    )
    torch.manual_seed(0)
    save_model(disturbed(Decoder(shape), 0.1), folder / "base", tokenizer.path)
    return tokenizer


def settings(out: str, **more: Any) -> dict[str, Any]:
    """Of every trainer of TRL."""
    fixed = {"output_dir": out, "report_to": [], "use_cpu": True, "bf16": False, "gradient_checkpointing": False}
    return {**fixed, **more}


def gradient_difference(ours: Any, theirs: Any, end_of_text: int) -> float:
    """The largest between two models of equal names, as a share of the largest gradient."""
    learned = dict(theirs.named_parameters())
    pairs = [(learned[name].grad, weight.grad) for name, weight in ours.named_parameters()]
    for weight in (learned["model.embed_tokens.weight"], ours.get_parameter("model.embed_tokens.weight")):
        weight.grad[end_of_text] = 0  # `transformers` gives a token that also pads no gradient
    return max(float((a - b).abs().max()) for a, b in pairs) / max(float(a.abs().max()) for a, _ in pairs)


def padded(rows: PackedRows, *sides: int) -> Inputs:
    """The answers of some sides, each in a row of its own: tokens, what is read of them, and what is trained."""
    found = []
    for side in sides:
        for tokens, weights, labels in zip(rows.tokens, rows.weights, rows.labels, strict=True):
            for label in sorted(set(labels[labels % len(SIDES) == side].tolist())):
                place = labels == label
                found.append((torch.tensor(tokens[place]).long(), torch.tensor(weights[place]).long()))
    return filled_up(found)


def filled_up(texts: list[tuple[Tensor, Tensor]]) -> Inputs:
    """Ids and which are trained, of each text -> rows of the longest's length."""
    longest = max(len(ids) for ids, _ in texts)

    def fill(parts: list[Tensor]) -> Tensor:
        return torch.stack([torch.nn.functional.pad(part, (0, longest - len(part))) for part in parts])

    return {
        "input_ids": fill([ids for ids, _ in texts]),
        "attention_mask": fill([torch.ones_like(ids) for ids, _ in texts]),
        "completion_mask": fill([trained for _, trained in texts]),
    }
