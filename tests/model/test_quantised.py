"""Matrices in 4 bits against llama.cpp's own blocks, and against the same numbers held plainly."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from torch import nn

from lmworks.errors import LmworksError
from lmworks.model.config import PACKED_BITS
from lmworks.model.quantised import QuantisedLinear, pack, unpack

Q4_1 = gguf.GGMLQuantizationType.Q4_1


def drawn(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0)) * 0.1


def test_blocks_are_those_of_llama_cpp_and_lose_nothing_of_what_came_out_of_such() -> None:
    matrix = drawn(24, 96)
    matrix[3, :32] = 0.25  # a block without a step
    theirs = gguf.quants.dequantize(gguf.quants.quantize(matrix.numpy(), Q4_1), Q4_1)
    ours = unpack(pack(matrix), torch.float32)
    assert np.array_equal(ours.numpy(), theirs)
    assert 0 < float((ours - matrix).abs().max()) < 0.03
    assert torch.equal(unpack(pack(ours), torch.float32), ours)


@pytest.mark.parametrize("bias", [False, True])
def test_products_and_gradients_are_those_of_the_numbers_that_blocks_stand_for(bias: bool) -> None:
    plain = nn.Linear(64, 24, bias=bias)
    quantised = QuantisedLinear(plain, "layer")
    held = sum(buffer.nbytes for buffer in quantised.buffers())
    assert held * 8 == PACKED_BITS * plain.weight.numel()
    with torch.no_grad():
        plain.weight.copy_(quantised.weight)
    gradients = []
    for layer in (plain, quantised):
        x = drawn(5, 64).requires_grad_()
        (layer(x).square().sum()).backward()
        gradients.append(x.grad)
    assert torch.allclose(plain(drawn(5, 64)), quantised(drawn(5, 64)), atol=1e-6)
    assert gradients[0] is not None and gradients[1] is not None and torch.allclose(*gradients, atol=1e-6)
    unpacked = quantised.unpacked()
    assert unpacked.weight.dtype == torch.bfloat16 and torch.equal(unpacked.weight, plain.weight.bfloat16())


def test_rows_that_are_no_whole_blocks_are_refused_by_name() -> None:
    with pytest.raises(LmworksError, match=r"mlp.down_proj has 48 inputs, no multiple of the 32 .*quantise out"):
        QuantisedLinear(nn.Linear(48, 8), "mlp.down_proj")
