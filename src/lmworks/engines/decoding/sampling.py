"""How the next token is chosen from the logits.

Axes: B batch, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lmworks.engines.request import Sampling


def choose(logits: Tensor, samplings: Sequence[Sampling], noise: Sequence[float]) -> list[int]:
    """One token for each row of [B,V] logits.

    `noise` holds one uniform number from [0, 1) a row. It is the row's only randomness, so an answer never depends on
    what else is in the batch.
    """
    chosen = logits.argmax(-1)
    drawn = [row for row, sampling in enumerate(samplings) if sampling.temperature > 0]
    if drawn:
        chosen[drawn] = _draw(logits[drawn], [samplings[row] for row in drawn], [noise[row] for row in drawn])
    tokens: list[int] = chosen.tolist()
    return tokens


def _draw(logits: Tensor, samplings: Sequence[Sampling], noise: Sequence[float]) -> Tensor:
    """Inverse transform sampling: where a uniform number falls in the cumulative distribution."""

    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=logits.device)[:, None]

    # The maximum goes first: dividing by a tiny temperature then gives 0 and -inf, never inf - inf.
    scaled = (logits - logits.amax(-1, keepdim=True)).double() / column([each.temperature for each in samplings])
    probabilities = scaled.softmax(-1)
    if any(each.top_p < 1 or each.top_k for each in samplings):
        ranked, order = probabilities.sort(descending=True, stable=True)
        rank = torch.arange(logits.shape[-1], device=logits.device)
        kept = ranked.cumsum(-1) - ranked < column([each.top_p if each.top_p < 1 else 2 for each in samplings])
        kept &= rank < column([each.top_k or logits.shape[-1] for each in samplings])
        # Back in the vocabulary's order, so that equal noise means the same draw whether or not a neighbour filters.
        probabilities = probabilities * torch.zeros_like(kept).scatter(-1, order, kept | (rank == 0))
    cumulative = probabilities.cumsum(-1)
    # `right` skips tokens of probability 0; noise < 1 keeps the index inside.
    return torch.searchsorted(cumulative, column(noise) * cumulative[:, -1:], right=True)[:, 0]
