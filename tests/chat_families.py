"""Model folders as they are published with the chat templates of others: their tokens and settings, random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import LlamaConfig, LlamaForCausalLM

from tiny import train_backend

TEMPLATES = Path(__file__).parent / "tokens" / "templates"
TOKENS: dict[str, tuple[list[str], str | None, str]] = {
    "llama-3": (
        ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        "<|begin_of_text|>",
        "<|eot_id|>",
    ),
    "mistral-v0.2": (["<s>", "</s>"], "<s>", "</s>"),
    "mistral-v0.3": (["<s>", "</s>", "[INST]", "[/INST]"], "<s>", "</s>"),
    "zephyr": (["<s>", "</s>"], "<s>", "</s>"),
    "gemma-2": (["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"], "<bos>", "<eos>"),
    "qwen-3": (["<|endoftext|>", "<|im_start|>", "<|im_end|>"], None, "<|im_end|>"),
    "phi-3": (["<s>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"], "<s>", "<|endoftext|>"),
    "smollm2": (["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "<|im_start|>", "<|im_end|>"),
}
"""Special tokens of each, the one that begins a text, and the one that is called `eos_token`."""
STRIPPING = {"phi-3": ["<|system|>", "<|user|>", "<|end|>", "<|assistant|>"]}
"""Tokens that take the white space behind them, as Phi's do."""
WITHOUT_SYSTEM = ("gemma-2", "mistral-v0.2")


def write_family(folder: Path, family: str) -> Path:
    """A model folder as it is published: random weights, and the template, tokens and settings of the family."""
    names, begin, end = TOKENS[family]
    backend = train_backend(names)
    backend.add_special_tokens([AddedToken(name, rstrip=True, special=True) for name in STRIPPING.get(family, ())])
    if family == "qwen-3":
        backend.add_tokens(["<think>", "</think>", "<tool_call>", "</tool_call>"])
    torch.manual_seed(0)
    sizes: Any = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    ids = {"bos_token_id": backend.token_to_id(begin or names[0]), "eos_token_id": backend.token_to_id(end)}
    more = {"vocab_size": backend.get_vocab_size(), "max_position_embeddings": 256, "tie_word_embeddings": True}
    LlamaForCausalLM(LlamaConfig(**sizes, **ids, **more)).save_pretrained(folder)
    backend.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": begin, "eos_token": end}
    template = (TEMPLATES / f"{family}.jinja").read_text()
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": template}))
    return folder
