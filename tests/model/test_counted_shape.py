"""What a shape counts of itself, against the module that is built of it."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmworks.model.config import DecoderConfig
from lmworks.model.decoder import Decoder
from lmworks.train.decoder import TrainableDecoder
from lmworks.train.objective import Batch


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


@settings(max_examples=30, deadline=None)
@given(shapes())
def test_parameters_by_part_are_those_of_the_module(shape: DecoderConfig) -> None:
    decoder = Decoder(shape)
    sizes = {name: parameter.numel() for name, parameter in decoder.named_parameters()}
    matrices = sum(parameter.numel() for parameter in decoder.blocks.parameters() if parameter.ndim == 2)
    assert shape.parameters == sum(sizes.values()) == sum(shape.parts.values())
    assert shape.parts["matrices"] == matrices
    assert shape.parts["embeddings"] == sizes["model.embed_tokens.weight"]
    assert shape.parts["output"] == sizes.get("lm_head.weight", 0)


def saved_bytes(shape: DecoderConfig, rows: int, length: int, data_type: torch.dtype) -> int:
    """Memory that autograd keeps of a forward pass, parameters apart; each storage once."""
    decoder = Decoder(shape)
    decoder.initialise(torch.Generator().manual_seed(0))
    decoder.compute_type = data_type
    model = TrainableDecoder(decoder, end_of_text=0, compiled=False)
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


@settings(max_examples=25, deadline=None)
@given(shapes(), st.integers(1, 3), st.sampled_from([5, 64, 256, 300, 520]), st.booleans())
def test_autograd_keeps_no_more_activations_than_are_counted(
    shape: DecoderConfig, rows: int, length: int, narrow: bool
) -> None:
    counted = dict(shape.activation_bytes(rows, length, 2 if narrow else 4, recomputed=False, dropout=False))
    del counted["logits"]  # of the loss, which no hook sees
    kept = saved_bytes(shape, rows, length, torch.bfloat16 if narrow else torch.float32)
    assert kept <= 1.05 * sum(counted.values()) + 4096


@given(shapes())
def test_recomputing_blocks_keeps_less_of_every_further_layer(shape: DecoderConfig) -> None:
    kept, recomputed = (shape.activation_bytes(2, 128, 4, recomputed=choice, dropout=False) for choice in (False, True))
    assert recomputed["attention scores"] * shape.num_layers == kept["attention scores"]
    assert recomputed["activations"] <= kept["activations"] + shape.num_layers * 2 * 128 * shape.hidden_size * 4
