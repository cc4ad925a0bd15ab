"""Checkpoints: a safetensors file and a JSON file, which the journal names once both are on disk.

Files have whole tensors by name, however many processes trained them, so that any number of processes can continue.
Each tensor has a digest in the file, and the JSON file has its own, so that damaged files are never loaded.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, Self

from torch import Tensor

from lmworks.errors import LmworksError
from lmworks.model.sealed import check_tensors, load_record, load_tensors, with_digest, with_digests
from lmworks.pipeline.build import versions
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context
from lmworks.train.distributed.processes import Processes, like, whole

BEST, WITHIN = "best.safetensors", "within.safetensors"
"""Files with the weights of the lowest validation loss, and with the last weights within the objective's limit."""


@dataclass
class Position:
    """Position of a run, and what it has recorded so far."""

    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    validations: list[list[float]] = field(default_factory=list)
    """Mean loss of each part of the validation data: before the first step, and at each validation."""
    within_step: int | None = None
    """Last step after which the weights were measured to be within the objective's limit."""
    began: int = 0
    """Step after which the current rows were first read. It is not 0 if a branch reads other rows than its origin."""
    best_loss: float | None = None
    best_step: int = 0
    """Step at which the validation loss was lowest, if the best weights are kept."""

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Return the position in a stored record, without fields that only earlier releases had."""
        return cls(**{each.name: stored[each.name] for each in fields(cls) if each.name in stored})


class Checkpoints:
    """The checkpoints of one run: tensors are copied at once, and a background thread writes them.

    `fingerprint` has the values that must not change when a run continues. Leaving the context waits for the thread,
    except after KeyboardInterrupt. The next call raises an error of the thread.
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
        self.writer: Thread | None = None
        self.fault: BaseException | None = None
        for unfinished in context.scratch.glob(".*.safetensors.*") if processes.is_first else ():
            unfinished.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.writer and kind is not KeyboardInterrupt:
            self.writer.join()
        if error is None:
            self._settle()

    def save(self, position: Position, *, publish: bool = False, stopped: bool = False) -> None:
        """Store the state after `position.step` steps. A published state is also stored in the run's output.

        `stopped` means that the user stopped the run here. The call then waits until the state is on disk.
        """
        name = f"step-{position.step:06d}"
        if stopped and (not position.step or name in self._kept()[:1]):
            return
        record = {"fingerprint": dict(self.fingerprint), "position": vars(position)}
        texts = {self.published: with_digest(record)} if publish else {}
        texts[self.context.scratch] = with_digest(record | {"versions": versions()})

        def write(content: Sequence[bytes | memoryview]) -> None:
            for folder, text in texts.items():
                write_atomically(folder / f"{name}.safetensors", content)
                write_atomically(folder / f"{name}.json", text)
            self.context.journal.append({"checkpoint": name, **({"stopped": True} if stopped else {})})
            for file in self.context.scratch.glob("step-*"):
                if file.stem not in self._kept():
                    file.unlink()

        self._hand_over(name, self.tensors, write)
        if stopped:
            self._wait()

    def keep_weights(self, name: str, weights: Mapping[str, Tensor]) -> None:
        """Store weights with which the run could end, under the name `BEST` or `WITHIN`."""
        self._hand_over(name, weights, partial(write_atomically, self.context.scratch / name))

    def take_weights(self, name: str, weights: Mapping[str, Tensor]) -> None:
        """Copy weights that `keep_weights` stored into `weights`. Raises LmworksError if the file is damaged."""
        self._wait()
        path = self.context.scratch / name
        try:
            _read_tensors(path, weights)
        except (OSError, ValueError) as error:
            raise LmworksError(f"{path}: {error}; run the same command again to go on from an earlier state") from error

    def _hand_over(
        self, name: str, tensors: Mapping[str, Tensor], write: Callable[[Sequence[bytes | memoryview]], None]
    ) -> None:
        from safetensors.torch import save

        self._settle()  # one copy at a time
        copies = {}
        for key, tensor in tensors.items():
            one = whole(tensor)  # for which all processes give their parts
            if self.processes.is_first:
                copies[key] = one.cpu()
        if not self.processes.is_first:
            return
        content = save(copies)

        def work() -> None:
            try:
                write(list(with_digests(content)))
            except OSError as error:
                free = shutil.disk_usage(self.context.scratch).free
                self.fault = LmworksError(
                    f"{self.context.scratch / name}: {error.strerror}: {len(content) / 1e6:,.1f} MB are needed, "
                    f"{free / 1e6:,.1f} free. Make room and run the same command again: it goes on after {self.last}"
                )
                self.fault.__cause__ = error
            except BaseException as error:
                self.fault = error

        self.writer = Thread(target=work, daemon=True)
        self.writer.start()

    @property
    def last(self) -> str:
        """Name of the newest checkpoint, in words."""
        return (self._kept() or ["the beginning"])[0]

    def _settle(self) -> None:
        """Wait for the writing thread. Raises its error, if there was one."""
        if self.writer:
            self.writer.join()
        if self.fault:
            raise self.fault

    def _wait(self) -> None:
        """Wait until all saved files are on disk, in every process."""
        self._settle()
        self.processes.wait()

    def _kept(self) -> list[str]:
        """Return the names of the checkpoints to keep, the newest first.

        These are the last `keep` regular checkpoints. A newer checkpoint of a stopped run comes before them, until the
        next regular one.
        """
        stopped: dict[str, bool] = {}
        for record in reversed(self.context.journal.records()):
            if "checkpoint" in record:
                stopped.setdefault(record["checkpoint"], record.get("stopped", False))
        kept = [name for name, early in stopped.items() if not early][: self.keep]
        return [*(name for name in list(stopped)[:1] if stopped[name]), *kept]

    def restore(self, require: Callable[[Position], None] = lambda position: None) -> Position:
        """Copy the newest undamaged checkpoint into the tensors, and return its position, or 0 without checkpoints.

        `require` raises ValueError if another file is missing to continue from a position. Raises LmworksError if
        checkpoints were made with other data or settings, or if all of them are damaged.
        """
        self._wait()
        unsound = []
        for path in (self.context.scratch / name for name in self._kept()):
            try:
                found = load_record(path.with_suffix(".json"))
                if changes := _changes(found["fingerprint"], self.fingerprint):
                    raise LmworksError(
                        f"{path}: this run began with other settings: {changes}. Restore them, or begin anew: "
                        f"`lmworks build --rebuild` its step, or delete {path.parent.parent}; or branch from a "
                        "published checkpoint"
                    )
                position = Position.read(found["position"])
                require(position)
                self._require_best(position)
                _read_tensors(path.with_suffix(".safetensors"), self.tensors)
            except (OSError, ValueError) as error:
                unsound.append(f"{path.name}: {error}")
                self.context.log(f"{path}: not taken: {error}")
                continue
            if changes := _changes(found["versions"], versions()):
                self.context.log(f"libraries changed since the checkpoint, so last digits may differ: {changes}")
            return position
        if unsound:
            raise LmworksError(
                f"{self.context.scratch}: no checkpoint is sound: {'; '.join(unsound)}; begin anew: `lmworks build "
                f"--rebuild` its step, or delete {self.context.scratch.parent}"
            )
        return Position()

    def _require_best(self, position: Position) -> None:
        """Raise ValueError if the position has a best step whose stored weights are damaged."""
        if position.best_loss is not None:
            try:
                check_tensors(self.context.scratch / BEST)
            except (OSError, ValueError) as error:
                raise ValueError(f"{BEST}: {error}") from error

    def branch_from(self, folder: Path, step: int) -> Position:
        """Copy a published checkpoint of another run into the tensors, and return its position.

        Raises LmworksError if the checkpoint does not exist, or has other tensors or another tokenizer.
        """
        path = folder / f"step-{step:06d}"
        if not path.with_suffix(".json").exists():
            known = ", ".join(str(int(each.stem.removeprefix("step-"))) for each in sorted(folder.glob("*.json")))
            raise LmworksError(
                f"{folder}: no checkpoint of step {step}; published are {known or 'none'}. Set "
                f"`publish_checkpoints: [{step}]` in the model from which you branch"
            )
        try:
            found = load_record(path.with_suffix(".json"))
            if found["fingerprint"]["tokenizer"] != self.fingerprint["tokenizer"]:
                raise ValueError("made with another tokenizer")
            _read_tensors(path.with_suffix(".safetensors"), self.tensors)
        except (OSError, ValueError) as error:
            raise LmworksError(f"{path}: {error}; a branch must keep shape, optimizer and tokenizer") from error
        position, theirs = Position.read(found["position"]), found["fingerprint"]
        if theirs.get("rows") != self.fingerprint.get("rows"):
            position.began = step
        if theirs.get("validation rows") != self.fingerprint.get("validation rows"):
            position.validations = []  # of other rows
        return replace(position, best_loss=None, best_step=step)  # those weights are not here


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return the differences by name, with long values cut."""
    pairs = {key: (before.get(key, "its default"), now.get(key, "its default")) for key in sorted({*before, *now})}
    return "; ".join(f"{key} was {old:.32}, now {new:.32}" for key, (old, new) in pairs.items() if old != new)


def _read_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Copy a file's tensors into those with the same names. Raises ValueError if it is damaged or does not fit."""
    stored = load_tensors(path)
    for name, tensor in stored.items():
        if name not in tensors or tensors[name].shape != tensor.shape:
            raise ValueError(f"{name} of shape {tuple(tensor.shape)} is not expected")
    if missing := [name for name in tensors if name not in stored]:
        raise ValueError(f"tensor {missing[0]!r} is missing")
    for name, tensor in stored.items():
        tensors[name].copy_(like(tensor, tensors[name]))
