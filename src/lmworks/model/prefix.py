"""What is learned to stand before every text, in place of weights: its keys and values in each layer.

Either they are learned themselves (prefix tuning, Li and Liang 2021), or vectors that stand where embeddings of words
do (prompt tuning, Lester et al. 2021), from which they follow. Beside a model they are a PEFT folder.

Axes: P places of the prefix, T time, D hidden size, L layers, K key-value heads, C head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.errors import told
from lmworks.model.config import DecoderConfig
from lmworks.model.decoder import Attend, Decoder, rotations
from lmworks.model.files import load_weights
from lmworks.model.folder import ADAPTER, ADAPTER_WEIGHTS, PREFIXES, prefix_kind

KeysAndValues = Sequence[tuple[Tensor, Tensor]]
"""[1,K,P,C] twice a layer, rotated as they stand at positions 0 to P-1; empty where nothing stands before."""


def length_of(prefix: KeysAndValues) -> int:
    """P"""
    return prefix[0][0].shape[2] if prefix else 0


def keys_and_values(kind: str, learned: Tensor, model: Decoder) -> KeysAndValues:
    """[P,·] as PEFT stores it -> what each layer attends to."""
    if kind == "prompt":
        return read(learned, model)
    config = model.config
    apart = learned.view(len(learned), 2 * config.num_layers, config.num_key_value_heads, config.head_size)
    layers = apart.permute(1, 2, 0, 3)[:, None].to(model.compute_type)  # [2·L,1,K,P,C]
    return list(zip(layers[::2], layers[1::2], strict=True))


def stored(prefix: KeysAndValues) -> Tensor:
    """The inverse for a prefix, [P,2·L·K·C] in float32."""
    layers = torch.cat([part for pair in prefix for part in pair])  # [2·L,K,P,C]
    return layers.permute(2, 0, 1, 3).flatten(1).float()


def read(embeddings: Tensor, model: Decoder) -> KeysAndValues:
    """Keys and values of vectors [P,D] that stand where a text's first embeddings would."""
    positions = torch.arange(len(embeddings), device=embeddings.device)[None]
    x = embeddings[None].to(model.compute_type)
    cos, sin = rotations(positions, model.config, x.dtype)
    kept: list[tuple[Tensor, Tensor]] = []
    attend = keep(kept, _causal)
    for layer, block in enumerate(model.blocks):
        x = block(x, cos, sin, attend, layer)
    return kept


def keep(kept: list[tuple[Tensor, Tensor]], attend: Attend) -> Attend:
    """`attend`, keeping each layer's keys and values."""

    def keeping(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        kept.append((k, v))
        return attend(layer, q, k, v)

    return keeping


def _causal(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])


def peft_config(kind: str, tokens: int, config: DecoderConfig) -> dict[str, Any]:
    """The fields of `adapter_config.json`."""
    heads = config.num_key_value_heads if kind == "prefix" else config.num_heads
    return {
        "peft_type": PREFIXES[kind],
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "inference_mode": True,
        "num_virtual_tokens": tokens,
        "token_dim": heads * config.head_size if kind == "prefix" else config.hidden_size,
        "num_attention_heads": heads,
        "num_layers": config.num_layers,
        "num_transformer_submodules": 1,
        **({"prefix_projection": False} if kind == "prefix" else {"prompt_tuning_init": "RANDOM"}),
    }


@torch.inference_mode()
def load_prefix(folder: Path, model: Decoder) -> KeysAndValues:
    """What stands before every text of the model in a folder; nothing where only its weights count."""
    kind = prefix_kind(folder)
    if kind is None:
        return ()
    path = folder / ADAPTER / ADAPTER_WEIGHTS
    with told(path, "prompt_embeddings of this model, as PEFT stores them"):
        learned = load_weights(path)["prompt_embeddings"]
        if len(learned) >= model.config.context_length:
            raise ValueError(f"{len(learned)} places before a context of {model.config.context_length}")
        return keys_and_values(kind, learned.to(model.output_weight.device), model)
