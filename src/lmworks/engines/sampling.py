"""How the next token is chosen from the logits.

Axes: B batch, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How one answer is drawn."""

    max_tokens: int
    """The answer ends here at the latest; the end of the context ends it too."""
    temperature: float = 0.0
    """0 takes the likeliest token; 1 draws from the model's own distribution."""
    top_p: float = 1.0
    """Draw only from the fewest likeliest tokens whose probabilities reach this sum; the likeliest always stays."""
    top_k: int = 0
    """Draw only from this many likeliest tokens; 0 for all."""
    seed: int = 0
    stop: tuple[str, ...] = ()
    """The answer ends before the first of these; several tokens may make up one."""
    log_probabilities: bool = False
    """Whether to keep ln p of each token under the model's own distribution, at temperature 1 and without cuts."""

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.temperature < 0 or not 0 <= self.top_p <= 1 or self.top_k < 0 or "" in self.stop:
            raise ValueError(
                f"{self}: max_tokens must be at least 1, temperature and top_k at least 0, top_p from 0 to 1, "
                "and no stop empty"
            )


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
