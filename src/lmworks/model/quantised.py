"""Frozen matrices held in 4 bits, and made into numbers again where they are multiplied.

They are llama.cpp's blocks of type Q4_1: 32 neighbours of a row have 4 bits each, and together a step and a lowest
number in float16, so that a weight takes 5 bits. From a matrix that came out of such blocks the very same are made.

Axes: O outputs, I inputs, G blocks of a row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from lmworks.errors import LmworksError
from lmworks.model.decoder import Linear

BLOCK, LEVELS = 32, 16
Packed = tuple[Tensor, Tensor, Tensor]
"""Codes [O,G,16], two in a byte: the first half of a block in the low bits; steps and lowest numbers [O,G,1]."""


def pack(matrix: Tensor) -> Packed:
    """[O,I] -> its blocks, rounded as llama.cpp does."""
    blocks = matrix.float().reshape(len(matrix), -1, BLOCK)
    lowest, highest = blocks.aminmax(dim=2, keepdim=True)
    step = (highest - lowest) / (LEVELS - 1)
    codes = ((blocks - lowest) * torch.where(step > 0, 1 / step, 0.0) + 0.5).floor().clamp(0, LEVELS - 1)
    first, second = codes.to(torch.uint8).chunk(2, dim=2)
    return first | (second << 4), step.half(), lowest.half()


def unpack(packed: Packed, data_type: torch.dtype) -> Tensor:
    """[O,I] the numbers that blocks stand for."""
    codes, step, lowest = packed
    numbers = torch.cat((codes & LEVELS - 1, codes >> 4), dim=2).float()
    return numbers.mul_(step.float()).add_(lowest.float()).flatten(1).to(data_type)


class QuantisedLinear(nn.Module):
    """A matrix product in the type of its input, as `Linear`; the matrix never moves."""

    def __init__(self, matrix: nn.Linear, name: str) -> None:
        """Raises LmworksError where a row is no whole number of blocks."""
        super().__init__()
        self.in_features, self.out_features = matrix.in_features, matrix.out_features
        if self.in_features % BLOCK:
            raise LmworksError(
                f"{name} has {self.in_features} inputs, no multiple of the {BLOCK} that share a step of 4 bits: "
                "leave adapter.quantise out"
            )
        for part, tensor in zip(("codes", "step", "lowest"), pack(matrix.weight.detach()), strict=True):
            self.register_buffer(part, tensor)
        self.bias = None if matrix.bias is None else matrix.bias

    @property
    def packed(self) -> Packed:
        """The blocks."""
        return self.get_buffer("codes"), self.get_buffer("step"), self.get_buffer("lowest")

    @property
    def weight(self) -> Tensor:
        """[O,I] in float32, made anew each time."""
        return unpack(self.packed, torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = _Product.apply(x, *self.packed)  # type: ignore[no-untyped-call]
        return output if self.bias is None else output + self.bias.to(x.dtype)

    def unpacked(self, weight: Tensor | None = None) -> Linear:
        """The same with a matrix in 16 bits, or with another one."""
        plain = Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        plain.weight = nn.Parameter((self.weight if weight is None else weight).bfloat16(), requires_grad=False)
        plain.bias = self.bias
        return plain


class _Product(torch.autograd.Function):
    """x·Wᵀ. The numbers of W are not kept for the way back, but made again."""

    @staticmethod
    def forward(context: Any, x: Tensor, *packed: Tensor) -> Tensor:
        context.save_for_backward(*packed)
        return F.linear(x, unpack(packed, x.dtype))  # type: ignore[arg-type]

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return gradient @ unpack(context.saved_tensors, gradient.dtype), None, None, None
