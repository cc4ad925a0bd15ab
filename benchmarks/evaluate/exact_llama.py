"""The shape of Llama in float64, written from its equations with no code of lmworks or transformers: what both round.

Axes: T time, D hidden size, H heads, K key-value heads, C head size, V vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor


class ExactLlama:
    """A folder of a model with tied embeddings, no biases and plain rotary positions."""

    def __init__(self, folder: Path) -> None:
        self._config = json.loads((folder / "config.json").read_text("utf-8"))
        assert self._config["model_type"] == "llama" and self._config["tie_word_embeddings"]
        rope = self._config.get("rope_parameters") or {"rope_theta": self._config["rope_theta"]}
        assert rope.get("rope_type", "default") == "default"
        self._theta = float(rope["rope_theta"])
        self._weights = {name: each.double() for name, each in load_file(folder / "model.safetensors").items()}

    @torch.inference_mode()
    def log_likelihood(self, prompt: Sequence[int], continuation: Sequence[int]) -> float:
        """Natural log p of a continuation."""
        ids = torch.tensor([*prompt, *continuation])
        states = self._hidden(ids)[len(prompt) - 1 : -1]  # [·,D]
        logits = states @ self._weights["model.embed_tokens.weight"].T  # [·,V]
        told = logits.log_softmax(-1).gather(-1, ids[len(prompt) :, None])
        return float(told.sum())

    def _hidden(self, ids: Tensor) -> Tensor:
        """[T] -> [T,D]"""
        config, heads = self._config, self._config["num_attention_heads"]
        size = config["hidden_size"] // heads
        angles = torch.arange(len(ids)).double()[:, None] / self._theta ** (torch.arange(0, size, 2).double() / size)
        turn = torch.polar(torch.ones_like(angles), angles)  # [T,C/2], as complex numbers
        unseen = torch.ones(len(ids), len(ids)).triu(1).bool()
        x = self._weights["model.embed_tokens.weight"][ids]
        for layer in range(config["num_hidden_layers"]):
            at = f"model.layers.{layer}."
            read = self._norm(x, at + "input_layernorm")
            q, k, v = (
                (read @ self._weights[f"{at}self_attn.{name}_proj.weight"].T).view(len(ids), -1, size) for name in "qkv"
            )  # [T,H or K,C]
            k, v = (each.repeat_interleave(heads // each.shape[1], dim=1) for each in (_turned(k, turn), v))
            scores = torch.einsum("qhc,khc->hqk", _turned(q, turn), k) / size**0.5
            mixed = torch.einsum("hqk,khc->qhc", scores.masked_fill(unseen, -torch.inf).softmax(-1), v)
            x = x + mixed.reshape(len(ids), -1) @ self._weights[at + "self_attn.o_proj.weight"].T
            read = self._norm(x, at + "post_attention_layernorm")
            gate, up, down = (self._weights[f"{at}mlp.{name}_proj.weight"].T for name in ("gate", "up", "down"))
            gated = read @ gate
            x = x + (gated * gated.sigmoid() * (read @ up)) @ down
        return self._norm(x, "model.norm")

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return (
            x
            / (x.square().mean(-1, keepdim=True) + self._config["rms_norm_eps"]).sqrt()
            * self._weights[f"{name}.weight"]
        )


def _turned(x: Tensor, turn: Tensor) -> Tensor:
    """[T,·,C], whose halves are real and imaginary parts -> the same, turned."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.complex(first, second) * turn[:, None]
    return torch.cat((turned.real, turned.imag), dim=-1)
