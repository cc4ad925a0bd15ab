"""Frozen matrices held in 4 bits, and made into numbers again for each product.

`q4_1` are llama.cpp's blocks. 32 neighbours of a row have 4 bits each, and together a step and a lowest number in
float16, so that a weight takes 5 bits. A matrix that came out of such blocks gives the very same blocks. `nf4` are
QLoRA's (Dettmers et al. 2023). 64 neighbours have 4 bits each. They name one of 16 numbers of a table, spread as in a
normal distribution, times the largest of the block. The largest is held in 8 bits, by another table, so that a weight
takes 4.13 bits.

Axes: O outputs, I inputs, G blocks of a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from lmworks.errors import LmworksError

Packed = tuple[Tensor, ...]
LEVELS = 16
Q4_1_BLOCK, NF4_BLOCK, SCALES_BLOCK = 32, 64, 256
NORMAL_FLOATS = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
"""QLoRA's appendix E."""
PAIRS = torch.tensor([(first, second) for first in NORMAL_FLOATS for second in NORMAL_FLOATS])
"""[256,2] the two that a byte names."""


def _dynamic_numbers() -> Tensor:
    """[256] from -0.99 to 1: the less the power of ten, the fewer between it and the next.

    Dettmers et al. 2021, "8-bit optimizers via block-wise quantization", section 1.3; in bitsandbytes' values.
    """
    numbers = [0.0, 1.0]
    for power in range(7):
        edges = torch.linspace(0.1, 1, 2**power + 1)
        means = 10.0 ** (power - 6) * (edges[:-1] + edges[1:]) / 2
        numbers += [*means.tolist(), *(-means).tolist()]
    return torch.tensor(sorted(numbers))


DYNAMIC = _dynamic_numbers()


@dataclass(frozen=True)
class Form:
    """A way to hold a matrix [O,I] whose rows are whole blocks."""

    block: int
    pack: Callable[[Tensor], Packed]
    unpack: Callable[..., Tensor]
    """Function from the result of `pack` to [O,I] in float32."""


def pack_q4_1(matrix: Tensor) -> Packed:
    """Codes [O,G,16], two in a byte: the first half of a block in the low bits; steps and lowest numbers [O,G,1]."""
    blocks = matrix.reshape(len(matrix), -1, Q4_1_BLOCK)
    lowest, highest = blocks.aminmax(dim=2, keepdim=True)
    step = (highest - lowest) / (LEVELS - 1)
    codes = ((blocks - lowest) * torch.where(step > 0, 1 / step, 0.0) + 0.5).floor().clamp(0, LEVELS - 1)
    first, second = codes.to(torch.uint8).chunk(2, dim=2)
    return first | (second << 4), step.half(), lowest.half()


def unpack_q4_1(codes: Tensor, step: Tensor, lowest: Tensor) -> Tensor:
    """[O,I] the numbers that blocks stand for."""
    numbers = torch.cat((codes & LEVELS - 1, codes >> 4), dim=2).float()
    return numbers.mul_(step.float()).add_(lowest.float()).flatten(1)


def pack_nf4(matrix: Tensor) -> Packed:
    """Codes [O,I/2], neighbours in a byte; scales less their mean as codes [O,G]; their own scales; their mean."""
    blocks = matrix.reshape(len(matrix), -1, NF4_BLOCK)
    scales = blocks.abs().amax(2)
    table = torch.tensor(NORMAL_FLOATS, device=matrix.device)
    codes = torch.bucketize(blocks / scales.clamp(min=1e-30)[..., None], (table[1:] + table[:-1]) / 2)
    first, second = codes.to(torch.uint8).view(len(matrix), -1, 2).unbind(2)
    mean = scales.mean()
    apart = (scales - mean).flatten()
    groups = F.pad(apart, (0, -len(apart) % SCALES_BLOCK)).view(-1, SCALES_BLOCK)
    largest = groups.abs().amax(1, keepdim=True).clamp(min=1e-30)
    fine = DYNAMIC.to(matrix.device)
    found = torch.bucketize(groups / largest, (fine[1:] + fine[:-1]) / 2).to(torch.uint8)
    return (first << 4) | second, found.flatten()[: len(apart)].view_as(scales), largest[:, 0], mean[None]


def unpack_nf4(codes: Tensor, found: Tensor, largest: Tensor, mean: Tensor) -> Tensor:
    """[O,I] the numbers that blocks stand for."""
    apart = F.embedding(found.flatten().int(), DYNAMIC.to(codes.device)[:, None])[:, 0]
    scales = apart * largest.repeat_interleave(SCALES_BLOCK)[: len(apart)] + mean
    numbers = F.embedding(codes.int(), PAIRS.to(codes.device))  # [O,I/2,2]
    return numbers.view(len(codes), -1, NF4_BLOCK).mul_(scales.view(len(codes), -1, 1)).flatten(1)


FORMS = {"q4_1": Form(Q4_1_BLOCK, pack_q4_1, unpack_q4_1), "nf4": Form(NF4_BLOCK, pack_nf4, unpack_nf4)}


class QuantisedLinear(nn.Module):
    """A matrix product in the type of its input, as `Linear`; the matrix never moves."""

    def __init__(self, matrix: nn.Linear, name: str, form: str) -> None:
        """Raises LmworksError where a row is no whole number of blocks."""
        super().__init__()
        self.in_features, self.out_features, self.form = matrix.in_features, matrix.out_features, form
        if self.in_features % FORMS[form].block:
            raise LmworksError(
                f"{name} has {self.in_features} inputs, no multiple of the {FORMS[form].block} that share a scale of 4 "
                "bits: leave adapter.quantise out"
            )
        self.parts = []
        for number, tensor in enumerate(FORMS[form].pack(matrix.weight.detach().float())):
            self.parts.append(f"part_{number}")
            self.register_buffer(self.parts[-1], tensor)
        self.bias = matrix.bias

    @property
    def packed(self) -> Packed:
        """Tensors that hold the matrix."""
        return tuple(self.get_buffer(part) for part in self.parts)

    @property
    def weight(self) -> Tensor:
        """[O,I] in float32, made anew each time."""
        return FORMS[self.form].unpack(*self.packed)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = _Product.apply(x, self.form, *self.packed)  # type: ignore[no-untyped-call]
        return output if self.bias is None else output + self.bias.to(x.dtype)

    def cpu_weight(self) -> Tensor:
        """[O,I] in float32, made on the host."""
        return FORMS[self.form].unpack(*(part.cpu() for part in self.packed))


class _Product(torch.autograd.Function):
    """x·Wᵀ. The numbers of W are not kept for the backward pass, but made again."""

    @staticmethod
    def forward(context: Any, x: Tensor, form: str, *packed: Tensor) -> Tensor:
        context.form = form
        context.save_for_backward(*packed)
        return F.linear(x, FORMS[form].unpack(*packed).to(x.dtype))

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        matrix = FORMS[context.form].unpack(*context.saved_tensors).to(gradient.dtype)
        return gradient @ matrix, None, *(None for _ in context.saved_tensors)
