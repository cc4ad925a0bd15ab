"""Losses on hidden states. The logits of a long batch never exist at once.

Axes: N positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

CHUNK = 1024
"""Positions whose logits exist at once; larger chunks were no faster."""

OutputGradient = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def softmax_gradient(logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """[N,V] logits -> weighted sum of cross-entropies, and its gradient [N,V] in the type of the logits."""
    wide = logits.float()
    log_sum = wide.logsumexp(-1, keepdim=True)
    loss = (weights * (log_sum - wide.gather(-1, targets[:, None])).squeeze(-1)).sum()
    hit = torch.arange(logits.shape[-1], device=logits.device) == targets[:, None]
    gradient = ((wide - log_sum).exp() - hit.float()) * weights[:, None]
    return loss, gradient.to(logits.dtype)


def chunked_cross_entropy(
    hidden: Tensor,
    output_weight: Tensor,
    targets: Tensor,
    weights: Tensor,
    output_gradient: OutputGradient = softmax_gradient,
) -> Tensor:
    """Σ weight · −ln p(target), in nats: hidden [N,D], output_weight [V,D], targets [N], weights [N] float32."""
    missing = -len(targets) % CHUNK  # every chunk has one shape, so that it is compiled once
    hidden, targets, weights = (
        F.pad(hidden, (0, 0, 0, missing)),
        F.pad(targets, (0, missing)),
        F.pad(weights, (0, missing)),
    )
    total: Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, output_weight, targets, weights, output_gradient
    )
    return total


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Finds gradients on the way forward, so that each chunk's logits are computed once and dropped."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        output_weight: Tensor,
        targets: Tensor,
        weights: Tensor,
        output_gradient: OutputGradient,
    ) -> Tensor:
        matrix = output_weight.to(hidden.dtype)
        total = hidden.new_zeros((), dtype=torch.float32)
        hidden_gradient, matrix_gradient = torch.empty_like(hidden), torch.zeros_like(output_weight)
        for start in range(0, len(hidden), CHUNK):
            part = slice(start, start + CHUNK)
            loss, gradient = output_gradient(hidden[part] @ matrix.T, targets[part], weights[part])
            total += loss
            hidden_gradient[part] = gradient @ matrix
            matrix_gradient += gradient.T @ hidden[part]
        ctx.save_for_backward(hidden_gradient, matrix_gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *scale: Tensor) -> tuple[Tensor | None, ...]:
        hidden_gradient, matrix_gradient = ctx.saved_tensors
        return hidden_gradient * scale[0].to(hidden_gradient.dtype), matrix_gradient * scale[0], None, None, None
