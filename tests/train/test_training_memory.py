"""Counted memory of weights, gradients and optimizer state against those of a real training step."""

from __future__ import annotations

from typing import Any

import pytest

from lmworks.model.config import FLOAT32
from lmworks.model.decoder import Decoder
from lmworks.train.configs.language_model import CausalLMConfig, SftConfig
from lmworks.train.loop.optimizer import Optimizer
from lmworks.train.memory import trained_parts, training_memory

SETTLED = {"steps": 1, "data_type": "float32", "threads": 1, "compile": False}


def config(**values: Any) -> CausalLMConfig:
    shape = {"hidden_size": 64, "num_layers": 2, "sequence_length": 128}
    return CausalLMConfig.model_validate({"from": "scratch", "data": "x", **SETTLED, **shape, **values})


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "adam", "sgd"])
def test_optimizer_state_is_counted_as_the_optimizer_keeps_it(optimizer: str) -> None:
    rates = {} if optimizer == "muon" else {"learning_rate": 0.01}
    asked = config(optimizer=optimizer, **rates)
    shape = asked.shape(300)
    kept = Optimizer(Decoder(shape), asked).state.values()
    parts = training_memory(shape, asked, 300, 0)
    assert parts["optimizer state"] == sum(tensor.nbytes for tensor in kept)
    assert parts["weights"] == parts["gradients"] == FLOAT32 * shape.parameters


def test_the_moment_when_most_is_held_is_the_one_that_counts() -> None:
    few, many = (config(micro_batch_rows=rows, global_batch_tokens=8192) for rows in (1, 32))
    shape = few.shape(300)
    small, large = (training_memory(shape, each, 300, 0) for each in (few, many))
    assert sum(large.values()) > sum(small.values()) and large["activations"] > 20 * small["activations"]
    pairs = training_memory(config().shape(8192), config(), 8192, 0)
    assert pairs["table of token pairs"] == 16 * 8192**2 and "activations" not in pairs
    tied = training_memory(shape, config(tie_embeddings=True), 8192, 0)
    assert "table of token pairs" not in tied


def test_rows_beyond_a_step_are_not_counted() -> None:
    one_row = {"global_batch_tokens": 128}
    shape = config().shape(300)
    counts = [training_memory(shape, config(micro_batch_rows=rows, **one_row), 300, 0) for rows in (1, 64)]
    assert counts[0] == counts[1]


def test_a_tuned_model_has_the_shape_of_its_base_and_none_is_refused() -> None:
    tuned = SftConfig.model_validate({"from": "base", "data": "x", **SETTLED})
    shape = config().shape(300)
    assert tuned.tuned_shape(shape) is shape and trained_parts(tuned, shape) == shape.parts
    with pytest.raises(Exception, match="`from` must name an earlier model"):
        tuned.shape(300)


@pytest.mark.parametrize(("hidden_size", "heads"), [(64, 1), (128, 1), (192, 1), (320, 1), (384, 3), (576, 3)])
def test_every_width_has_key_heads_that_divide_its_heads(hidden_size: int, heads: int) -> None:
    assert config(hidden_size=hidden_size).shape(300).num_key_value_heads == heads
