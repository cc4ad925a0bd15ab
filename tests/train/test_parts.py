"""Attention, losses, optimizer and schedule, each against a plain reference."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from lmworks.model.config import LOSS_CHUNK, DecoderConfig, loss_chunk
from lmworks.model.decoder import Decoder, rotations
from lmworks.train.arithmetic import losses
from lmworks.train.arithmetic import packed as packing
from lmworks.train.arithmetic.losses import chunked_cross_entropy, softmax_gradient, token_log_probabilities
from lmworks.train.arithmetic.packed import masked_attention, segments, visible_positions
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.families.decoder import run_block
from lmworks.train.loop.optimizer import Optimizer, orthogonalise, rate_share


def config(**values: object) -> CausalLMConfig:
    return CausalLMConfig.model_validate({"from": "scratch", "data": "x", **values})


def test_segments_begin_at_every_end_of_text() -> None:
    number, positions = segments(torch.tensor([[5, 6, 0, 7, 8, 0, 0, 9]]), 0)
    assert number.tolist() == [[0, 0, 1, 1, 1, 2, 3, 3]]
    assert positions.tolist() == [[0, 1, 0, 1, 2, 0, 0, 1]]


@pytest.mark.parametrize(("window", "block"), [(None, 128), (3, 128), (None, 4), (3, 4)])
def test_packed_attention_is_attention_of_each_segment_alone(
    window: int | None, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "QUERY_BLOCK", block)
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


@pytest.mark.slow
def test_attention_in_bfloat16_is_the_same_compiled_interpreted_and_of_long_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data_type = torch.bfloat16
    monkeypatch.setattr(packing, "QUERY_BLOCK", 4)
    torch.manual_seed(0)
    q, g = torch.randn(2, 4, 11, 8, dtype=data_type), torch.randn(2, 4, 11, 8, dtype=data_type)
    k, v = torch.randn(2, 2, 11, 8, dtype=data_type), torch.randn(2, 2, 11, 8, dtype=data_type)
    visible = visible_positions((torch.rand(2, 11) < 0.2).cumsum(-1), None, data_type)
    found = []
    for attend, longest in (
        (masked_attention, 11),
        (torch.compile(masked_attention, dynamic=False), 11),
        (masked_attention, 10),
    ):
        monkeypatch.setattr(packing, "LONGEST_KEPT", longest)
        inputs = [x.clone().requires_grad_() for x in (q, k, v)]
        output = attend(*inputs, visible)
        found.append((output, *torch.autograd.grad(output, inputs, g)))
    for by_products, compiled, at_once in zip(*found, strict=True):
        torch.testing.assert_close(by_products, compiled, rtol=4e-2, atol=4e-2)
        torch.testing.assert_close(by_products, at_once, rtol=4e-2, atol=4e-2)


@pytest.mark.slow
def test_a_layer_in_bfloat16_has_the_same_gradients_compiled() -> None:
    data_type = torch.bfloat16
    shape = {"num_layers": 1, "num_heads": 2, "num_key_value_heads": 1, "head_size": 64, "qk_norm": True}
    shape |= {"vocab_size": 64, "hidden_size": 128, "intermediate_size": 384, "context_length": 256}
    decoder = Decoder(DecoderConfig(**shape))
    decoder.initialise(torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    for adds in (decoder.blocks[0].self_attn.o_proj, decoder.blocks[0].mlp.down_proj):
        torch.nn.init.normal_(adds.weight, std=0.1)
    number, positions = segments(torch.randint(0, 64, (4, 256)), 0)
    inputs = (*rotations(positions, decoder.config, data_type), visible_positions(number, None, data_type))
    x, g = (torch.randn(4, 256, 128, dtype=data_type) for _ in range(2))
    found = []
    for run in (run_block, torch.compile(run_block, dynamic=False)):
        begin, parameters = x.clone().requires_grad_(), [*decoder.blocks[0].parameters()]
        found.append(torch.autograd.grad(run(decoder.blocks[0], begin, *inputs), (begin, *parameters), g))
    for plain, compiled in zip(*found, strict=True):
        assert float((plain - compiled).norm()) < 0.03 * float(plain.norm())


def test_logits_are_gone_through_at_once_where_launching_takes_longer(
    another_device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "SLICE", 30 * 4)
    seen: list[int] = []

    def noted(logits: torch.Tensor, *more: torch.Tensor) -> Any:
        seen.append(len(logits))
        return softmax_gradient(logits, *more)

    monkeypatch.setattr(losses, "softmax_gradient", noted)
    found = []
    for device in (torch.device("cpu"), another_device):
        torch.manual_seed(0)
        hidden, matrix, weights, targets = torch.randn(9, 16), torch.randn(30, 16), torch.rand(9), torch.arange(9)
        given = (each.to(device) for each in (hidden, matrix, targets, weights))
        found.append([float(each) for each in chunked_cross_entropy(*given, torch.zeros(()))])
    assert found[0] == pytest.approx(found[1])
    assert seen.count(4) * 4 == seen[-1] == loss_chunk(30)


@pytest.mark.parametrize(("count", "smoothing"), [(7, 0.0), (7, 0.1), (LOSS_CHUNK, 0.0), (LOSS_CHUNK + 5, 0.2)])
def test_chunked_cross_entropy_has_the_value_and_gradients_of_the_plain_one(
    count: int, smoothing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "SLICE", 30 * 4)
    torch.manual_seed(0)
    hidden, matrix = torch.randn(count, 16, requires_grad=True), torch.randn(30, 16, requires_grad=True)
    targets, weights = torch.randint(0, 30, (count,)), torch.rand(count)
    each = F.cross_entropy(hidden @ matrix.T, targets, reduction="none", label_smoothing=smoothing)
    plain = (each * weights).sum()
    expected = torch.autograd.grad(3 * plain, (hidden, matrix))
    ours, right = chunked_cross_entropy(hidden, matrix, targets, weights, torch.tensor(smoothing))
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(right, (weights * ((hidden @ matrix.T).argmax(-1) == targets)).sum())
    for gradient, other in zip(torch.autograd.grad(3 * ours, (hidden, matrix)), expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-4)


def test_constant_logits_are_right_of_nothing() -> None:
    hidden, matrix, targets = torch.zeros(40, 16), torch.randn(30, 16), torch.arange(40) % 30
    _, right = chunked_cross_entropy(hidden, matrix, targets, torch.ones(40), torch.zeros(()))
    assert right == 0
    matrix[:, 0], hidden[:, 0], matrix[3:5, 0] = 0, 1, 9.0  # two tokens tie
    _, right = chunked_cross_entropy(hidden, matrix, targets, torch.ones(40), torch.zeros(()))
    assert right == 0


@pytest.mark.parametrize("count", [0, 5, LOSS_CHUNK + 5])
def test_what_is_not_trained_never_meets_the_output_matrix(count: int) -> None:
    torch.manual_seed(0)
    hidden, matrix = torch.randn(count + 9, 16, requires_grad=True), torch.randn(30, 16, requires_grad=True)
    targets, weights = torch.randint(0, 30, (count + 9,)), torch.rand(count + 9)
    weights[torch.randperm(count + 9)[:9]] = 0
    trained = weights > 0
    with torch.no_grad():
        hidden[~trained] = float("nan")
    computed = []

    def counted(logits: torch.Tensor, *more: torch.Tensor) -> Any:
        computed.append(len(logits))
        return softmax_gradient(logits, *more)

    ours, right = chunked_cross_entropy(hidden, matrix, targets, weights, torch.tensor(0.1), counted)
    alone = hidden[trained]
    each = F.cross_entropy(alone @ matrix.T, targets[trained], reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(ours, (each * weights[trained]).sum())
    matches = ((alone @ matrix.T).argmax(-1) == targets[trained]).float()
    torch.testing.assert_close(right, weights[trained] @ matches)
    assert sum(computed) == -(-count // LOSS_CHUNK) * LOSS_CHUNK
    expected = torch.autograd.grad((each * weights[trained]).sum(), (hidden, matrix))
    for gradient, other in zip(torch.autograd.grad(ours, (hidden, matrix)), expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-4)


def test_a_large_vocabulary_is_gone_through_in_small_chunks() -> None:
    assert [loss_chunk(size) for size in (400, 16_384, 49_152, 151_936, 262_144)] == [1024, 1024, 256, 128, 128]
    hidden, matrix = torch.randn(300, 2), torch.randn(49_152, 2)
    computed = []

    def counted(logits: torch.Tensor, *more: torch.Tensor) -> Any:
        computed.append(len(logits))
        return softmax_gradient(logits, *more)

    targets = torch.arange(300)
    found = token_log_probabilities(hidden, matrix, targets, counted)
    torch.testing.assert_close(found, (hidden @ matrix.T).log_softmax(-1)[targets, targets], rtol=1e-5, atol=1e-5)
    assert computed == [256, 256]


@pytest.mark.parametrize("count", [7, LOSS_CHUNK + 5])
@pytest.mark.parametrize("learned", [True, False])
def test_log_probabilities_of_tokens_have_the_values_and_gradients_of_log_softmax(count: int, learned: bool) -> None:
    torch.manual_seed(0)
    hidden, matrix = torch.randn(count, 16, requires_grad=True), torch.randn(30, 16, requires_grad=learned)
    targets, scale = torch.randint(0, 30, (count,)), torch.randn(count)
    plain = (hidden @ matrix.T).log_softmax(-1).gather(-1, targets[:, None]).squeeze(-1)
    ours = token_log_probabilities(hidden, matrix, targets)
    torch.testing.assert_close(ours, plain, rtol=1e-6, atol=1e-6)
    inputs = (hidden, matrix) if learned else (hidden,)
    expected = torch.autograd.grad((plain * scale).sum(), inputs)
    for gradient, other in zip(torch.autograd.grad((ours * scale).sum(), inputs), expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(token_log_probabilities(hidden, matrix, targets), plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(64, 64), (96, 32), (32, 96)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape) ** 3
    values = torch.linalg.svdvals(orthogonalise(matrix).float())
    within = torch.linalg.svdvals(matrix) > 0.004 * matrix.norm()  # smaller ones grow, and stay below the others
    assert within.sum() > 0.9 * len(values)
    assert float(values[within].min()) > 0.7 and float(values.max()) < 1.25


def test_adamw_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(5, 4), torch.nn.Linear(5, 4)
    theirs.load_state_dict(ours.state_dict())
    optimizer = Optimizer(ours, config(optimizer="adamw", learning_rate=0.01, weight_decay=0.1))
    groups = [{"params": [theirs.weight]}, {"params": [theirs.bias], "weight_decay": 0.0}]
    rates: dict[str, Any] = {"lr": 0.01, "weight_decay": 0.1}
    reference = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8, **rates)
    for number in range(1, 6):
        for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            own.grad = torch.randn_like(own)
            other.grad = own.grad.clone()
        optimizer.step(number, 1.0)
        reference.step()
        for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(own, other)


def test_muon_moves_matrices_inside_blocks_and_adamw_the_rest() -> None:
    from lmworks.model.decoder import Decoder

    shape = config(hidden_size=64, num_layers=1, steps=1, data_type="float32", threads=1, compile=False).shape(30)
    optimizer = Optimizer(Decoder(shape), config())
    by_muon = {name for name, update in optimizer.update.items() if update == "muon"}
    assert {name.rsplit(".", 2)[-2] for name in by_muon} == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    }
    assert {"model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"} <= set(optimizer.update) - by_muon


def test_rates_are_stated_for_the_optimizer_that_uses_them() -> None:
    with pytest.raises(ValueError, match="state one for adamw"):
        config(optimizer="adamw")
    with pytest.raises(ValueError, match="adamw uses learning_rate"):
        config(optimizer="adamw", learning_rate=0.1, adamw_learning_rate=0.1)


def test_the_rate_warms_up_and_falls_to_zero_after_the_last_step() -> None:
    linear = [rate_share(step, config(warmup_steps=4), 100) for step in range(101)]
    assert linear[0] == pytest.approx(0.2) and linear[3] == pytest.approx(0.8 * 0.97) and linear[100] == 0
    assert linear[50] == pytest.approx(0.5)
    plateau = [rate_share(step, config(warmup_steps=0, decay_share=0.2), 100) for step in range(101)]
    assert set(plateau[:81]) == {1.0} and plateau[90] == pytest.approx(0.5) and plateau[100] == 0
    cosine = [rate_share(step, config(warmup_steps=0, schedule="cosine"), 100) for step in range(101)]
    assert cosine[25] == pytest.approx(0.5 + 0.5**1.5) and cosine[50] == pytest.approx(0.5) and cosine[100] == 0
    constant = [rate_share(step, config(warmup_steps=4, schedule="constant"), 100) for step in range(101)]
    assert constant[0] == pytest.approx(0.2) and set(constant[4:]) == {1.0}
