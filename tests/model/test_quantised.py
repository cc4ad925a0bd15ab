"""Matrices in 4 bits against llama.cpp's own blocks, and against the same numbers held plainly."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from torch import nn

from lmworks.errors import LmworksError
from lmworks.model.config import PACKED_BITS
from lmworks.model.quantised import (
    DYNAMIC,
    NORMAL_FLOATS,
    QuantisedLinear,
    pack_nf4,
    pack_q4_1,
    unpack_nf4,
    unpack_q4_1,
)

Q4_1 = gguf.GGMLQuantizationType.Q4_1


def drawn(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0)) * 0.1


def test_blocks_are_those_of_llama_cpp_and_lose_nothing_of_what_came_out_of_such() -> None:
    matrix = drawn(24, 96)
    matrix[3, :32] = 0.25  # a block without a step
    theirs = gguf.quants.dequantize(gguf.quants.quantize(matrix.numpy(), Q4_1), Q4_1)
    ours = unpack_q4_1(*pack_q4_1(matrix))
    assert np.array_equal(ours.numpy(), theirs)
    assert 0 < float((ours - matrix).abs().max()) < 0.03
    assert torch.equal(unpack_q4_1(*pack_q4_1(ours)), ours)


def test_normal_floats_are_the_nearest_of_the_table_times_a_scale_in_8_bits() -> None:
    """Worked out by hand, matrix row by row; 300 blocks, so that their scales need a second group of 256."""
    matrix = drawn(150, 128)
    matrix[7, :64] = 0.0
    codes, found, largest, mean = pack_nf4(matrix)
    ours = unpack_nf4(codes, found, largest, mean)
    exact = matrix.view(-1, 64).abs().amax(1)
    assert float(mean) == pytest.approx(float(exact.mean()))
    group = largest.repeat_interleave(256)[:300]
    assert largest.tolist() == pytest.approx([float((part - mean).abs().max()) for part in exact.split(256)])
    scales = DYNAMIC[(((exact - mean) / group)[:, None] - DYNAMIC).abs().argmin(1)] * group + mean
    table = torch.tensor(NORMAL_FLOATS)
    shares = (matrix.view(-1, 64) / exact.clamp(min=1e-30)[:, None]).flatten()
    nearest = table[(shares[:, None] - table).abs().argmin(1)].view(-1, 64)
    assert torch.allclose(ours.view(-1, 64), nearest * scales[:, None], atol=1e-7)
    assert len(DYNAMIC) == len(set(DYNAMIC.tolist())) == 256 and DYNAMIC[-1] == 1 and 0 in DYNAMIC
    assert DYNAMIC[128:131].tolist() == pytest.approx([5.5e-7, 3.25e-6, 7.75e-6])


@pytest.mark.parametrize(("form", "bias"), [("q4_1", False), ("q4_1", True), ("nf4", True)])
def test_products_and_gradients_are_those_of_the_numbers_that_blocks_stand_for(form: str, bias: bool) -> None:
    plain = nn.Linear(64, 256, bias=bias)
    quantised = QuantisedLinear(plain, "layer", form)
    held = sum(buffer.nbytes for buffer in quantised.buffers())
    assert held * 8 == pytest.approx(PACKED_BITS[form] * plain.weight.numel(), abs=32)  # the mean of scales
    with torch.no_grad():
        plain.weight.copy_(quantised.weight)
    gradients = []
    for layer in (plain, quantised):
        x = drawn(5, 64).requires_grad_()
        (layer(x).square().sum()).backward()
        gradients.append(x.grad)
    assert torch.allclose(plain(drawn(5, 64)), quantised(drawn(5, 64)), atol=1e-6)
    assert gradients[0] is not None and gradients[1] is not None and torch.allclose(*gradients, atol=1e-6)
    host = quantised.cpu_weight()
    assert host.dtype == torch.float32 and torch.equal(host, plain.weight)


def test_rows_that_are_no_whole_blocks_are_refused_by_name() -> None:
    with pytest.raises(LmworksError, match=r"mlp.down_proj has 48 inputs, no multiple of the 32 .*quantise out"):
        QuantisedLinear(nn.Linear(48, 8), "mlp.down_proj", "q4_1")
