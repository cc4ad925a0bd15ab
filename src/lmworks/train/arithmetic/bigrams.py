"""Initialise a decoder with counts of token pairs.

A new decoder whose blocks add nothing computes softmax(output · embedding), which is a model of token pairs. Counting
finds such a model in seconds. Gradient descent would need its first hundreds of steps.

Axes: V vocabulary, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lmworks.model.decoder import Decoder

if TYPE_CHECKING:
    from lmworks.tokens.rows.mixture import Rows

PRIOR = 5.0
"""Pairs added to the counts of each token, spread as tokens are distributed overall."""


@torch.no_grad()
def begin_with_bigrams(decoder: Decoder, parts: Iterable[tuple[Rows, float]], seed: int) -> None:
    """Set embeddings and output matrix so that the untrained model predicts about as a smoothed bigram model does.

    Let M be log p(next | token) / p(next). Embeddings are its leading left singular vectors, found with weights of
    √frequency, beside one constant; the output matrix is the least-squares fit of log p(next | token) from them.
    `parts` are rows, each with the weight of its token pairs.
    """
    vocab_size, width = decoder.output_weight.shape
    pairs = reduce(Tensor.add_, (count_pairs(tokens, vocab_size).mul_(each) for tokens, each in parts))
    seen = pairs.sum(1, keepdim=True) + 1.0  # [V,1]
    single = (pairs.sum(0) + 0.5) / (pairs.sum() + 0.5 * vocab_size)  # [V]
    ratio = pairs.add_(PRIOR * single).div_(seen + PRIOR - 1.0).div_(single).log_()  # [V,V]
    left, right = (seen / seen.mean()).sqrt(), (single / single.mean()).sqrt()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vectors, sizes, _ = torch.svd_lowrank(ratio * left * right, q=min(width, vocab_size) - 1)
    directions = torch.nn.functional.normalize(vectors * sizes.sqrt(), dim=1)
    embedding = torch.zeros(vocab_size, width)
    embedding[:, 0] = 1.0
    embedding[:, 1 : 1 + directions.shape[1]] = directions
    embedding *= (width / 2) ** 0.5  # of root mean square 1: the last norm changes nothing
    target = ratio.add_(single.log() - single.log().mean())
    weighted = embedding * seen
    ridge = 1e-3 * float(seen.sum()) * torch.eye(width)
    decoder.model.embed_tokens.weight.copy_(embedding)
    decoder.lm_head.weight.copy_(torch.linalg.solve(weighted.T @ embedding + ridge, weighted.T @ target).T)


def count_pairs(tokens: Rows, vocab_size: int) -> Tensor:
    """Return how often each second token follows each first token [V,V] in tokens [rows, T+1]."""
    counts = np.zeros(vocab_size * vocab_size, dtype=np.int64)
    for part in np.array_split(tokens, max(1, len(tokens) // 1024)):
        counts += np.bincount((part[:, :-1].astype(np.int64) * vocab_size + part[:, 1:]).ravel(), minlength=len(counts))
    return torch.from_numpy(counts.reshape(vocab_size, vocab_size)).float()
