"""Blocks of `transformers` that are computed again in the backward pass instead of kept (Chen et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def compute_again(blocks: Iterable[nn.Module], *, compiled: bool) -> None:
    """Keep of each block its inputs alone; `compiled`, it is compiled inside of that, for one shape."""
    for block in blocks:
        inside = torch.compile(block.forward, dynamic=False) if compiled else block.forward
        block.forward = partial(checkpoint, inside, use_reentrant=False)
