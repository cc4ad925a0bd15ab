"""Attention inside the segments of packed rows.

Axes: B batch, T time, H heads, K key-value heads, C head size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.model.config import QUERY_BLOCK


def segments(tokens: Tensor, end_of_text: int) -> tuple[Tensor, Tensor]:
    """[B,T] tokens -> segment numbers and positions [B,T]; at every <|endoftext|> both begin anew."""
    begins = tokens == end_of_text
    index = torch.arange(tokens.shape[-1], device=tokens.device).expand_as(tokens)
    starts = torch.where(begins, index, 0).cummax(-1).values
    return begins.cumsum(-1), index - starts


def visible_positions(number: Tensor, window: int | None, data_type: torch.dtype = torch.float32) -> Tensor:
    """[B,T] segment numbers -> [B,1,T,T] to add to scores: 0 where a query (row) may see a key (column), else −∞."""
    index = torch.arange(number.shape[-1], device=number.device)
    distance = index[:, None] - index
    near = (distance >= 0) & (distance < (window or len(index)))
    visible = near & torch.eq(number[:, :, None], number[:, None, :])[:, None]
    return torch.where(visible, 0.0, float("-inf")).to(data_type)


def masked_attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
    """q [B,H,T,C], k and v [B,K,T,C], visible [B,1,T,T] -> [B,H,T,C]; each key head serves H/K query heads.

    Queries go in blocks, so that most of what causality hides is never computed. Of bfloat16, products and softmaxes
    left to the compiler took a quarter less time on a CPU than `scaled_dot_product_attention`, uncompiled more.
    """
    attend = _attend if torch.compiler.is_compiling() and q.dtype == torch.bfloat16 else _attend_at_once
    blocks = [(start, min(start + QUERY_BLOCK, q.shape[2])) for start in range(0, q.shape[2], QUERY_BLOCK)]
    mixed = [
        attend(q[:, :, start:end], k[:, :, :end], v[:, :, :end], visible[:, :, start:end, :end])
        for start, end in blocks
    ]
    return torch.cat(mixed, dim=2)


def _attend_at_once(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=visible.to(q.dtype), enable_gqa=q.shape[1] != k.shape[1])


def _attend(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
    batch, heads, time, size = q.shape
    groups = k.shape[1]
    q = q.reshape(batch, groups, heads // groups * time, size)  # query heads that share keys lie one after another
    scores = (q * size**-0.5 @ k.transpose(-1, -2)).view(batch, heads, time, -1).float() + visible
    shares = scores.softmax(-1).to(v.dtype)
    mixed: Tensor = shares.view(batch, groups, heads // groups * time, -1) @ v
    return mixed.view(batch, heads, time, size)
