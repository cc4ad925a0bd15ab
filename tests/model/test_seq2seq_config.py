"""An encoder-decoder is counted as it is built."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import T5Config, T5ForConditionalGeneration

from lmworks.model.shapes import EncoderDecoderConfig


@settings(max_examples=15)
@given(
    vocab=st.integers(10, 60),
    heads=st.integers(1, 4),
    head_size=st.integers(2, 6),
    layers=st.integers(1, 3),
    hidden=st.integers(4, 24),
    intermediate=st.integers(4, 40),
)
def test_parameters_are_those_of_the_module(
    vocab: int, heads: int, head_size: int, layers: int, hidden: int, intermediate: int
) -> None:
    shape = EncoderDecoderConfig(
        vocab_size=vocab,
        hidden_size=hidden,
        num_layers=layers,
        num_heads=heads,
        head_size=head_size,
        intermediate_size=intermediate,
        tie_embeddings=True,
    )
    module = T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocab,
            d_model=hidden,
            d_kv=head_size,
            d_ff=intermediate,
            num_layers=layers,
            num_heads=heads,
            feed_forward_proj="gated-gelu",
        )
    )
    assert shape.parameters == sum(parameter.numel() for parameter in module.parameters())
    # The hidden states of a pair go half through each stack: two operations a weight, backward twice as many.
    longer = shape.training_flops_per_token(200) - shape.training_flops_per_token(100)
    assert longer == 3 * 3 * layers * heads * head_size * 100
