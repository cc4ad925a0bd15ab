"""Counted memory of weights, gradients and optimizer state against those of a real training step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import elsewhere
from lmworks.errors import GateRefused
from lmworks.graph import CLASSES
from lmworks.model import device
from lmworks.model.config import FLOAT32, DecoderConfig
from lmworks.model.decoder import Decoder
from lmworks.plan.plan import make_plan
from lmworks.recipe.file import load_recipe
from lmworks.train import memory
from lmworks.train.configs.language_model import CausalLMConfig, SftConfig
from lmworks.train.loop.optimizer import Optimizer
from lmworks.train.memory import Layout, require_fit, require_fit_here, trained_parts, training_memory

SETTLED = {"steps": 1, "data_type": "float32", "threads": 1, "compile": False}


def config(**values: Any) -> CausalLMConfig:
    shape = {"hidden_size": 64, "num_layers": 2, "sequence_length": 128}
    return CausalLMConfig.model_validate({"from": "scratch", "data": "x", **SETTLED, **shape, **values})


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
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


EIGHT = DecoderConfig(
    vocab_size=128_256,
    hidden_size=4096,
    num_layers=32,
    num_heads=32,
    num_key_value_heads=8,
    head_size=128,
    intermediate_size=14_336,
    context_length=8192,
)
"""Llama 3 8B by its config.json."""
GIB = 2**30


def tuning(**values: Any) -> SftConfig:
    fields = {"from": "base", "data": "x", **SETTLED, "data_type": "bfloat16", "micro_batch_rows": 1}
    return SftConfig.model_validate({**fields, "global_batch_tokens": 8 * 512, **values})


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(("quantise", "most"), [(None, 24), ("nf4", 12), ("q4_1", 13)])
def test_adapters_of_eight_billion_parameters_fit_common_cards(
    quantise: str | None, most: int, recompute: bool
) -> None:
    adapter = {"adapter": {"rank": 16, "quantise": quantise}, "activation_checkpointing": recompute}
    parts = training_memory(EIGHT, tuning(**adapter), EIGHT.vocab_size, 0, Layout(1, 1, recompute, apart=True))
    assert sum(parts.values()) <= most * GIB, parts
    assert sum(parts.values()) > (0.9 * 2 if quantise is None else 0.5) * EIGHT.parameters, "no less than the weights"


@pytest.mark.parametrize("more", [{}, {"optimizer": "adamw", "learning_rate": 2e-5}, {"tensor_parallel": 2}])
def test_eight_billion_parameters_train_on_eight_devices_of_80_gb_and_not_on_one(more: dict[str, Any]) -> None:
    config = tuning(processes=8, **more)
    held = require_fit("whole", EIGHT, config, EIGHT.vocab_size, 80e9, apart=True)
    assert held["weights"] < 4 * EIGHT.parameters / 3
    alone = config.model_copy(update={"processes": 1, "tensor_parallel": 1})
    with pytest.raises(GateRefused, match="are free"):
        require_fit("whole", EIGHT, alone, EIGHT.vocab_size, 80e9, apart=True)


def test_gradients_of_several_micro_batches_are_whole_until_the_last() -> None:
    once, often = (tuning(processes=8, global_batch_tokens=count * 8 * 512) for count in (1, 4))
    held = [
        training_memory(EIGHT, each, EIGHT.vocab_size, 0, Layout.of(each, apart=True))["gradients"]
        for each in (once, often)
    ]
    assert held[0] < held[1] / 4 and held[1] == FLOAT32 * EIGHT.parameters


def test_processes_on_one_processor_share_its_memory() -> None:
    shape = config().shape(300)
    needed = sum(training_memory(shape, config(), 300, 0).values())
    require_fit("alone", shape, config(), 300, 1.5 * needed)
    with pytest.raises(GateRefused, match="are free"):
        require_fit("both", shape, config(processes=2), 300, 1.5 * needed)


@pytest.mark.parametrize(("devices", "code"), [(8, 0), (1, 3)])
def test_a_plan_for_emulated_devices_trains_eight_billion_parameters_on_eight(
    devices: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in elsewhere.environment(tmp_path / "site", devices, memory_bytes=int(80e9)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(device, "PRODUCT", 64)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "text.txt").write_text("one two three")
    model = {"objective": "causal-lm", "from": "scratch", "data": "texts", "steps": 10, "data_type": "bfloat16"}
    model |= {"hidden_size": 4096, "num_layers": 32, "num_heads": 32, "num_key_value_heads": 8}
    model |= {"micro_batch_rows": 1, "global_batch_tokens": 512 * 8, "processes": devices}
    source = {"kind": "files", "path": "texts", "licence": "MIT"}
    recipe = {"name": "eight", "use_case": "planning", "models": {"whole": model}}
    recipe |= {"tokenizer": {"kind": "bpe", "vocab_size": 128_256, "from": "texts"}}
    recipe |= {"data": {"texts": {"kind": "ingest", "sources": [source], "licences": {"allow": ["permissive"]}}}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    found = load_recipe(tmp_path / "recipe.yaml", CLASSES, ())
    if code:
        with pytest.raises(GateRefused, match="of memory, and 7"):
            make_plan(found, tmp_path, tmp_path / "store", measure=False)
        return
    plan = make_plan(found, tmp_path, tmp_path / "store", measure=False)
    assert plan.machine.device == elsewhere.NAME and plan.parameters["whole"] > 6e9
    config = plan.resolved("whole", found.models["whole"]).model_copy(update={"device": "auto"})  # type: ignore[arg-type]
    with elsewhere.present(devices, int(80e9)):
        monkeypatch.setattr(memory, "available_bytes", lambda: 2e12)
        require_fit_here(config.shape(128_256), config, 128_256)
        monkeypatch.setattr(memory, "available_bytes", lambda: 64e9)
        with pytest.raises(GateRefused, match="of the machine's own memory, and"):
            require_fit_here(config.shape(128_256), config, 128_256)
