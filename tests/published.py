"""Decoders of others, as they are published and as they are taken into a recipe: real files, random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PhiConfig,
    PhiForCausalLM,
)

from lmworks.model.pretrained import PretrainedModelConfig, import_model
from support import make_context
from tiny import train_backend

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
FAMILIES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "GPT-2": (GPT2LMHeadModel, GPT2Config, GPT2),
    "Pythia": (GPTNeoXForCausalLM, GPTNeoXConfig, SIZES),
    "Phi": (PhiForCausalLM, PhiConfig, SIZES),
    "Gemma 3": (Gemma3ForCausalLM, Gemma3TextConfig, {**SIZES, "num_key_value_heads": 1, "head_dim": 8}),
    "BLOOM": (BloomForCausalLM, BloomConfig, {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "Llama": (LlamaForCausalLM, LlamaConfig, SIZES),
    "Llama, tied": (LlamaForCausalLM, LlamaConfig, {**SIZES, "tie_word_embeddings": True}),
}


def write_published(folder: Path, family: str) -> Path:
    """Random weights; documents begin with <s> and end with </s>, but in GPT-2 <|endoftext|> does both."""
    both = family == "GPT-2"
    backend = train_backend(["<|endoftext|>"] if both else ["<s>", "</s>"])
    torch.manual_seed(0)
    model, config, sizes = FAMILIES[family]
    ids = {"bos_token_id": 0, "eos_token_id": 0 if both else 1, "pad_token_id": 0}
    model(config(**sizes, vocab_size=backend.get_vocab_size(), **ids)).save_pretrained(folder)
    backend.save(str(folder / "tokenizer.json"))
    return folder


def take(folder: Path, out: Path) -> dict[str, int]:
    config = PretrainedModelConfig(path=folder.name, licence="MIT").resolve(folder.parent)
    return dict(import_model(config, out=out, context=make_context(out.parent)).counts)
