"""What a run does about a loss that no longer falls, and regularisation."""

from __future__ import annotations

import dataclasses
import itertools
import json
import weakref
from pathlib import Path
from typing import Any

import pytest

from lmworks.errors import Stopped
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Handle, Result
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.loop.train import train
from lmworks.train.objectives import objective_of
from support import MemoryJournal, make_context

SMALL = {
    **{"from": "scratch", "data": "x", "hidden_size": 32, "num_layers": 1, "sequence_length": 48},
    **{"global_batch_tokens": 96, "micro_batch_rows": 2, "warmup_steps": 2, "data_type": "float32", "threads": 1},
    **{"compile": False, "checkpoint_steps": 5, "validation_steps": 2, "validation_rows": 4, "steps": 40},
}


def run(
    folder: Path,
    rows: Shards,
    tokenizer: TokenizerFolder,
    context: Context | None = None,
    base: ModelFolder | None = None,
    watch: Handle | None = None,
    **more: Any,
) -> Result:
    config = CausalLMConfig.model_validate({**SMALL, **more})
    context = context or make_context(folder)
    return train(config, base, rows, tokenizer, rows, watch, out=folder / "out", context=context)


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / "history.jsonl").read_text().splitlines()]


def stopped(folder: Path, rows: Shards, tokenizer: TokenizerFolder, after: int, **more: Any) -> None:
    """Run, stopped after some steps, and continued."""
    journal, asked = MemoryJournal(), itertools.count()

    def stop() -> None:
        if next(asked) == after:
            raise Stopped("by the test")

    context = make_context(folder, journal)
    with pytest.raises(Stopped):
        run(folder, rows, tokenizer, dataclasses.replace(context, check_stop=stop), **more)
    run(folder, rows, tokenizer, context, **more)


@pytest.mark.parametrize(
    "more",
    [
        {"dropout": 0.2, "label_smoothing": 0.1},
        {"patience": 2, "learning_rate": 0.3},
        {"tie_embeddings": True},
        {"optimizer": "adamw", "learning_rate": 0.002, "schedule": "constant"},
    ],
)
@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_bytes_under_every_policy(
    tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path, more: dict[str, Any]
) -> None:
    (tmp_path / "a").mkdir()
    run(tmp_path / "a", rows, tokenizer, **more)
    stopped(tmp_path / "b", rows, tokenizer, len(history(tmp_path / "a")) - 3, **more)
    for file in (tmp_path / "a" / "out").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / "out" / file.name).read_bytes(), file.name


def weights(folder: Path) -> bytes:
    return (folder / "out" / "model.safetensors").read_bytes()


def test_no_micro_batch_of_a_validation_is_held_beside_the_next(
    tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective, held, last = objective_of("causal-lm"), list[bool](), list[weakref.ref[Any]]()
    whole = objective.loss

    def loss(*asked: Any) -> Any:
        held.append(any(each() is not None for each in last))
        found = whole(*asked)
        last[:] = [weakref.ref(found[0])]
        return found

    monkeypatch.setattr(objective, "loss", loss)
    run(tmp_path, rows, tokenizer, steps=1, validation_steps=1, validation_rows=8)
    assert len(held) >= 4 and not any(held[-3:])


def test_patience_ends_with_the_best_weights(tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"learning_rate": 0.3, "schedule": "constant"}
    result = run(tmp_path / "patient", rows, tokenizer, patience=2, steps=200, **settings)
    losses = [line["validation_loss"] for line in history(tmp_path / "patient") if "validation_loss" in line]
    assert result.counts["steps"] == 2 * len(losses) < 200
    assert losses.index(min(losses)) == len(losses) - 3
    figure = next(figure for figure in result.figures if figure.name == "validation loss")
    assert figure.value == min(losses)
    run(tmp_path / "short", rows, tokenizer, steps=2 * losses.index(min(losses)) + 2, **settings)
    assert weights(tmp_path / "patient") == weights(tmp_path / "short")


@pytest.mark.parametrize("more", [{"dropout": 0.5}, {"label_smoothing": 0.3}])
def test_dropout_and_smoothing_touch_training_alone(
    tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path, more: dict[str, float]
) -> None:
    run(tmp_path / "plain", rows, tokenizer, steps=12)
    run(tmp_path / "regular", rows, tokenizer, steps=12, **more)
    plain, regular = history(tmp_path / "plain"), history(tmp_path / "regular")
    assert [line["loss"] for line in regular[2:]] != [line["loss"] for line in plain[2:]]
    base = ModelFolder(tmp_path / "regular" / "out", "base")
    still = {"from": "regular", "learning_rate": 1e-9, "adamw_learning_rate": 1e-9, "steps": 1}
    run(tmp_path / "measured", rows, tokenizer, base=base, **still)
    (measured,) = history(tmp_path / "measured")
    assert measured["validation_loss"] == pytest.approx(regular[-1]["validation_loss"], abs=1e-5)
    assert 0 < measured["validation_accuracy"] < 1 and 0 < measured["accuracy"] < 1
