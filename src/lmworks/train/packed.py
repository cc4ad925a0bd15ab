"""Attention inside the segments of packed rows.

Axes: B batch, T time, H heads, K key-value heads, C head size.
"""

from __future__ import annotations

import torch
from torch import Tensor

QUERY_BLOCK = 128
"""Two blocks in a row of 256 took a fifth off attention's time; four no more, and they take longer to compile."""


def segments(tokens: Tensor, end_of_text: int) -> tuple[Tensor, Tensor]:
    """[B,T] tokens -> segment numbers and positions [B,T]; at every <|endoftext|> both begin anew."""
    begins = tokens == end_of_text
    index = torch.arange(tokens.shape[-1], device=tokens.device).expand_as(tokens)
    starts = torch.where(begins, index, 0).cummax(-1).values
    return begins.cumsum(-1), index - starts


def visible_positions(number: Tensor, window: int | None) -> Tensor:
    """[B,T] segment numbers -> [B,1,T,T]: True where a query (row) may see a key (column)."""
    index = torch.arange(number.shape[-1], device=number.device)
    distance = index[:, None] - index
    near = (distance >= 0) & (distance < (window or len(index)))
    return near & torch.eq(number[:, :, None], number[:, None, :])[:, None]


def masked_attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
    """q [B,H,T,C], k and v [B,K,T,C], visible [B,1,T,T] -> [B,H,T,C]; each key head serves H/K query heads.

    Products and softmaxes that are left to the compiler: on a CPU faster than `scaled_dot_product_attention` here.
    Queries go in blocks, so that most of what causality hides is never computed.
    """
    blocks = [(start, min(start + QUERY_BLOCK, q.shape[2])) for start in range(0, q.shape[2], QUERY_BLOCK)]
    mixed = [
        _attend(q[:, :, start:end], k[:, :, :end], v[:, :, :end], visible[:, :, start:end, :end])
        for start, end in blocks
    ]
    return torch.cat(mixed, dim=2)


def _attend(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
    batch, heads, time, size = q.shape
    groups = k.shape[1]
    q = q.reshape(batch, groups, heads // groups * time, size)  # query heads that share keys lie one after another
    scores = (q @ k.transpose(-1, -2)).view(batch, heads, time, -1).float() * size**-0.5
    shares = scores.masked_fill(~visible, float("-inf")).softmax(-1).to(v.dtype)
    mixed: Tensor = shares.view(batch, groups, heads // groups * time, -1) @ v
    return mixed.view(batch, heads, time, size)
