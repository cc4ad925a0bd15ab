"""Checkpoints: a safetensors file and a JSON file, named by the journal once both are on disk.

Tensors are whole and by name, however many processes trained them, so that any number of processes can go on. Each has
a digest in the file, and the JSON file has one of itself: what was damaged is never loaded.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from lmworks.data.records import write_file
from lmworks.errors import LmworksError
from lmworks.model.sealed import check_tensors, load_record, load_tensors, with_digest, with_digests
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
        texts = {self.published: with_digest(record)} if publish else {}
        texts[self.context.scratch] = with_digest(record | {"versions": versions()})

        def write(content: Sequence[bytes | memoryview]) -> None:
            for folder, text in texts.items():
                write_file(folder / f"{name}.safetensors", content)
                write_file(folder / f"{name}.json", text)
            self.context.journal.append({"checkpoint": name})
            for file in self.context.scratch.glob("step-*"):
                if file.stem not in self._names()[: self.keep]:
                    file.unlink()

        self._hand_over(name, self.tensors, write)

    def save_best(self, weights: Mapping[str, Tensor]) -> None:
        """Store the weights of the lowest validation loss."""
        self._hand_over(BEST, weights, partial(write_file, self.context.scratch / BEST))

    def load_best(self, weights: Mapping[str, Tensor]) -> None:
        """Copy those into the weights. Raises LmworksError if the file was damaged."""
        self._wait()
        path = self.context.scratch / BEST
        try:
            _read_tensors(path, weights)
        except (OSError, ValueError) as error:
            raise LmworksError(f"{path}: {error}; give the same command again to go on from before it") from error

    def _hand_over(
        self, name: str, tensors: Mapping[str, Tensor], write: Callable[[Sequence[bytes | memoryview]], None]
    ) -> None:
        from safetensors.torch import save

        self.writing.result()  # one copy at a time
        copies = {key: whole(tensor).cpu() for key, tensor in tensors.items()}
        if not self.processes.is_first:
            return
        content = save(copies)

        def work() -> None:
            try:
                write(list(with_digests(content)))
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

    def restore(self, require: Callable[[Position], None] = lambda position: None) -> Position:
        """Copy the newest sound checkpoint into the tensors; the position where the run goes on, 0 if it has none.

        `require` raises ValueError where something else is missing to go on from a position. Raises LmworksError if
        checkpoints were made from other data or with other settings, or none of those that are kept is sound.
        """
        self._wait()
        unsound = []
        for path in (self.context.scratch / name for name in self._names()[: self.keep]):
            try:
                found = load_record(path.with_suffix(".json"))
                if changes := _changes(found["fingerprint"], self.fingerprint):
                    raise LmworksError(
                        f"{path}: this run began with something else: {changes}. Restore that, or delete "
                        f"{path.parent.parent} to begin anew, or branch from a published checkpoint"
                    )
                position = Position(**found["position"])
                require(position)
                self._require_best(position)
                _read_tensors(path.with_suffix(".safetensors"), self.tensors)
            except (OSError, ValueError) as error:
                unsound.append(f"{path.name}: {error}")
                self.context.log(f"{path}: not taken: {error}")
                continue
            if changes := _changes(found["versions"], versions()):
                self.context.log(f"libraries changed since the checkpoint, and bits may: {changes}")
            return position
        if unsound:
            raise LmworksError(
                f"{self.context.scratch}: no checkpoint is sound: {'; '.join(unsound)}; delete "
                f"{self.context.scratch.parent} to begin anew"
            )
        return Position()

    def _require_best(self, position: Position) -> None:
        """Raise ValueError if the position remembers the best weights, and they were damaged."""
        if position.best_loss is not None:
            try:
                check_tensors(self.context.scratch / BEST)
            except (OSError, ValueError) as error:
                raise ValueError(f"{BEST}: {error}") from error

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
            found = load_record(path.with_suffix(".json"))
            if found["fingerprint"]["tokenizer"] != self.fingerprint["tokenizer"]:
                raise ValueError("made with another tokenizer")
            _read_tensors(path.with_suffix(".safetensors"), self.tensors)
        except (OSError, ValueError) as error:
            raise LmworksError(f"{path}: {error}; a branch keeps the shape, optimizer and tokenizer") from error
        return replace(Position(**found["position"]), best_loss=None, best_step=step)  # those weights are not here


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What differs, by name; long values are cut."""
    pairs = {key: (before.get(key, "its default"), now.get(key, "its default")) for key in sorted({*before, *now})}
    return "; ".join(f"{key} was {old:.32}, now {new:.32}" for key, (old, new) in pairs.items() if old != new)


def _read_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Copy what a file holds into the tensors of its names. Raises ValueError if it is damaged or does not fit."""
    stored = load_tensors(path)
    for name, tensor in stored.items():
        if name not in tensors or tensors[name].shape != tensor.shape:
            raise ValueError(f"{name} of shape {tuple(tensor.shape)} is not expected")
    if missing := [name for name in tensors if name not in stored]:
        raise ValueError(f"tensor {missing[0]!r} is missing")
    for name, tensor in stored.items():
        tensors[name].copy_(like(tensor, tensors[name]))
