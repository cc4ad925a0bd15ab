"""A model folder small enough to make in every test session: real files, random weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from lmworks.model.config import DecoderConfig
from lmworks.model.decoder import Decoder
from lmworks.model.folder import load_model, save_model
from lmworks.tokens.kinds.learn import TOKENIZER_CONFIG
from lmworks.tokens.tokenizer import SPECIAL_TOKENS
from lmworks.train.configs.adapter import LoraConfig
from lmworks.train.families.adapters import Adapters, save_adapters

TEXT = [
    "S3 CreateBucket creates a new bucket. Lists the monitors in the account. What does it do? Größe, naïve, 日本語.",
    "This operation returns a list of the tags of a resource, and the name of the role that may read them.",
]


def train_backend(special_tokens: Sequence[str]) -> Tokenizer:
    """A byte-level tokenizer of 320 ids, the special ones first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def make_tiny_model(
    folder: Path, *, context_length: int = 128, seed: int = 0, window: int | None = None, qkv_bias: bool = False
) -> Path:
    """A two-layer decoder with grouped queries and a byte-level tokenizer of 320 ids; returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_backend(SPECIAL_TOKENS)
    source = folder / "tokenizer"
    source.mkdir()
    tokenizer.save(str(source / "tokenizer.json"))
    (source / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG))
    config = DecoderConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        num_key_value_heads=2,
        head_size=8,
        intermediate_size=48,
        context_length=context_length,
        sliding_window=window,
        qkv_bias=qkv_bias,
    )
    generator = torch.Generator().manual_seed(seed)
    model = Decoder(config)
    for parameter in model.parameters():
        if parameter.ndim > 1 or qkv_bias:
            parameter.data.normal_(0.0, 0.2, generator=generator)
    save_model(model, folder, source)
    return folder


def make_adapted(base: Path, folder: Path, **adapter: Any) -> Path:
    """A model folder as training with an adapter leaves it: what was learned is merged, and beside in `adapter/`."""
    model = load_model(base)
    adapters = Adapters(model, model.blocks, LoraConfig(**adapter), seed=0)
    generator = torch.Generator().manual_seed(len(str(adapter)))
    for weight in adapters.trained.values():
        weight.data += 0.2 * torch.empty_like(weight).normal_(generator=generator)
    save_adapters(adapters, folder)
    save_model(model, folder, base)
    return folder


def disturbed(model: Any, by: float) -> Any:
    """The model with noise on every weight, always the same."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += by * torch.empty_like(parameter).normal_(generator=generator)
    return model
