"""Model folders that must not be served: weights that are no numbers, pipes, tokenizers that break."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lmworks.data.base.tokenizer_file import _without_panics, read_tokenizer
from lmworks.engines.open import open_adapted, open_engine
from lmworks.errors import LmworksError
from published import take, write_published
from readers import write_reader
from tiny import make_adapted, make_tiny_model


def taken(theirs: Path, folder: Path) -> Path:
    take(theirs, folder)
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "own": make_tiny_model,
    "published": lambda folder: taken(write_published(folder.with_name("theirs"), "GPT-2"), folder),
    "reader": lambda folder: write_reader(folder, "sequence classifier"),
}


def spoil(file: Path, value: float) -> str:
    """Put a value into the last matrix of a file; returns its name there."""
    weights = load_file(file)
    name = sorted(name for name, tensor in weights.items() if tensor.ndim == 2)[-1]
    weights[name][-1, -1] = value
    save_file(weights, file, metadata={"format": "pt"})
    return name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", MAKERS)
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path: Path, kind: str, value: float) -> None:
    folder = MAKERS[kind](tmp_path / "model")
    open_engine(folder)
    name = spoil(folder / "model.safetensors", value)
    with pytest.raises(LmworksError, match=rf"the weights \S*{name} hold NaN or infinity"):
        open_engine(folder)


def test_weights_of_an_adapter_that_are_no_numbers_are_refused_by_name(tmp_path: Path) -> None:
    base = make_tiny_model(tmp_path / "base")
    adapted = make_adapted(base, tmp_path / "adapted", kind="lora", rank=2)
    name = spoil(adapted / "adapter" / "adapter_model.safetensors", float("nan"))
    with pytest.raises(LmworksError, match=f"{name} hold NaN"):
        open_adapted(base, {"a": None, "b": adapted / "adapter"})


def test_large_numbers_are_served(tmp_path: Path) -> None:
    """Whose sum is more than the type holds, though each is a number."""
    folder = make_tiny_model(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][0, :4] = torch.finfo(torch.float32).max
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert open_engine(folder).can == {"generate"}


@pytest.mark.parametrize(
    "name",
    ["tokenizer.json", "tokenizer_config.json", "config.json", "model.safetensors", "generation_config.json",
     "model.safetensors.index.json"],
)  # fmt: skip
@pytest.mark.parametrize("kind", MAKERS)
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(tmp_path: Path, kind: str, name: str) -> None:
    folder = MAKERS[kind](tmp_path / "model")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)

    def waits(*_: Any) -> None:
        raise AssertionError("it waits for the pipe")

    previous = signal.signal(signal.SIGALRM, waits)
    signal.alarm(20)
    try:
        with pytest.raises(LmworksError, match="regular file") as raised:
            open_engine(folder)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    assert str(folder / name) in str(raised.value)


BROKEN: dict[str, dict[str, Any]] = {
    "a table that is none": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
    "a search without end": {
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+a+)+$"}, "behavior": "Isolated", "invert": False}
    },
    "a token that is not there": {
        "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[X]", "type_id": 0}}],
                           "pair": [], "special_tokens": {}}
    },
    "an expression that is none": {
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": False}
    },
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_tokenizer_is_one_message_with_its_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    folder = make_tiny_model(tmp_path / "model")
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | BROKEN[fault]))
    with pytest.raises(LmworksError) as raised:
        read_tokenizer(path)
    assert str(raised.value).startswith(f"{path}: ") and "\n" not in str(raised.value)
    assert "panicked" not in capfd.readouterr().err


def test_what_others_write_meanwhile_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    with _without_panics():
        os.write(2, b"a word of another thread\n")
    assert "a word of another thread" in capfd.readouterr().err


def test_a_field_twice_in_a_config_is_refused(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    path = folder / "config.json"
    path.write_text(path.read_text().replace("{", '{"vocab_size": 2,', 1))
    with pytest.raises(LmworksError, match=r"config\.json: 'vocab_size'"):
        open_engine(folder)
