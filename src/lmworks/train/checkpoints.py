"""Checkpoints: a safetensors file and a JSON file, named by the journal once both are on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from lmworks.data.documents import write_file
from lmworks.pipeline.stage import Context


@dataclass
class Position:
    """How far a run has come, and what it has written down on the way."""

    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    spikes: list[int] = field(default_factory=list)
    """Steps whose update was left out."""
    data_shift: int = 0
    """By how many steps the data is ahead, since runs that were rolled back do not meet the same data again."""
    best_loss: float | None = None
    best_step: int = 0
    """Where the validation loss was lowest, if `patience` asks; on a way that was rolled back, perhaps."""


def save_checkpoint(context: Context, position: Position, tensors: Mapping[str, Tensor]) -> None:
    """Store the state after `position.step` steps, then drop the checkpoint before it."""
    name = f"step-{position.step:06d}"
    previous = [file for file in context.scratch.glob("step-*") if file.stem != name]
    save_tensors(context.scratch / f"{name}.safetensors", tensors)
    write_file(context.scratch / f"{name}.json", json.dumps(vars(position)).encode())
    context.journal.append({"checkpoint": name})
    for file in previous:
        file.unlink()


def restore_checkpoint(context: Context, tensors: Mapping[str, Tensor]) -> Position:
    """Copy the newest checkpoint into `tensors`; the position where the run goes on."""
    names = [record["checkpoint"] for record in context.journal.records() if "checkpoint" in record]
    if not names:
        return Position()
    load_tensors(context.scratch / f"{names[-1]}.safetensors", tensors)
    return Position(**json.loads((context.scratch / f"{names[-1]}.json").read_text()))


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to a safetensors file."""
    from safetensors.torch import save

    write_file(path, save(dict(tensors)))


def load_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Copy what a safetensors file holds into the tensors of its names."""
    from safetensors.torch import load_file

    for name, stored in load_file(path).items():
        tensors[name].copy_(stored)
