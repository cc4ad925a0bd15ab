"""A decoder in the shape of Llama and Qwen3: RMSNorm, rotary positions, grouped-query attention, SwiGLU.

Axes: B batch, T time, D hidden size, H heads, K key-value heads, C head size, F intermediate size, V vocabulary.

Parameters are named as Hugging Face names them, so a state dict is a checkpoint. Every matrix product runs in the type
of the activations, `compute_type`, whatever the type of the weights. The decoder has no code for caches or packing.
The caller passes `attend`: training passes packed causal attention, and the generation engine passes its cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from lmworks.model.config import DecoderConfig

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""Function of layer, q [B,H,T,C], k and v [B,K,T,C] that returns [B,H,T,C]. q and k are already rotated."""


class Linear(nn.Linear):
    """A matrix product in the type of its input."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


class RMSNorm(nn.Module):
    """Norm x / rms(x) · weight over the last axis, computed in float32."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)
        return (self.weight * wide).to(x.dtype)


class Attention(nn.Module):
    """Projections, norms and rotation of attention. The caller passes the attention function itself."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        hidden, size = config.hidden_size, config.head_size
        self.head_size = size
        self.q_proj = Linear(hidden, config.num_heads * size, bias=config.qkv_bias)
        self.k_proj = Linear(hidden, config.num_key_value_heads * size, bias=config.qkv_bias)
        self.v_proj = Linear(hidden, config.num_key_value_heads * size, bias=config.qkv_bias)
        self.o_proj = Linear(config.num_heads * size, hidden, bias=False)
        self.q_norm = RMSNorm(size, config.norm_epsilon) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(size, config.norm_epsilon) if config.qk_norm else nn.Identity()

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend, layer: int) -> Tensor:
        """x [B,T,D] -> [B,T,D]; `attend` mixes what it is given of queries, keys and values."""
        batch, time, _ = x.shape
        q, k, v = (  # [B,T,·] -> [B,H or K,T,C]
            project(x).view(batch, time, -1, self.head_size).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(self.q_norm(q), cos, sin), rotate(self.k_norm(k), cos, sin)
        mixed = attend(layer, q, k, v).transpose(1, 2).reshape(batch, time, -1)  # [B,T,H·C]
        output: Tensor = self.o_proj(mixed)
        return output


class FeedForward(nn.Module):
    """Feed-forward layer with SwiGLU."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return output


class Block(nn.Module):
    """Attention, then feed-forward. Each reads normalised values, and its result is added to the residual stream."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.norm_epsilon)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.norm_epsilon)
        self.mlp = FeedForward(config)
        self.dropout: nn.Module = nn.Identity()
        """Dropout of what is added to the stream, set by the trainer (Vaswani et al. 2017, section 5.4)."""

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend, layer: int) -> Tensor:
        x = x + self.dropout(self.self_attn(self.input_layernorm(x), cos, sin, attend, layer))
        output: Tensor = x + self.dropout(self.mlp(self.post_attention_layernorm(x)))
        return output


class Trunk(nn.Module):
    """All weights except the output matrix, with the names of Hugging Face folders (`model.`)."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.norm_epsilon)


class Decoder(nn.Module):
    """The language model. `hidden` gives the last hidden states; logits are `hidden @ output_weight.T`.

    If the shape has labels, logits are their scores for the text up to each position.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.compute_type = torch.float32
        """Type of the activations and of the matrix products."""
        self.model = Trunk(config)
        head = Linear(config.hidden_size, config.outputs, bias=False)
        if config.labels:
            self.score = head
        else:
            self.lm_head = head
        if config.tie_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    @property
    def blocks(self) -> nn.ModuleList:
        """Layers in order, for sharding, compiling and activation checkpointing."""
        return self.model.layers

    @property
    def output_weight(self) -> Tensor:
        """Output matrix [V,D]."""
        return (self.score if self.config.labels else self.lm_head).weight

    def hidden(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """Return hidden states [B,T,D], in `compute_type`, of tokens [B,T] at positions [B,T]."""
        x = self.model.embed_tokens(tokens).to(self.compute_type)
        cos, sin = rotations(positions, self.config, x.dtype)
        for layer, block in enumerate(self.blocks):
            x = block(x, cos, sin, attend, layer)
        output: Tensor = self.model.norm(x)
        return output

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Set random weights of variance 1/inputs. Outputs of blocks are zero, so each block starts as identity."""
        for name, parameter in self.named_parameters():
            if name.endswith("norm.weight"):
                parameter.fill_(1.0)
            elif name.endswith((".bias", "o_proj.weight", "down_proj.weight", "score.weight")):
                parameter.zero_()
            elif name.endswith(("embed_tokens.weight", "lm_head.weight")):
                parameter.normal_(0.0, 0.02, generator=generator)
            else:
                bound = math.sqrt(3.0 / parameter.shape[1])
                parameter.uniform_(-bound, bound, generator=generator)


def rotations(positions: Tensor, config: DecoderConfig, data_type: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return cosines and sines [B,1,T,C] for positions [B,T]. The angles are computed in float32."""
    exponents = torch.arange(0, config.head_size, 2, device=positions.device, dtype=torch.float32) / config.head_size
    periods = config.rope_theta**exponents  # over 2π, in positions
    if config.rope_scaling:  # Llama 3.1: long periods are stretched by the factor, short ones kept, between them a ramp
        factor, low, high, context = config.rope_scaling
        kept = ((context / (2 * math.pi * periods) - low) / (high - low)).clamp(0, 1)
        periods = periods / ((1 - kept) / factor + kept)
    angles = positions[:, None, :, None].float() / periods  # [B,1,T,C/2]
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(data_type), angles.sin().to(data_type)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return x with rotary position embedding. Pairs are from the first and second half of a head, as in Llama."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
