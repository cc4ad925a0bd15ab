"""One bit of what a run has stored is flipped: refused by its name, the checkpoint before taken, or the run stopped."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from corpora import pack_asked, pack_texts, texts
from lmworks.errors import LmworksError
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.distributed.processes import Processes
from lmworks.train.loop.checkpoints import BEST, Checkpoints, Position
from support import MemoryJournal, make_context
from train.loop.test_recovery import Killed, kill_after, payload, run

NAMES = ("model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight", "model.norm.weight", "square.scale")
FINGERPRINT = {"tokenizer": "t", "rows": "r", "learning_rate": "0.02"}
FILES = ("step-000006.safetensors", "step-000006.json", "step-000009.safetensors", "step-000009.json")


def flip(path: Path, bit: int) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def state_after(step: int) -> tuple[dict[str, Tensor], Position]:
    """What stands in the checkpoint of a step."""
    torch.manual_seed(step)
    shapes: tuple[tuple[int, ...], ...] = ((20, 8), (8, 8), (8,), ())
    tensors = {name: torch.randn(shape) for name, shape in zip(NAMES, shapes, strict=True)}
    tensors[NAMES[1]] = tensors[NAMES[1]].bfloat16()
    history = [{"step": number, "loss": 1 / number, "learning_rate": 1e-05} for number in range(1, step + 1)]
    return tensors, Position(step=step, history=history, best_loss=0.25, best_step=step - 1)


def kept(folder: Path, said: list[str]) -> tuple[Checkpoints, dict[str, Tensor], Context]:
    """A run's checkpoints of steps 6 and 9, and the tensors that they are restored into."""
    context = dataclasses.replace(make_context(folder, MemoryJournal()), log=said.append)
    tensors = {name: torch.zeros_like(tensor) for name, tensor in state_after(0)[0].items()}
    with Checkpoints(
        context, tensors, FINGERPRINT, Processes(torch.device("cpu")), 2, folder / "published"
    ) as checkpoints:
        for step in (6, 9):
            stored, position = state_after(step)
            for name, tensor in stored.items():
                tensors[name].copy_(tensor)
            checkpoints.keep_weights(BEST, {NAMES[0]: tensors[NAMES[0]]})
            checkpoints.save(position, publish=True)
        checkpoints.take_weights(BEST, {NAMES[0]: tensors[NAMES[0]]})  # waits for what is being written
    return checkpoints, tensors, context


def bit_of_tensor(path: Path, draw: random.Random) -> tuple[str, int]:
    """A tensor of a file, and a bit of it."""
    start = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8:start])
    name = draw.choice(sorted(header.keys() - {"__metadata__"}))
    begin, end = header[name]["data_offsets"]
    return name, draw.randrange(8 * (start + begin), 8 * (start + end))


def is_state(step: int, position: Position, tensors: dict[str, Tensor]) -> bool:
    """Whether all is as it was after a step."""
    expected, where = state_after(step)
    return position == where and all(torch.equal(tensors[name], tensor) for name, tensor in expected.items())


def test_a_hundred_flipped_bits_of_kept_checkpoints_never_load(tmp_path: Path) -> None:
    said: list[str] = []
    checkpoints, tensors, context = kept(tmp_path, said)
    draw, named = random.Random(0), set[str]()
    for number in range(100):
        path = context.scratch / FILES[number % 4]
        name, bit = "", draw.randrange(path.stat().st_size * 8)
        if path.suffix == ".json":
            name = f"{path.name} differs"
        elif draw.random() < 0.8:  # else in the header, most likely
            name, bit = bit_of_tensor(path, draw)
        said.clear()
        flip(path, bit)
        assert is_state(6 if "9" in path.name else 9, checkpoints.restore(), tensors), f"bit {bit} of {path.name}"
        if "9" in path.name:  # the newest is looked at first
            assert len(said) == 1 and f"{context.scratch / 'step-000009'}: not taken: " in said[0] and name in said[0]
            named |= {name}
        flip(path, bit)
    assert named == {*NAMES, "step-000009.json differs", ""}


def test_every_bit_of_a_header_and_of_a_record_counts(tmp_path: Path) -> None:
    checkpoints, tensors, context = kept(tmp_path, [])
    for name in FILES[2:]:
        path = context.scratch / name
        size = path.stat().st_size
        header = size if path.suffix == ".json" else 8 + int.from_bytes(path.read_bytes()[:8], "little")
        for bit in range(0, header * 8, 29):  # each place of a byte in turn
            flip(path, bit)
            assert checkpoints.restore().step == 6, f"bit {bit} of {name}"
            flip(path, bit)
    assert is_state(9, checkpoints.restore(), tensors)


def test_a_run_stops_where_no_checkpoint_is_sound(tmp_path: Path) -> None:
    checkpoints, tensors, context = kept(tmp_path, [])
    draw = random.Random(1)
    for number in range(20):
        paths = [context.scratch / FILES[number % 2], context.scratch / FILES[2 + number // 2 % 2]]
        bits = [draw.randrange(path.stat().st_size * 8) for path in paths]
        for path, bit in zip(paths, bits, strict=True):
            flip(path, bit)
        for tensor in tensors.values():
            tensor.zero_()
        with pytest.raises(
            LmworksError, match=r"no checkpoint is sound: step-000009: .*; step-000006: .*delete"
        ) as error:
            checkpoints.restore()
        assert "\n" not in str(error.value) and not any(tensor.any() for tensor in tensors.values())
        for path, bit in zip(paths, bits, strict=True):
            flip(path, bit)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_damaged_published_checkpoint_is_not_branched_from(tmp_path: Path, suffix: str) -> None:
    checkpoints, _, _ = kept(tmp_path, [])
    path = tmp_path / "published" / f"step-000006{suffix}"
    draw = random.Random(2)
    for _ in range(50):
        bit = draw.randrange(path.stat().st_size * 8)
        flip(path, bit)
        with pytest.raises(LmworksError, match=r"step-000006: "):
            checkpoints.branch_from(tmp_path / "published", 6)
        flip(path, bit)


def test_damaged_best_weights_are_named_and_never_taken(tmp_path: Path) -> None:
    checkpoints, tensors, context = kept(tmp_path, [])
    path = context.scratch / "best.safetensors"
    draw = random.Random(3)
    for _ in range(50):
        bit = draw.randrange(path.stat().st_size * 8)
        flip(path, bit)
        with pytest.raises(LmworksError, match=r"best.safetensors: "):
            checkpoints.take_weights(BEST, {NAMES[0]: tensors[NAMES[0]]})
        with pytest.raises(LmworksError, match=r"best.safetensors: "):
            checkpoints.restore()
        flip(path, bit)


def test_a_tensor_that_is_missing_is_named(tmp_path: Path) -> None:
    checkpoints, tensors, _ = kept(tmp_path, [])
    tensors["mean.new"] = torch.zeros(3)
    with pytest.raises(LmworksError, match=r"step-000009: tensor 'mean.new' is missing"):
        checkpoints.restore()


def test_a_run_goes_on_from_the_checkpoint_before_and_ends_with_the_same_bytes(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    run(tmp_path / "calm", rows, tokenizer)
    context = make_context(tmp_path / "hurt", MemoryJournal())
    with pytest.raises(Killed):
        run(tmp_path / "hurt", rows, tokenizer, kill_after(11, context))
    path = context.scratch / "step-000009.safetensors"
    flip(path, path.stat().st_size * 8 - 1)  # a sign
    said: list[str] = []
    result = run(tmp_path / "hurt", rows, tokenizer, dataclasses.replace(context, log=said.append))
    assert result.measured["steps_of_this_run"] == 6 and "differs from its digest" in said[0]
    assert payload(tmp_path / "hurt") == payload(tmp_path / "calm")


# ---------------------------------------------------------------- answers that were drawn


ROLLING: dict[str, Any] = {
    **{"objective": "grpo", "answer_tokens": 8, "group_size": 4, "global_batch_tokens": 384, "learning_rate": 1e-3},
    **{"epochs": 4, "rewards": [{"kind": "length", "most": 3}]},
}
"""Checkpoint 6 lies in the midst of the second rollout, checkpoint 3 of the first."""


@pytest.fixture(scope="module")
def rolled(folder: Path, tokenizer: TokenizerFolder) -> tuple[Shards, ModelFolder]:
    run(folder / "base", pack_texts(folder / "short", tokenizer, texts(), 48), tokenizer, steps=2)
    base = ModelFolder(folder / "base" / "out", "base")
    asked = pack_asked(folder / "asked", tokenizer, 48, answer_tokens=8)
    run(folder / "rolled", asked, tokenizer, base=base, **ROLLING)
    return asked, base


@pytest.mark.parametrize("rollouts", [[1], [0, 1]])
@pytest.mark.slow
def test_damaged_answers_are_drawn_anew_from_the_weights_that_drew_them_or_the_run_stops(
    folder: Path,
    rolled: tuple[Shards, ModelFolder],
    tokenizer: TokenizerFolder,
    tmp_path: Path,
    rollouts: list[int],
) -> None:
    asked, base = rolled
    context = make_context(tmp_path, MemoryJournal())
    with pytest.raises(Killed):
        run(tmp_path, asked, tokenizer, kill_after(8, context), base, **ROLLING)
    draw = random.Random(4)
    for number in rollouts:
        path = context.scratch / f"rollout-{number:06d}.safetensors"
        flip(path, draw.randrange(path.stat().st_size * 8))
    said: list[str] = []
    context = dataclasses.replace(context, log=said.append)
    if 0 in rollouts:
        with pytest.raises(LmworksError, match=r"no checkpoint is sound: .*rollout-000001.*rollout-000000"):
            run(tmp_path, asked, tokenizer, context, base, **ROLLING)
        return
    result = run(tmp_path, asked, tokenizer, context, base, **ROLLING)
    assert result.measured["steps_of_this_run"] == 9 and "rollout-000001" in said[0]
    assert payload(tmp_path) == payload(folder / "rolled")
