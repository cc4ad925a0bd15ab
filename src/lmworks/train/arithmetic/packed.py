"""Attention inside the segments of packed rows.

Axes: B batch, T time, H heads, K key-value heads, C head size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.model.config import QUERY_BLOCK
from lmworks.model.device import CPU

LONGEST_KEPT = 2048
"""Longest row whose attention weights are kept for the backward pass. For longer rows, they are computed again."""


def segments(tokens: Tensor, end_of_text: int) -> tuple[Tensor, Tensor]:
    """Return segment numbers and positions [B,T] of tokens [B,T]. A segment begins at each document token."""
    return segments_of(tokens == end_of_text)


def segments_of(begins: Tensor) -> tuple[Tensor, Tensor]:
    """Return segment numbers and positions [B,T]. `begins` [B,T] is true where a segment begins."""
    index = torch.arange(begins.shape[-1], device=begins.device).expand_as(begins)
    starts = torch.where(begins, index, 0).cummax(-1).values
    return begins.cumsum(-1), index - starts


def visible_positions(number: Tensor, window: int | None, data_type: torch.dtype = torch.float32) -> Tensor:
    """Return the mask to add to scores [B,1,T,T]: 0 where a query (row) can see a key (column), else −∞."""
    index = torch.arange(number.shape[-1], device=number.device)
    distance = index[:, None] - index
    near = (distance >= 0) & (distance < (window or len(index)))
    visible = near & torch.eq(number[:, :, None], number[:, None, :])[:, None]
    return torch.where(visible, 0.0, float("-inf")).to(data_type)


def masked_attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
    """Return attention [B,H,T,C] for q [B,H,T,C], k and v [B,K,S,C], visible [B,1,T,S]. A key head serves H/K heads.

    The first S − T keys come before the first query. Queries are computed in blocks, so that most of the pairs that
    causality hides are skipped. In bfloat16 on a CPU, plain products and softmaxes took a quarter less time than
    `scaled_dot_product_attention` if compiled, and half otherwise, as long as they keep little for the backward
    pass.
    """
    narrow, time = q.dtype == torch.bfloat16, q.shape[2]
    compiling = torch.compiler.is_compiling()
    if narrow and not compiling and q.device.type == CPU and time <= LONGEST_KEPT:
        mixed: Tensor = _AttendByProducts.apply(q, k, v, visible)  # type: ignore[no-untyped-call]
        return mixed
    blocks = _query_blocks(time, k.shape[2])
    if not (narrow and compiling):
        parts = [
            _attend_at_once(q[:, :, start:end], k[:, :, :seen], v[:, :, :seen], visible[:, :, start:end, :seen])
            for start, end, seen in blocks
        ]
        return torch.cat(parts, dim=2)
    # Joined from pieces, since torch 2.13 on a CPU with AVX-512 compiles sums of gradients of slices that overlap into
    # code that reads beyond the shorter one: in bfloat16 the gradient of the keys was not a number.
    begins = [0, *(seen for *_, seen in blocks[:-1])]
    sizes = [seen - begin for begin, (*_, seen) in zip(begins, blocks, strict=True)]
    keys, values = torch.split(k, sizes, 2), torch.split(v, sizes, 2)
    queries = torch.split(q, [end - start for start, end, _ in blocks], 2)
    parts = [
        _attend(
            queries[block],
            torch.cat(keys[: block + 1], 2),
            torch.cat(values[: block + 1], 2),
            visible[:, :, start:end, :seen],
        )
        for block, (start, end, seen) in enumerate(blocks)
    ]
    return torch.cat(parts, dim=2)


def _query_blocks(time: int, keys: int) -> list[tuple[int, int, int]]:
    """Return where each block of queries begins and ends, and how many keys it can see."""
    ends = [(start, min(start + QUERY_BLOCK, time)) for start in range(0, time, QUERY_BLOCK)]
    return [(start, end, keys - time + end) for start, end in ends]


class _AttendByProducts(torch.autograd.Function):
    """Version of `_attend` in blocks. Its own backward pass keeps one softmax in the narrow type, without float32."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
        batch, heads, time, size = q.shape
        groups = k.shape[1]
        q = (q * size**-0.5).reshape(batch * groups, heads // groups, time, size)
        k, v = k.reshape(-1, *k.shape[2:]), v.reshape(-1, *v.shape[2:])
        mixed, kept = torch.empty_like(q), []
        for start, end, seen in _query_blocks(time, k.shape[1]):
            scores = q[:, :, start:end].reshape(len(k), -1, size) @ k[:, :seen].transpose(1, 2)
            scores = scores.view(batch, heads, -1, seen).add_(visible[:, :, start:end, :seen])
            shares = scores.softmax(-1).view(len(k), -1, seen)
            mixed[:, :, start:end] = (shares @ v[:, :seen]).view(len(k), -1, end - start, size)
            kept.append(shares)
        ctx.save_for_backward(q, k, v, *kept)
        return mixed.view(batch, heads, time, size)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        time, size = q.shape[2:]
        mixed_gradient = gradient[0].reshape(q.shape)
        q_gradient, k_gradient, v_gradient = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for (start, end, seen), shares in zip(_query_blocks(time, k.shape[1]), kept, strict=True):
            of_block = mixed_gradient[:, :, start:end].reshape(len(k), -1, size)
            v_gradient[:, :seen] += shares.transpose(1, 2) @ of_block
            of_shares = of_block @ v[:, :seen].transpose(1, 2)
            of_scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype)
            q_gradient[:, :, start:end] = (of_scores @ k[:, :seen]).view(len(k), -1, end - start, size)
            k_gradient[:, :seen] += of_scores.transpose(1, 2) @ q[:, :, start:end].reshape(len(k), -1, size)
        batch, heads = gradient[0].shape[:2]
        q_gradient = (q_gradient * size**-0.5).view(batch, heads, time, size)
        return q_gradient, *(each.view(batch, -1, *k.shape[1:]) for each in (k_gradient, v_gradient)), None


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
