"""Attention, losses, optimizer and schedule, each against a plain reference."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from lmworks.train.config import CausalLMConfig
from lmworks.train.losses import CHUNK, chunked_cross_entropy
from lmworks.train.optimizer import Optimizer, orthogonalise, rate_share
from lmworks.train.packed import masked_attention, segments, visible_positions


def config(**values: object) -> CausalLMConfig:
    return CausalLMConfig.model_validate({"from": "scratch", "data": "x", **values})


def test_segments_begin_at_every_end_of_text() -> None:
    number, positions = segments(torch.tensor([[5, 6, 0, 7, 8, 0, 0, 9]]), 0)
    assert number.tolist() == [[0, 0, 1, 1, 1, 2, 3, 3]]
    assert positions.tolist() == [[0, 1, 0, 1, 2, 0, 0, 1]]


@pytest.mark.parametrize("window", [None, 3])
def test_packed_attention_is_attention_of_each_segment_alone(window: int | None) -> None:
    torch.manual_seed(0)
    tokens = torch.tensor([[0, 4, 5, 6, 0, 7, 8, 9, 3, 0, 2]])
    q, k, v = torch.randn(1, 4, 11, 8), torch.randn(1, 2, 11, 8), torch.randn(1, 2, 11, 8)
    packed = masked_attention(q, k, v, visible_positions(segments(tokens, 0)[0], window))
    for start, end in ((0, 4), (4, 9), (9, 11)):
        length = end - start
        distance = torch.arange(length)[:, None] - torch.arange(length)
        mask = (distance >= 0) & (distance < (window or length))
        alone = F.scaled_dot_product_attention(
            q[:, :, start:end], k[:, :, start:end], v[:, :, start:end], attn_mask=mask, enable_gqa=True
        )
        torch.testing.assert_close(packed[:, :, start:end], alone)


@pytest.mark.parametrize("count", [7, CHUNK, CHUNK + 5])
def test_chunked_cross_entropy_has_the_value_and_gradients_of_the_plain_one(count: int) -> None:
    torch.manual_seed(0)
    hidden, matrix = torch.randn(count, 16, requires_grad=True), torch.randn(30, 16, requires_grad=True)
    targets, weights = torch.randint(0, 30, (count,)), torch.rand(count)
    plain = (F.cross_entropy(hidden @ matrix.T, targets, reduction="none") * weights).sum()
    expected = torch.autograd.grad(3 * plain, (hidden, matrix))
    ours = chunked_cross_entropy(hidden, matrix, targets, weights)
    torch.testing.assert_close(ours, plain)
    for gradient, other in zip(torch.autograd.grad(3 * ours, (hidden, matrix)), expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (96, 32), (32, 96)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape) ** 3).float())
    assert float(values.min()) > 0.6 and float(values.max()) < 1.25


def test_adamw_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours = torch.nn.Embedding(5, 4)
    theirs = torch.nn.Embedding(5, 4)
    theirs.load_state_dict(ours.state_dict())
    settings = config(adamw_learning_rate=0.01, weight_decay=0.1)
    optimizer = Optimizer(ours, settings)
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    for number in range(1, 6):
        gradient = torch.randn(5, 4)
        ours.weight.grad, theirs.weight.grad = gradient.clone(), gradient.clone()
        optimizer.step(number, 1.0)
        reference.step()
        torch.testing.assert_close(ours.weight, theirs.weight)


def test_muon_moves_matrices_inside_blocks_and_adamw_the_rest() -> None:
    from lmworks.model.decoder import Decoder

    shape = config(hidden_size=64, num_layers=1, steps=1, data_type="float32", threads=1, compile=False).shape(30)
    optimizer = Optimizer(Decoder(shape), config())
    assert {name.rsplit(".", 2)[-2] for name in optimizer.matrices} == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    }
    assert {"model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"} <= set(optimizer.others)


def test_the_rate_warms_up_and_falls_to_zero_after_the_last_step() -> None:
    linear = [rate_share(step, config(warmup_steps=4), 100) for step in range(101)]
    assert linear[0] == pytest.approx(0.2) and linear[3] == pytest.approx(0.8 * 0.97) and linear[100] == 0
    assert linear[50] == pytest.approx(0.5)
    plateau = [rate_share(step, config(warmup_steps=0, decay_share=0.2), 100) for step in range(101)]
    assert set(plateau[:81]) == {1.0} and plateau[90] == pytest.approx(0.5) and plateau[100] == 0
