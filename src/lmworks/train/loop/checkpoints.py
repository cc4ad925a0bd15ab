"""Checkpoints: a safetensors file and a JSON file, named by the journal once both are on disk.

Tensors are whole and by name, however many processes trained them, so that any number of processes can go on.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from lmworks.data.records import write_file
from lmworks.errors import LmworksError
from lmworks.pipeline.build import versions
from lmworks.pipeline.stage import Context
from lmworks.train.distributed.processes import Processes, like, whole

BEST = "best.safetensors"


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
    """Where the validation loss was lowest, if the best weights are kept; on a way that was rolled back, perhaps."""


class Checkpoints:
    """The checkpoints of one run: copied at once, written by one thread behind its back.

    `fingerprint` is what a run may not change while it goes on. Leaving the context waits for what is being written;
    what goes wrong there is raised by the next call.
    """

    def __init__(
        self,
        context: Context,
        tensors: Mapping[str, Tensor],
        fingerprint: Mapping[str, str],
        processes: Processes,
        keep: int,
        published: Path,
    ) -> None:
        self.processes = processes
        self.context, self.tensors, self.fingerprint = context, tensors, fingerprint
        self.keep, self.published = keep, published
        self.writer, self.writing = ThreadPoolExecutor(1), Future[None]()
        self.writing.set_result(None)
        for unfinished in context.scratch.glob(".*.safetensors.*") if processes.is_first else ():
            unfinished.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.writer.shutdown()
        if error is None:
            self.writing.result()

    def save(self, position: Position, *, publish: bool = False) -> None:
        """Store the state after `position.step` steps, besides in the run's output if it is to be published."""
        name = f"step-{position.step:06d}"
        record = {"fingerprint": dict(self.fingerprint), "position": vars(position)}
        texts = {self.published: json.dumps(record)} if publish else {}
        texts[self.context.scratch] = json.dumps(record | {"versions": versions()})

        def write(content: bytes) -> None:
            for folder, text in texts.items():
                write_file(folder / f"{name}.safetensors", content)
                write_file(folder / f"{name}.json", text.encode())
            self.context.journal.append({"checkpoint": name})
            for file in self.context.scratch.glob("step-*"):
                if file.stem not in self._names()[: self.keep]:
                    file.unlink()

        self._hand_over(name, self.tensors, write)

    def save_best(self, weights: Mapping[str, Tensor]) -> None:
        """Store the weights of the lowest validation loss."""
        self._hand_over(BEST, weights, partial(write_file, self.context.scratch / BEST))

    def load_best(self) -> None:
        """Copy those into the tensors."""
        self._wait()
        _read_tensors(self.context.scratch / BEST, self.tensors)

    def _hand_over(self, name: str, tensors: Mapping[str, Tensor], write: Callable[[bytes], None]) -> None:
        from safetensors.torch import save

        self.writing.result()  # one copy at a time
        copies = {key: whole(tensor).cpu() for key, tensor in tensors.items()}
        if not self.processes.is_first:
            return
        content = save(copies)

        def work() -> None:
            try:
                write(content)
            except OSError as error:
                free, last = shutil.disk_usage(self.context.scratch).free, (self._names() or ["the beginning"])[0]
                raise LmworksError(
                    f"{self.context.scratch / name}: {error.strerror}: {len(content) / 1e6:,.1f} MB are needed, "
                    f"{free / 1e6:,.1f} free. Make room and give the same command again: it goes on after {last}"
                ) from error

        self.writing = self.writer.submit(work)

    def _wait(self) -> None:
        """Until what was saved is on disk, for all processes."""
        self.writing.result()
        self.processes.wait()

    def _names(self) -> list[str]:
        """Checkpoints that the journal names, the newest first, each once."""
        found = [record["checkpoint"] for record in self.context.journal.records() if "checkpoint" in record]
        return list(dict.fromkeys(reversed(found)))

    def restore(self) -> Position:
        """Copy the newest whole checkpoint into the tensors; the position where the run goes on.

        Raises if it was made from other data or with other settings.
        """
        self._wait()
        for path in (self.context.scratch / name for name in self._names()[: self.keep]):
            try:
                found = _read(path, self.tensors)
            except (OSError, ValueError) as error:
                self.context.log(f"{path}: cannot be read ({error})")
                continue
            if changes := _changes(found["fingerprint"], self.fingerprint):
                raise LmworksError(
                    f"{path}: this run began with something else: {changes}. Restore that, or delete "
                    f"{path.parent.parent} to begin anew, or branch from a published checkpoint"
                )
            if changes := _changes(found["versions"], versions()):
                self.context.log(f"libraries changed since the checkpoint, and bits may: {changes}")
            return Position(**found["position"])
        return Position()

    def branch_from(self, folder: Path, step: int) -> Position:
        """Copy a published checkpoint of another run into the tensors; the position where that run was.

        Raises if there is none, or if its tensors or tokenizer are others.
        """
        path = folder / f"step-{step:06d}"
        if not path.with_suffix(".json").exists():
            known = ", ".join(str(int(each.stem.removeprefix("step-"))) for each in sorted(folder.glob("*.json")))
            raise LmworksError(
                f"{folder}: no checkpoint of step {step}; published are {known or 'none'}. Ask for it with "
                f"`publish_checkpoints: [{step}]` in the model that is branched from"
            )
        try:
            found = _read(path, self.tensors)
            if found["fingerprint"]["tokenizer"] != self.fingerprint["tokenizer"]:
                raise ValueError("made with another tokenizer")
        except (OSError, ValueError) as error:
            raise LmworksError(f"{path}: {error}; a branch keeps the shape, optimizer and tokenizer") from error
        return replace(Position(**found["position"]), best_loss=None, best_step=step)  # those weights are not here


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What differs, by name; long values are cut."""
    pairs = {key: (before.get(key, "its default"), now.get(key, "its default")) for key in sorted({*before, *now})}
    return "; ".join(f"{key} was {old:.32}, now {new:.32}" for key, (old, new) in pairs.items() if old != new)


def _read(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Copy a checkpoint into `tensors`; what its JSON holds."""
    found = dict(json.loads(path.with_suffix(".json").read_text()))
    _read_tensors(path.with_suffix(".safetensors"), tensors)
    return found


def _read_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Copy what a file holds into the tensors of its names. Raises ValueError if it is damaged or does not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    for name, tensor in stored.items():
        if name not in tensors or tensors[name].shape != tensor.shape:
            raise ValueError(f"{name} of shape {tuple(tensor.shape)} is not expected")
    for name, tensor in stored.items():
        tensors[name].copy_(like(tensor, tensors[name]))
