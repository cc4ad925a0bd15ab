"""Parameters, operations and memory against models that are built and figures that are known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lmworks.model.shapes import EncoderConfig
from lmworks.plan.count import SHAPES, Layout, PublishedShape, shape_for, smallest_layout, training_bytes

BY_NAME = {shape.name: shape for shape in SHAPES}
LLAMA = BY_NAME["LLaMA-7B"]


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("SmolLM2-135M", 134_515_008),
        ("Llama-3.1-8B", 8_030_261_248),
        ("BLOOM-176B", 176_247_271_424),
        ("BERT-base", 109_482_240),
        ("T5-small", 60_506_624),
    ],
)
def test_parameters_are_the_published_ones(name: str, published: int) -> None:
    assert BY_NAME[name].parameters == published


@pytest.mark.parametrize("shape", [s for s in SHAPES if s.architecture != "decoder"], ids=lambda shape: shape.name)
def test_parameters_of_encoders_and_encoder_decoders_are_those_of_transformers(shape: PublishedShape) -> None:
    import torch
    from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration

    config = shape.config
    with torch.device("meta"):
        if isinstance(config, EncoderConfig):
            fields = {"num_hidden_layers": config.num_layers, "num_attention_heads": config.num_heads}
            size = {"hidden_size": config.hidden_size, "intermediate_size": config.intermediate_size}
            model: torch.nn.Module = BertModel(BertConfig(vocab_size=config.vocab_size, **fields, **size))
        else:
            fields = {"num_layers": config.num_layers, "num_heads": config.num_heads, "d_kv": config.head_size}
            size = {"d_model": config.hidden_size, "d_ff": config.intermediate_size}
            model = T5ForConditionalGeneration(T5Config(vocab_size=config.vocab_size, **fields, **size))
    assert shape.parameters == sum(weights.numel() for weights in model.parameters())


@pytest.mark.parametrize(("name", "widths_a_layer"), [("GPT-3-175B", 18), ("BLOOM-176B", 18), ("T5-small", 44)])
def test_adapters_stand_beside_every_matrix(name: str, widths_a_layer: int) -> None:
    """Four of attention take two widths each, and two of the feed-forward part one and four."""
    config = BY_NAME[name].config
    assert config.adapter_parameters(1) == config.num_layers * widths_a_layer * config.hidden_size


def test_lora_counts_and_costs_as_peft_does() -> None:
    matrices = 32 * (4 * (4096 + 4096) + 3 * (4096 + 11008))
    assert (
        LLAMA.config.adapter_parameters(16) == 16 * matrices == 39_976_960
    )  # what PEFT prints for all linear layers of LLaMA-7B
    whole, adapted = LLAMA.training_flops(1e9), LLAMA.training_flops(1e9, 0, 16)
    assert adapted == 1e9 * (4 * LLAMA.parameters + 6 * 39_976_960) < whole


def test_each_stack_of_an_encoder_decoder_sees_half_of_the_tokens() -> None:
    small = BY_NAME["T5-small"]
    assert small.training_flops(1e6) == 3e6 * small.parameters


def test_memory_of_a_known_model() -> None:
    """Weights, gradients and momentum or two moments in float32, and the whole shape's own count of activations."""
    parts = training_bytes(LLAMA, Layout(apart=True), 2048)
    matrices, others = LLAMA.config.parts["matrices"], LLAMA.parameters - LLAMA.config.parts["matrices"]
    state = sum(parts[name] for name in ("weights", "gradients", "optimizer"))
    assert state == 12 * matrices + 16 * others
    assert list(parts) == ["weights", "gradients", "optimizer", "activations", "logits"], "as columns name them"
    recomputed = training_bytes(LLAMA, Layout(recompute=True, apart=True), 2048)
    assert sum(recomputed.values()) < sum(parts.values())
    assert BY_NAME["Llama-3.1-8B"].cache_bytes_per_token == 131_072
    assert LLAMA.cache_bytes_per_token == 524_288
    assert BY_NAME["GPT-3-175B"].cache_bytes_per_token == 2 * 2 * 96 * 96 * 128
    assert BY_NAME["T5-small"].cache_bytes_per_token == 2 * 2 * 2 * 6 * 8 * 64  # of the source as well


def test_shards_divide_what_the_processes_share() -> None:
    """Matrices inside blocks are shared out; embeddings, output matrix and norms are whole in each process."""
    matrices, others = LLAMA.config.parts["matrices"], LLAMA.parameters - LLAMA.config.parts["matrices"]
    for layout in (Layout(8, apart=True), Layout(1, 8, apart=True), Layout(4, 2, apart=True)):
        parts = training_bytes(LLAMA, layout, 2048)
        assert parts["weights"] == parts["gradients"] == 4 * (matrices // 8 + others)
        assert parts["optimizer"] == 4 * (matrices // 8 + 2 * others)
    halves = training_bytes(LLAMA, Layout(1, 2, apart=True), 2048)
    assert halves["activations"] < training_bytes(LLAMA, Layout(2, apart=True), 2048)["activations"]


def test_a_model_of_another_architecture_is_planned_as_the_decoder_that_is_trained() -> None:
    known = BY_NAME["GPT-3-175B"]
    assert known.trained_as.parameters == pytest.approx(known.parameters, rel=0.01)
    assert known.trained_as.num_layers == 96 and BY_NAME["T5-small"].trained_as is BY_NAME["T5-small"].config


@given(memory=some.floats(8e9, 200e9), name=some.sampled_from(sorted(BY_NAME)))
def test_the_layout_chosen_fits_and_more_memory_needs_no_more_devices(memory: float, name: str) -> None:
    shape = BY_NAME[name]
    layout, roomier = smallest_layout(shape, memory, 2048), smallest_layout(shape, 1.5 * memory, 2048)
    if layout:
        assert sum(training_bytes(shape, layout, 2048).values()) <= 0.9 * memory
        assert roomier and roomier.devices <= layout.devices


def test_the_nearest_published_shape_is_taken() -> None:
    assert shape_for("decoder", 1.2e8).name == "SmolLM2-135M"
    assert shape_for("encoder", 1e9).name == "BERT-large"
