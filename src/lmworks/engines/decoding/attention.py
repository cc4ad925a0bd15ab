"""Who sees whom while text is read and written.

Axes: B batch (rows), T time, S cached positions, H heads, K key-value heads, C head size, P places that rows share.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.model.decoder import Attend, Decoder
from lmworks.model.device import CPU

KeysAndValues = Sequence[tuple[Tensor, Tensor]]
"""Keys and values of each layer, [1,K,P,C] twice, rotated as they stand at positions 0 to P-1; empty if P is 0."""


def length_of(shared: KeysAndValues) -> int:
    """Return P."""
    return shared[0][0].shape[2] if shared else 0


def keep(kept: list[tuple[Tensor, Tensor]], attend: Attend) -> Attend:
    """Return `attend`, which also appends each layer's keys and values to `kept`."""

    def keeping(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        kept.append((k, v))
        return attend(layer, q, k, v)

    return keeping


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool = False) -> Tensor:
    """q[B,H,T,C], k and v[B,K,S,C], mask[B,1,T,S] (True: seen) -> [B,H,T,C]"""
    if q.shape[2] == 1 and q.dtype == torch.bfloat16 and q.device.type == CPU:
        return _of_one_token(q, k, v, mask)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=q.shape[1] != k.shape[1]
    )


def _of_one_token(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Return the same of T = 1, with the heads that share keys in the place of T, and one that shares with none twice.

    The products of torch (MKL) of a bfloat16 matrix with one vector take, on processors that are not Intel's, seven
    times as long as those with three: `benchmarks/decode_attention.py`.
    """
    batch, heads, _, size = q.shape
    shared = heads // k.shape[1]
    together = q.reshape(batch, k.shape[1], shared, size)
    if shared == 1:
        together = together.expand(-1, -1, 2, -1)
    if mask is not None:
        mask = mask.expand(-1, -1, together.shape[2], -1)
    return F.scaled_dot_product_attention(together, k, v, attn_mask=mask)[:, :, :shared].reshape(q.shape)


def visible_slots(positions: Tensor, slots: int, window: int | None) -> Tensor | None:
    """Which of the slots 0 … `slots`-1 the queries at positions[B,T] see, [B,1,T,S]; None when each sees all."""
    distance = positions[:, None, :, None] - torch.arange(slots, device=positions.device)
    mask = distance >= 0
    if window is not None:
        mask &= distance < window
    return None if bool(mask.all()) else mask


def causal_attention(model: Decoder, length: int, shared: KeysAndValues = ()) -> Attend:
    """Return the attention of whole sequences, all beginning at position 0, or behind what they share."""
    window = model.config.sliding_window
    mask = None
    if shared:
        first = length_of(shared)
        positions = torch.arange(first, first + length, device=model.output_weight.device)
        return attention_after(shared, visible_slots(positions[None], first + length, window))
    if window is not None and window < length:
        mask = visible_slots(torch.arange(length, device=model.output_weight.device)[None], length, window)
    return lambda layer, q, k, v: attention(q, k, v, mask, causal=mask is None)


def attention_after(shared: KeysAndValues, mask: Tensor | None) -> Attend:
    """Return the attention of rows that share a beginning, whose keys and values [1,K,P,C] a layer may be empty."""

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if shared:
            keys, values = (part.expand(len(k), -1, -1, -1) for part in shared[layer])
            k, v = torch.cat((keys, k), dim=2), torch.cat((values, v), dim=2)
        return attention(q, k, v, mask)

    return attend
