"""Losses on hidden states. The logits of a long batch never exist at once.

Axes: N positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from lmworks.model.config import loss_chunk
from lmworks.model.device import CPU

SLICE = 2**18
"""Number of logits that are processed at once without a compiler: a megabyte, which fits in a core's own cache."""

OutputGradient = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def softmax_gradient(
    logits: Tensor, targets: Tensor, weights: Tensor, smoothing: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return weight · −ln p [N], the weight of correct predictions [N], and the gradient [N,V] for logits [N,V].

    A prediction is correct if the target alone has the highest logit. Constant logits are never correct.

    With smoothing ε, the target has probability 1 − ε, and ε is spread over all tokens (Szegedy et al. 2016).
    """
    wide = logits.float()
    top = wide.amax(-1, keepdim=True)
    came = wide.gather(-1, targets[:, None])
    expected = (1 - smoothing) * came + smoothing * wide.mean(-1, keepdim=True)
    powers = (wide - top).exp_()
    total = powers.sum(-1, keepdim=True)
    losses = weights * (top + total.log() - expected).squeeze(-1)
    right = weights * ((wide >= came).sum(-1) == 1)  # a tie is no guess
    spread = powers.mul_(weights[:, None] / total).sub_((smoothing / logits.shape[-1] * weights)[:, None])
    of_target = ((1 - smoothing) * weights)[:, None]
    if not torch.compiler.is_compiling():
        return losses, right, spread.scatter_add_(-1, targets[:, None], -of_target).to(logits.dtype)
    # The compiler joins this with the rest, and a scatter not. Of 32 bits, as many as the logits are compared at once.
    hit = torch.arange(logits.shape[-1], dtype=torch.int32, device=logits.device) == targets[:, None].int()
    return losses, right, torch.where(hit, spread - of_target, spread).to(logits.dtype)


def softmax_gradient_in_slices(
    logits: Tensor, targets: Tensor, weights: Tensor, smoothing: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the results of `softmax_gradient`, computed without a compiler, for few rows at once.

    A core's cache holds these rows. An accelerator computes all rows at once, because kernels start slowly.
    """
    if logits.device.type != CPU:
        return softmax_gradient(logits, targets, weights, smoothing)
    rows = max(1, SLICE // logits.shape[-1])
    slices = [slice(start, start + rows) for start in range(0, len(logits), rows)]
    found = [softmax_gradient(logits[part], targets[part], weights[part], smoothing) for part in slices]
    losses, right, gradient = map(torch.cat, zip(*found, strict=True))
    return losses, right, gradient


def best_output_gradient(compiled: bool) -> OutputGradient:
    """Return the form of `softmax_gradient` that is faster with, or without, a compiler."""
    return torch.compile(softmax_gradient, dynamic=False) if compiled else softmax_gradient_in_slices


def chunked_cross_entropy(
    hidden: Tensor,
    output_weight: Tensor,
    targets: Tensor,
    weights: Tensor,
    smoothing: Tensor,
    output_gradient: OutputGradient = softmax_gradient_in_slices,
) -> tuple[Tensor, Tensor]:
    """Return Σ weight · −ln p(target), in nats, and Σ weight where the target alone is the likeliest token.

    Shapes are hidden [N,D], output_weight [V,D], targets [N], weights [N] float32. Positions of weight 0 are skipped.
    `smoothing` is a tensor without axes, so that another value needs no new compilation.
    """
    (trained,) = weights.nonzero(as_tuple=True)
    if len(trained) < len(weights):
        hidden, targets, weights = (each.index_select(0, trained) for each in (hidden, targets, weights))
    hidden, targets, weights = (_in_whole_chunks(each, len(output_weight)) for each in (hidden, targets, weights))
    smoothing = smoothing.to(hidden.device)
    loss, right = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, output_weight, targets, weights, smoothing, output_gradient
    )
    return loss, right


def _in_whole_chunks(values: Tensor, vocab_size: int) -> Tensor:
    """Return values [N,…] padded with zeros. All chunks then have one shape, and are compiled once."""
    return F.pad(values, (0, 0) * (values.ndim - 1) + (0, -len(values) % loss_chunk(vocab_size)))


def _chunks(hidden: Tensor, output_weight: Tensor) -> Iterator[slice]:
    size = loss_chunk(len(output_weight))
    return (slice(start, start + size) for start in range(0, len(hidden), size))


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Finds gradients in the forward pass, so that each chunk's logits are computed once and dropped."""

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
        for part in _chunks(hidden, matrix):
            losses, right, gradient = output_gradient(hidden[part] @ matrix.T, targets[part], weights[part], smoothing)
            total += losses.sum()
            hits += right.sum()
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


def token_log_probabilities(
    hidden: Tensor, output_weight: Tensor, targets: Tensor, output_gradient: OutputGradient = softmax_gradient_in_slices
) -> Tensor:
    """Return ln p(target) of each position, float32 [N], for hidden [N,D], output_weight [V,D] and targets [N].

    Use it instead of `cross_entropy` for losses that are not a weighted sum over positions.
    """
    count = len(targets)
    hidden, targets = (_in_whole_chunks(each, len(output_weight)) for each in (hidden, targets))
    found: Tensor = _TokenLogProbabilities.apply(  # type: ignore[no-untyped-call]
        hidden, output_weight, targets, output_gradient
    )
    return found[:count]


class _TokenLogProbabilities(torch.autograd.Function):
    """Autograd function for `token_log_probabilities`. If the matrix is frozen, the forward pass finds the gradients.

    The weight of each position is known only in the backward pass. There, gradients of hidden states can be scaled,
    but the matrix gradient is a sum over positions. To train the matrix, logits are therefore computed again.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, output_weight: Tensor, targets: Tensor, output_gradient: OutputGradient
    ) -> Tensor:
        matrix = output_weight.to(hidden.dtype)
        ctx.learned, ctx.output_gradient = ctx.needs_input_grad[1], output_gradient
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] and not ctx.learned else None
        found = hidden.new_empty(len(hidden), dtype=torch.float32)
        alike, plain = torch.full_like(found, -1), found.new_zeros(())
        for part in _chunks(hidden, matrix):
            found[part], _, of_logits = output_gradient(hidden[part] @ matrix.T, targets[part], alike[part], plain)
            if gradient is not None:
                gradient[part] = of_logits @ matrix
        ctx.save_for_backward(*((hidden, output_weight, targets) if ctx.learned else (gradient,)))
        return found

    @staticmethod
    def backward(ctx: Any, *scales: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = scales
        if not ctx.learned:
            (gradient,) = ctx.saved_tensors
            return (gradient * scale[:, None]).to(gradient.dtype), None, None, None
        hidden, output_weight, targets = ctx.saved_tensors
        matrix, plain = output_weight.to(hidden.dtype), scale.new_zeros(())
        hidden_gradient, turned = torch.empty_like(hidden), torch.zeros_like(output_weight.T)  # [D,V]
        for part in _chunks(hidden, matrix):
            logits = hidden[part] @ matrix.T
            _, _, gradient = ctx.output_gradient(logits, targets[part], -scale[part], plain)
            hidden_gradient[part] = gradient @ matrix
            turned += hidden[part].T.contiguous() @ gradient
        return hidden_gradient, turned.T.contiguous(), None, None


@torch.no_grad()
def token_divergence(hidden: Tensor, output_weight: Tensor, other: Tensor, other_weight: Tensor) -> Tensor:
    """Return KL(p‖q) at each position, in nats [N]. p and q come from states [N,D] and matrices [V,D]."""
    log_p, log_q = (
        F.linear(states, matrix.to(states.dtype)).float().log_softmax(-1)
        for states, matrix in ((hidden, output_weight), (other, other_weight))
    )
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def chunked_divergence(
    hidden: Tensor,
    output_weight: Tensor,
    other: Tensor,
    other_weight: Tensor,
    weights: Tensor,
    *,
    temperature: float,
    reverse: bool,
) -> Tensor:
    """Return Σ weight · T² · KL(q‖p) of distributions at temperature T (Hinton et al. 2015, section 2), in nats.

    p, from hidden [N,D] and output_weight [V,D], is trained. q, from `other` states and matrix, is not. Weights are
    float32 [N]. `reverse` returns KL(p‖q) instead (Gu et al. 2024, arXiv 2306.08543). Logits are computed again in
    the backward pass.
    """

    def of_chunk(part: slice) -> Tensor:
        log_p, log_q = (
            (F.linear(states[part], matrix.to(states.dtype)).float() / temperature).log_softmax(-1)
            for states, matrix in ((hidden, output_weight), (other, other_weight))
        )
        first, second = (log_p, log_q) if reverse else (log_q, log_p)
        return temperature**2 * (weights[part] * (first.exp() * (first - second)).sum(-1)).sum()

    parts = [checkpoint(of_chunk, part, use_reentrant=False) for part in _chunks(hidden, output_weight)]
    return torch.stack(parts).sum() if parts else hidden.sum() * 0.0
