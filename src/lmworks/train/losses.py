"""Losses on hidden states. The logits of a long batch never exist at once.

Axes: N positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.model.config import LOSS_CHUNK

SLICE = 2**18
"""Logits that are gone through at once without a compiler: a megabyte, which a core's own cache holds."""

OutputGradient = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def softmax_gradient(
    logits: Tensor, targets: Tensor, weights: Tensor, smoothing: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """[N,V] logits -> weighted sums of cross-entropies and of right guesses; gradient [N,V] in the logits' type.

    With smoothing ε the target is 1 − ε of the token that came and ε spread over all (Szegedy et al. 2016).
    """
    wide = logits.float()
    top = wide.amax(-1, keepdim=True)
    came = wide.gather(-1, targets[:, None])
    expected = (1 - smoothing) * came + smoothing * wide.mean(-1, keepdim=True)
    powers = (wide - top).exp_()
    total = powers.sum(-1, keepdim=True)
    loss = (weights * (top + total.log() - expected).squeeze(-1)).sum()
    right = (weights * (came >= top).squeeze(-1)).sum()
    spread = powers.mul_(weights[:, None] / total).sub_((smoothing / logits.shape[-1] * weights)[:, None])
    of_target = ((1 - smoothing) * weights)[:, None]
    if not torch.compiler.is_compiling():
        return loss, right, spread.scatter_add_(-1, targets[:, None], -of_target).to(logits.dtype)
    # The compiler joins this with the rest, and a scatter not. Of 32 bits, as many as the logits are compared at once.
    hit = torch.arange(logits.shape[-1], dtype=torch.int32, device=logits.device) == targets[:, None].int()
    return loss, right, torch.where(hit, spread - of_target, spread).to(logits.dtype)


def softmax_gradient_in_slices(
    logits: Tensor, targets: Tensor, weights: Tensor, smoothing: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The same where no compiler joins its passes over the logits: so few rows at once that a cache holds them."""
    rows = max(1, SLICE // logits.shape[-1])
    slices = [slice(start, start + rows) for start in range(0, len(logits), rows)]
    found = [softmax_gradient(logits[part], targets[part], weights[part], smoothing) for part in slices]
    loss, right, gradient = zip(*found, strict=True)
    return torch.stack(loss).sum(), torch.stack(right).sum(), torch.cat(gradient)


def best_output_gradient(compiled: bool) -> OutputGradient:
    """The faster form."""
    return torch.compile(softmax_gradient, dynamic=False) if compiled else softmax_gradient_in_slices


def chunked_cross_entropy(
    hidden: Tensor,
    output_weight: Tensor,
    targets: Tensor,
    weights: Tensor,
    smoothing: Tensor,
    output_gradient: OutputGradient = softmax_gradient_in_slices,
) -> tuple[Tensor, Tensor]:
    """Σ weight · −ln p(target), in nats, and Σ weight where the target is the likeliest token.

    hidden [N,D], output_weight [V,D], targets [N], weights [N] float32; smoothing is a tensor of no axes, so that
    another value compiles nothing anew.
    """
    missing = -len(targets) % LOSS_CHUNK  # every chunk has one shape, so that it is compiled once
    hidden, targets, weights = (
        F.pad(hidden, (0, 0, 0, missing)),
        F.pad(targets, (0, missing)),
        F.pad(weights, (0, missing)),
    )
    loss, right = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, output_weight, targets, weights, smoothing, output_gradient
    )
    return loss, right


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Finds gradients on the way forward, so that each chunk's logits are computed once and dropped."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        output_weight: Tensor,
        targets: Tensor,
        weights: Tensor,
        smoothing: Tensor,
        output_gradient: OutputGradient,
    ) -> tuple[Tensor, Tensor]:
        matrix = output_weight.to(hidden.dtype)
        total, hits = hidden.new_zeros((), dtype=torch.float32), hidden.new_zeros((), dtype=torch.float32)
        hidden_gradient = torch.empty_like(hidden)
        learned: bool = ctx.needs_input_grad[1]  # not beside adapters
        turned = torch.zeros_like(output_weight.T) if learned else None  # [D,V]
        for start in range(0, len(hidden), LOSS_CHUNK):
            part = slice(start, start + LOSS_CHUNK)
            loss, right, gradient = output_gradient(hidden[part] @ matrix.T, targets[part], weights[part], smoothing)
            total += loss
            hits += right
            hidden_gradient[part] = gradient @ matrix
            if turned is not None:  # a product this way round is faster than gradientᵀ · hidden by two fifths
                turned += hidden[part].T.contiguous() @ gradient
        ctx.save_for_backward(hidden_gradient, None if turned is None else turned.T.contiguous())
        ctx.mark_non_differentiable(hits)
        return total, hits

    @staticmethod
    def backward(ctx: Any, *scale: Tensor) -> tuple[Tensor | None, ...]:
        hidden_gradient, matrix_gradient = ctx.saved_tensors
        by = scale[0]
        learned = None if matrix_gradient is None else matrix_gradient * by
        return hidden_gradient * by.to(hidden_gradient.dtype), learned, None, None, None, None


def token_log_probabilities(hidden: Tensor, output_weight: Tensor, targets: Tensor) -> Tensor:
    """ln p(target) of each position, float32 [N]: hidden [N,D], output_weight [V,D], targets [N].

    As `cross_entropy` a position of its own, for losses that are no weighted sum of them.
    """
    found: Tensor = _TokenLogProbabilities.apply(hidden, output_weight, targets)  # type: ignore[no-untyped-call]
    return found


class _TokenLogProbabilities(torch.autograd.Function):
    """Beside a frozen matrix, gradients are found on the way forward; to learn the matrix, logits are computed again.

    What each position counts is known on the way back only: there a gradient in hidden states is scaled, while that in
    the matrix sums over positions.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, output_weight: Tensor, targets: Tensor) -> Tensor:
        matrix = output_weight.to(hidden.dtype)
        ctx.learned = ctx.needs_input_grad[1]
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] and not ctx.learned else None
        found = hidden.new_empty(len(hidden), dtype=torch.float32)
        for start in range(0, len(hidden), LOSS_CHUNK):
            part = slice(start, start + LOSS_CHUNK)
            logits = (hidden[part] @ matrix.T).float()
            total = logits.logsumexp(-1)
            found[part] = logits.gather(-1, targets[part, None]).squeeze(-1) - total
            if gradient is not None:
                gradient[part] = _logit_gradient(logits, total, targets[part]).to(hidden.dtype) @ matrix
        ctx.save_for_backward(*((hidden, output_weight, targets) if ctx.learned else (gradient,)))
        return found

    @staticmethod
    def backward(ctx: Any, *scales: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = scales
        if not ctx.learned:
            (gradient,) = ctx.saved_tensors
            return (gradient * scale[:, None]).to(gradient.dtype), None, None
        hidden, output_weight, targets = ctx.saved_tensors
        matrix = output_weight.to(hidden.dtype)
        hidden_gradient, turned = torch.empty_like(hidden), torch.zeros_like(output_weight.T)  # [D,V]
        for start in range(0, len(hidden), LOSS_CHUNK):
            part = slice(start, start + LOSS_CHUNK)
            logits = (hidden[part] @ matrix.T).float()
            gradient = _logit_gradient(logits, logits.logsumexp(-1), targets[part]) * scale[part, None]
            gradient = gradient.to(hidden.dtype)
            hidden_gradient[part] = gradient @ matrix
            turned += hidden[part].T.contiguous() @ gradient
        return hidden_gradient, turned.T.contiguous(), None


def _logit_gradient(logits: Tensor, total: Tensor, targets: Tensor) -> Tensor:
    """Of ln p(target) in logits [N,V], `total` [N] the logarithm of their sum of powers; overwrites them."""
    gradient = logits.sub_(total[:, None]).exp_().neg_()
    gradient[torch.arange(len(targets), device=targets.device), targets] += 1
    return gradient


@torch.no_grad()
def token_divergence(hidden: Tensor, output_weight: Tensor, other: Tensor, other_weight: Tensor) -> Tensor:
    """KL(p‖q) of each position's distribution, in nats [N]: hidden and other states [N,D], their matrices [V,D]."""
    log_p, log_q = (
        F.linear(states, matrix.to(states.dtype)).float().log_softmax(-1)
        for states, matrix in ((hidden, output_weight), (other, other_weight))
    )
    return (log_p.exp() * (log_p - log_q)).sum(-1)
