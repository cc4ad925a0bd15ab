from __future__ import annotations

import dataclasses

import pytest
import torch

from lmworks.model.config import DecoderConfig
from lmworks.model.decoder import Decoder
from lmworks.train.arithmetic.packed import masked_attention, segments, visible_positions

SHAPE = DecoderConfig(
    vocab_size=50,
    hidden_size=32,
    num_layers=2,
    num_heads=4,
    num_key_value_heads=2,
    head_size=8,
    intermediate_size=48,
    context_length=64,
)


@pytest.mark.parametrize(
    "change", [{}, {"qk_norm": True}, {"qkv_bias": True}, {"tie_embeddings": True}, {"num_key_value_heads": 4}], ids=str
)
def test_parameters_are_counted_before_anything_is_built(change: dict[str, bool]) -> None:
    config = dataclasses.replace(SHAPE, **change)
    assert config.parameters == sum(parameter.numel() for parameter in Decoder(config).parameters())


def test_operations_are_counted_as_the_profiler_counts_them() -> None:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    decoder = Decoder(SHAPE)
    tokens = torch.randint(1, 50, (2, 16))
    number, positions = segments(tokens, 0)
    visible = visible_positions(number, None)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # whose products are seen
        hidden = decoder.hidden(tokens, positions, lambda _, q, k, v: masked_attention(q, k, v, visible))
        hidden @ decoder.output_weight.T
    norms = 2 * (SHAPE.parts["norms and biases"] - 32)
    assert counter.get_total_flops() / 32 == SHAPE.forward_flops_per_token(16) - norms


def test_a_fresh_model_adds_nothing_to_the_stream() -> None:
    decoder = Decoder(SHAPE)
    decoder.initialise(torch.Generator().manual_seed(0))
    tokens = torch.randint(1, 50, (1, 5))
    hidden = decoder.hidden(tokens, torch.arange(5)[None], lambda _, q, k, v: q)
    torch.testing.assert_close(hidden, decoder.model.norm(decoder.model.embed_tokens(tokens)))


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = Decoder(SHAPE), Decoder(SHAPE)
    for decoder in (first, second):
        decoder.initialise(torch.Generator().manual_seed(3))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("field", "value"), [("num_key_value_heads", 3), ("head_size", 7)])
def test_impossible_shapes_are_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(SHAPE, **{field: value})
