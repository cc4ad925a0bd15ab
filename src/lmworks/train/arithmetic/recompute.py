"""Activation checkpointing for blocks of `transformers`: the backward pass computes them again (Chen et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def compute_again(blocks: Iterable[nn.Module], *, compiled: bool) -> None:
    """Keep only the inputs of each block for the backward pass. `compiled` also compiles each block, for one shape."""
    for block in blocks:
        inside = torch.compile(block.forward, dynamic=False) if compiled else block.forward
        block.forward = partial(checkpoint, inside, use_reentrant=False)
