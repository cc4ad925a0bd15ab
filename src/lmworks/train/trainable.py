"""A decoder made ready for training: packed rows in, hidden states out, one compiled block for all layers."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from lmworks.model.decoder import Decoder, rotations
from lmworks.train.losses import chunked_cross_entropy, softmax_gradient
from lmworks.train.objectives import Batch
from lmworks.train.packed import masked_attention, segments, visible_positions


class TrainableDecoder:
    """Offers `hidden(batch)`, `output_weight` and `blocks` of a decoder."""

    def __init__(self, decoder: Decoder, *, end_of_text: int, compiled: bool, dropout: float = 0.0) -> None:
        self.decoder = decoder
        for block in decoder.blocks if dropout else ():
            block.dropout = nn.Dropout(dropout)
        self.end_of_text = end_of_text
        self.output_gradient = softmax_gradient
        self.run_block = run_block
        self.label_smoothing = torch.zeros(())
        if compiled:
            # Shapes are fixed by the micro-batch, so each is compiled once, and one block's code serves every layer.
            self.output_gradient = torch.compile(softmax_gradient, dynamic=False)
            self.run_block = torch.compile(run_block, dynamic=False)

    @property
    def output_weight(self) -> Tensor:
        """[V,D]"""
        return self.decoder.output_weight

    @property
    def blocks(self) -> nn.ModuleList:
        """The layers, in order."""
        return self.decoder.blocks

    def hidden(self, batch: Batch) -> Tensor:
        """[B,T,D]; attention stays inside segments, and positions restart with each."""
        decoder, tokens = self.decoder, batch.inputs
        number, positions = segments(tokens, self.end_of_text)
        visible = visible_positions(number, decoder.config.sliding_window)
        x = decoder.model.embed_tokens(tokens).to(decoder.compute_type)
        cos, sin = rotations(positions, decoder.config.head_size, decoder.config.rope_theta, x.dtype)
        for block in decoder.blocks:
            x = self.run_block(block, x, cos, sin, visible)
        output: Tensor = decoder.model.norm(x)
        return output

    def learn(self, learning: bool, *, label_smoothing: float) -> None:
        """Whether what follows is learned from, with dropout and smoothed labels, or only measured."""
        self.decoder.train(learning)
        self.label_smoothing.fill_(label_smoothing if learning else 0.0)

    def cross_entropy(self, hidden: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Σ weight · −ln p(target), in nats, and Σ weight of right guesses: hidden [N,D], targets [N], weights [N]."""
        more = self.label_smoothing, self.output_gradient
        return chunked_cross_entropy(hidden, self.output_weight, targets, weights, *more)


def run_block(block: nn.Module, x: Tensor, cos: Tensor, sin: Tensor, visible: Tensor) -> Tensor:
    """One layer; nothing but tensors changes from layer to layer."""
    output: Tensor = block(x, cos, sin, partial(_attend, visible), 0)
    return output


def _attend(visible: Tensor, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return masked_attention(q, k, v, visible)
