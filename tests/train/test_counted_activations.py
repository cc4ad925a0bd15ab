"""What encoders and encoder-decoders count of their activations, against what autograd keeps of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lmworks.model.config import Forward
from lmworks.tokens.rows.shards import Shards
from lmworks.train.configs.encoder import MaskedLMConfig
from lmworks.train.configs.seq2seq import SpanCorruptionConfig, TextToTextConfig
from lmworks.train.configs.train import TrainConfig
from lmworks.train.contract import Trainable
from lmworks.train.families.seq2seq import Pairs
from lmworks.train.loop.probe import synthetic_tokenizer
from lmworks.train.objectives import objective_of

SETTLED = {"from": "scratch", "data": "x", "steps": 1, "threads": 1, "compile": False, "num_heads": 2}
FAMILIES = {
    "bert": (MaskedLMConfig, {"architecture": "bert"}),
    "modernbert": (MaskedLMConfig, {}),
    "spans": (SpanCorruptionConfig, {}),
}
VOCABULARY = 300


def begun(folder: Path, config: TrainConfig) -> tuple[Trainable, Any]:
    """A model and its first micro-batch of made-up data."""
    tokenizer = synthetic_tokenizer(folder / "tokenizer", VOCABULARY).open()
    objective = objective_of(config.objective)
    objective.write_synthetic(folder / "rows", config.sequence_length, 64, tokenizer)
    rows = Shards(folder / "rows", "").open()
    model = objective.begin(config, None, rows, tokenizer, compiled=False)
    model.learn(True, label_smoothing=0.0)
    return model, objective(rows, config).batch(0, model)


def kept_bytes(model: Trainable, batch: Any) -> int:
    """Of a forward pass: every storage that autograd keeps, parameters apart."""
    seen = {parameter.untyped_storage().data_ptr(): 0 for parameter in model.network.parameters()}
    kept = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)  # a storage that is alive has its address for itself
        seen.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.hidden(batch)
    return sum(seen.values())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("data_type", ["float32", "bfloat16"])
@pytest.mark.parametrize(("rows", "length", "dropout"), [(3, 56, 0.0), (1, 200, 0.1), (2, 120, 0.1), (1, 72, 0.0)])
@pytest.mark.parametrize("again", [False, True], ids=["kept", "computed again"])
def test_autograd_keeps_no_more_than_is_counted_and_not_much_less(
    tmp_path: Path, family: str, data_type: str, rows: int, length: int, dropout: float, again: bool
) -> None:
    kind, more = FAMILIES[family]
    shape_of = {"hidden_size": 96, "intermediate_size": 224, "num_layers": 6, "sequence_length": length}
    asked = {"global_batch_tokens": rows * length, "micro_batch_rows": rows, "data_type": data_type}
    config = kind.model_validate(
        {**SETTLED, **shape_of, **asked, **more, "dropout": dropout, "activation_checkpointing": again}
    )
    kept = kept_bytes(*begun(tmp_path, config))
    shape = config.shape(VOCABULARY)
    width = 4 if data_type == "float32" else 2
    counted = dict(shape.activation_bytes(rows, length, Forward(width=width, recomputed=again, dropout=dropout > 0)))
    for part in ("logits", "dropout's noise", "attention mask" if again else "none"):
        counted.pop(part, 0)  # of the loss, or kept by modules: no hook sees it
    assert kept <= sum(counted.values()), counted
    if again:  # one block is counted that exists for the moment only, and copies of weights that end with the pass
        with_all = shape.activation_bytes(rows, length, Forward(width=width, dropout=dropout > 0))
        assert sum(counted.values()) < sum(with_all.values()) / 1.5
    else:
        assert kept >= 0.7 * sum(counted.values()), counted


@pytest.mark.parametrize("length_of_target", [1, 40, 100, 160, 198])
def test_pairs_of_any_lengths_that_share_a_row_keep_no_more(tmp_path: Path, length_of_target: int) -> None:
    asked = {"sequence_length": 200, "global_batch_tokens": 400, "hidden_size": 96, "data_type": "float32"}
    config = TextToTextConfig.model_validate({**SETTLED, **asked})
    model, _ = begun(tmp_path, config)
    source, target = np.ones(199 - length_of_target, np.int64), np.ones(length_of_target, np.int64)
    kept = kept_bytes(model, Pairs([source] * 2, [target] * 2, [target] * 2))
    counted = config.shape(VOCABULARY).activation_bytes(2, 200, Forward(width=4))
    assert kept <= counted["activations"] + counted["attention scores"]


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_that_are_computed_again_give_the_same_gradients(tmp_path: Path, family: str) -> None:
    kind, more = FAMILIES[family]
    asked = {"sequence_length": 64, "global_batch_tokens": 128, "hidden_size": 32, "num_layers": 2, "dropout": 0.2}
    gradients, calls = [], []
    for again in (False, True):
        values = {**SETTLED, **asked, **more, "data_type": "float32", "activation_checkpointing": again}
        config = kind.model_validate(values)
        model, batch = begun(tmp_path / str(again), config)
        calls.append(0)

        def count(*_: object) -> None:
            calls[-1] += 1

        for module in model.blocks.modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_pre_hook(count)
        torch.manual_seed(0)
        model.hidden(batch).sum().backward()
        gradients.append({name: each.grad for name, each in model.module.named_parameters() if each.grad is not None})
    assert calls[1] == 2 * calls[0]
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])
