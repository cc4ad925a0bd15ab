"""Frozen matrices in 4 bits, which are unpacked again for each product.

`q4_1` has llama.cpp's blocks. 32 neighbours in a row have 4 bits each, and share a step and a lowest number in float16,
so that a weight takes 5 bits. A matrix that came from such blocks gives the same blocks again. `nf4` has QLoRA's blocks
(Dettmers et al. 2023). 64 neighbours have 4 bits each, which select one of 16 numbers in a table that follows a normal
distribution. It is multiplied by the block's largest value, which has 8 bits from another table, so that a weight
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
"""Table of the 16 numbers of `nf4`, from QLoRA's appendix E."""
PAIRS = torch.tensor([(first, second) for first in NORMAL_FLOATS for second in NORMAL_FLOATS])
"""Table [256,2] of the two numbers that a byte represents."""


def _dynamic_numbers() -> Tensor:
    """Return 256 numbers from -0.99 to 1. A lower power of ten has fewer numbers before the next power.

    See Dettmers et al. 2021, "8-bit optimizers via block-wise quantization", section 1.3. Values are bitsandbytes'.
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
    """A 4-bit form of a matrix [O,I] whose rows consist of whole blocks."""

    block: int
    pack: Callable[[Tensor], Packed]
    unpack: Callable[..., Tensor]
    """Function from the result of `pack` to [O,I] in float32."""


def pack_q4_1(matrix: Tensor) -> Packed:
    """Return codes [O,G,16] with a block's first half in the low bits, and steps and lowest numbers [O,G,1]."""
    blocks = matrix.reshape(len(matrix), -1, Q4_1_BLOCK)
    lowest, highest = blocks.aminmax(dim=2, keepdim=True)
    step = (highest - lowest) / (LEVELS - 1)
    codes = ((blocks - lowest) * torch.where(step > 0, 1 / step, 0.0) + 0.5).floor().clamp(0, LEVELS - 1)
    first, second = codes.to(torch.uint8).chunk(2, dim=2)
    return first | (second << 4), step.half(), lowest.half()


def unpack_q4_1(codes: Tensor, step: Tensor, lowest: Tensor) -> Tensor:
    """Return the numbers [O,I] of packed blocks."""
    numbers = torch.cat((codes & LEVELS - 1, codes >> 4), dim=2).float()
    return numbers.mul_(step.float()).add_(lowest.float()).flatten(1)


def pack_nf4(matrix: Tensor) -> Packed:
    """Return codes [O,I/2], codes of scales [O,G], the scales of these codes, and the mean scale."""
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
    """Return the numbers [O,I] of packed blocks."""
    apart = F.embedding(found.flatten().int(), DYNAMIC.to(codes.device)[:, None])[:, 0]
    scales = apart * largest.repeat_interleave(SCALES_BLOCK)[: len(apart)] + mean
    numbers = F.embedding(codes.int(), PAIRS.to(codes.device))  # [O,I/2,2]
    return numbers.view(len(codes), -1, NF4_BLOCK).mul_(scales.view(len(codes), -1, 1)).flatten(1)


FORMS = {"q4_1": Form(Q4_1_BLOCK, pack_q4_1, unpack_q4_1), "nf4": Form(NF4_BLOCK, pack_nf4, unpack_nf4)}


class QuantisedLinear(nn.Module):
    """A matrix product in the type of its input, like `Linear`. The matrix is frozen and held in 4 bits."""

    def __init__(self, matrix: nn.Linear, name: str, form: str) -> None:
        """Pack a matrix. Raises LmworksError if a row is not a whole number of blocks."""
        super().__init__()
        self.in_features, self.out_features, self.form = matrix.in_features, matrix.out_features, form
        if self.in_features % FORMS[form].block:
            raise LmworksError(
                f"{name} has {self.in_features} inputs, no multiple of the {FORMS[form].block} weights of a block: "
                "leave adapter.quantise out"
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
        """Unpacked matrix [O,I] in float32. Each access unpacks it again."""
        return FORMS[self.form].unpack(*self.packed)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = _Product.apply(x, self.form, *self.packed)  # type: ignore[no-untyped-call]
        return output if self.bias is None else output + self.bias.to(x.dtype)

    def cpu_weight(self) -> Tensor:
        """Return the matrix [O,I] in float32, unpacked on the host."""
        return FORMS[self.form].unpack(*(part.cpu() for part in self.packed))


class _Product(torch.autograd.Function):
    """Product x·Wᵀ. The backward pass unpacks W again, so that its numbers need not be kept."""

    @staticmethod
    def forward(context: Any, x: Tensor, form: str, *packed: Tensor) -> Tensor:
        context.form = form
        context.save_for_backward(*packed)
        return F.linear(x, FORMS[form].unpack(*packed).to(x.dtype))

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        matrix = FORMS[context.form].unpack(*context.saved_tensors).to(gradient.dtype)
        return gradient @ matrix, None, *(None for _ in context.saved_tensors)
