"""What a shape counts of itself, against the module that is built of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmworks.model.config import DecoderConfig, Forward
from lmworks.model.decoder import Decoder
from lmworks.train.configs.adapter import LoraConfig
from lmworks.train.contract import Batch
from lmworks.train.families.adapters import Adapters
from lmworks.train.families.decoder import TrainableDecoder
from quick import examples, few


@st.composite
def shapes(draw: st.DrawFn) -> DecoderConfig:
    groups, keys = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return DecoderConfig(
        vocab_size=draw(st.integers(5, 60)),
        hidden_size=8 * draw(st.integers(1, 8)),
        num_layers=draw(st.integers(1, 3)),
        num_heads=groups * keys,
        num_key_value_heads=keys,
        head_size=2 * draw(st.integers(1, 12)),
        intermediate_size=8 * draw(st.integers(1, 10)),
        context_length=512,
        qk_norm=draw(st.booleans()),
        qkv_bias=draw(st.booleans()),
        tie_embeddings=draw(st.booleans()),
    )


@settings(max_examples=examples(30))
@given(shapes())
def test_parameters_by_part_are_those_of_the_module(shape: DecoderConfig) -> None:
    decoder = Decoder(shape)
    sizes = {name: parameter.numel() for name, parameter in decoder.named_parameters()}
    matrices = sum(parameter.numel() for parameter in decoder.blocks.parameters() if parameter.ndim == 2)
    assert shape.parameters == sum(sizes.values()) == sum(shape.parts.values())
    assert shape.parts["matrices"] == matrices
    assert shape.parts["embeddings"] == sizes["model.embed_tokens.weight"]
    assert shape.parts["output"] == sizes.get("lm_head.weight", 0)


def saved_bytes(
    shape: DecoderConfig, rows: int, length: int, data_type: torch.dtype, *, compiled: bool = False, rank: int = 0
) -> int:
    """Memory that autograd keeps of a forward pass, parameters apart; each storage once. With a rank adapters learn."""
    decoder = Decoder(shape)
    decoder.initialise(torch.Generator().manual_seed(0))
    decoder.compute_type = data_type
    model = TrainableDecoder(decoder, end_of_text=0, compiled=compiled)
    if rank:
        model.adapters = Adapters(decoder, decoder.blocks, LoraConfig(rank=rank, dropout=0.0), 0)
    tokens = torch.randint(1, shape.vocab_size, (rows, length + 1))
    tokens[:, ::7] = 0
    seen = {parameter.untyped_storage().data_ptr(): 0 for parameter in decoder.parameters()}
    kept = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)  # a storage that is alive has its address for itself
        seen.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model.hidden(Batch(tokens, torch.ones(tokens.shape)))
    del output
    return sum(seen.values())


@settings(max_examples=examples(25))
@given(shapes(), st.integers(1, 3), st.sampled_from([5, 64, 256, 300, 520]), st.booleans())
def test_autograd_keeps_no_more_activations_than_are_counted(
    shape: DecoderConfig, rows: int, length: int, narrow: bool
) -> None:
    counted = dict(shape.activation_bytes(rows, length, Forward(width=2 if narrow else 4)))
    del counted["logits"], counted["gradients inside a block"]  # which no hook sees
    kept = saved_bytes(shape, rows, length, torch.bfloat16 if narrow else torch.float32)
    assert kept <= 1.05 * sum(counted.values()) + 4096


@pytest.mark.parametrize("rank", few([0, 16], 1))
@pytest.mark.parametrize(
    ("length", "narrow", "compiled"), few([(300, True, False), (300, False, False), (128, True, True)], 1)
)
def test_activations_of_a_published_shape_are_counted_within_a_tenth(
    length: int, narrow: bool, compiled: bool, rank: int
) -> None:
    of_smollm2 = {"hidden_size": 576, "intermediate_size": 1536, "num_heads": 9, "num_key_value_heads": 3}
    shape = DecoderConfig(vocab_size=300, num_layers=3, head_size=64, context_length=512, **of_smollm2)
    width, data_type = (2, torch.bfloat16) if narrow else (4, torch.float32)
    counted = dict(shape.activation_bytes(4, length, Forward(width=width, compiled=compiled, frozen=rank > 0)))
    del counted["logits"], counted["gradients inside a block"]
    kept = saved_bytes(shape, 4, length, data_type, compiled=compiled, rank=rank)
    assert 0.9 * sum(counted.values()) <= kept <= 1.05 * sum(counted.values())


@given(shapes())
def test_recomputing_blocks_keeps_less_of_every_further_layer(shape: DecoderConfig) -> None:
    kept, recomputed = (shape.activation_bytes(2, 128, Forward(width=4, recomputed=choice)) for choice in (False, True))
    assert recomputed["attention scores"] * shape.num_layers == kept["attention scores"]
    assert recomputed["activations"] <= kept["activations"] + shape.num_layers * 2 * 128 * shape.hidden_size * 4
