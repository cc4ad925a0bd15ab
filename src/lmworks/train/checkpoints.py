"""Checkpoints: a safetensors file and a JSON file, named by the journal once both are on disk.

Tensors are whole and by name, however many processes trained them, so that any number of processes can go on.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from lmworks.data.documents import write_file
from lmworks.errors import LmworksError
from lmworks.pipeline.build import versions
from lmworks.pipeline.stage import Context
from lmworks.train.processes import Processes, like, whole

BEST = "best.safetensors"
Fingerprint = Mapping[str, str]
"""What a run may not change while it goes on, by name."""


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
    """The checkpoints of one run, written by one thread behind its back.

    Leaving the context waits for what is being written. Errors of the thread are raised by the next call.
    """

    def __init__(
        self,
        context: Context,
        tensors: Mapping[str, Tensor],
        fingerprint: Fingerprint,
        processes: Processes,
        *,
        keep: int,
        published: Path,
    ) -> None:
        self.processes = processes
        self.context, self.tensors, self.fingerprint = context, tensors, fingerprint
        self.keep, self.published = keep, published
        self.writer = ThreadPoolExecutor(1)
        self.writing: Future[None] | None = None
        for unfinished in context.scratch.glob(".*.safetensors.*") if processes.is_first else ():
            unfinished.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.writer.shutdown()
        if error is None:
            self.wait()

    def wait(self) -> None:
        """Wait for what is being written; raises what went wrong there."""
        if self.writing:
            self.writing.result()

    def save(self, position: Position, *, publish: bool = False) -> None:
        """Store the state after `position.step` steps, besides in the run's output if it is to be published."""
        record = {"fingerprint": dict(self.fingerprint), "position": vars(position)}
        text = json.dumps(record)  # before the run goes on and changes it
        own = json.dumps(record | {"versions": versions()})
        name = f"step-{position.step:06d}"

        def write(tensors: Mapping[str, Tensor]) -> None:
            if publish:
                _write(self.published, name, text, tensors)
            _write(self.context.scratch, name, own, tensors)
            self.context.journal.append({"checkpoint": name})
            for old in set(self.names()) - set(self.names()[: self.keep]):
                for file in self.context.scratch.glob(f"{old}.*"):
                    file.unlink()

        self._hand_over(name, write, self.tensors)

    def save_best(self, weights: Mapping[str, Tensor]) -> None:
        """Store the weights of the lowest validation loss."""
        self._hand_over(BEST, lambda tensors: write_tensors(self.context.scratch / BEST, tensors), weights)

    def _hand_over(
        self, name: str, write: Callable[[Mapping[str, Tensor]], None], tensors: Mapping[str, Tensor]
    ) -> None:
        self.wait()  # one copy at a time
        copies = {key: whole(tensor).clone().cpu() for key, tensor in tensors.items()}
        if not self.processes.is_first:
            return

        def work() -> None:
            try:
                write(copies)
            except OSError as error:
                needed = sum(tensor.nbytes for tensor in copies.values())
                free = shutil.disk_usage(self.context.scratch).free
                raise LmworksError(
                    f"{self.context.scratch / name}: {error.strerror}: a checkpoint needs {needed / 1e6:,.1f} MB, "
                    f"{free / 1e6:,.1f} MB are free; what was saved before is whole. Make room and give the same "
                    f"command again: it goes on after {(self.names() or ['the beginning'])[0]}"
                ) from error

        self.writing = self.writer.submit(work)

    def names(self) -> list[str]:
        """Checkpoints that the journal names, the newest first, each once."""
        found = [record["checkpoint"] for record in self.context.journal.records() if "checkpoint" in record]
        return list(dict.fromkeys(reversed(found)))

    def restore(self) -> Position:
        """Copy the newest whole checkpoint into the tensors; the position where the run goes on.

        Raises if it was made from other data or with other settings.
        """
        self.wait()
        self.processes.wait()
        for name in self.names()[: self.keep]:
            if found := read_checkpoint(self.context.scratch, name, self.tensors, self.context.log):
                self._compare(name, found)
                return Position(**found["position"])
        return Position()

    def _compare(self, name: str, found: Mapping[str, Any]) -> None:
        before, now = found["fingerprint"], self.fingerprint
        differences = [
            f"{key} was {before.get(key, 'its default')}, now {now.get(key, 'its default')}"
            for key in sorted({*before, *now})
            if before.get(key) != now.get(key)
        ]
        if differences:
            raise LmworksError(
                f"{self.context.scratch / name}: this run began with something else: {'; '.join(differences)}. Restore "
                f"that, or delete {self.context.scratch.parent} to begin anew, or branch from a published checkpoint"
            )
        library = [
            f"{key} {found['versions'].get(key)} to {version}"
            for key, version in versions().items()
            if found["versions"].get(key) != version
        ]
        if library:
            self.context.log(f"libraries changed since the checkpoint, and bits may: {', '.join(library)}")

    def load_best(self) -> None:
        """Copy the best weights into the tensors."""
        self.wait()
        self.processes.wait()
        read_tensors(self.context.scratch / BEST, self.tensors)


def branch_from(folder: Path, step: int, own: Checkpoints) -> Position:
    """Copy a published checkpoint of another run into the tensors of a new one; the position where that run was.

    Raises if there is none, or if its tensors or tokenizer are others.
    """
    name = f"step-{step:06d}"
    if not (folder / f"{name}.json").exists():
        known = ", ".join(str(int(path.stem.removeprefix("step-"))) for path in sorted(folder.glob("*.json")))
        raise LmworksError(
            f"{folder}: no checkpoint of step {step}; published are {known or 'none'}. Ask for it with "
            f"`publish_checkpoints: [{step}]` in the model that is branched from"
        )

    def refuse(reason: str) -> None:
        raise LmworksError(f"{reason}; a branch keeps the shape and the optimizer of the run that it comes from")

    found = read_checkpoint(folder, name, own.tensors, refuse)
    assert found  # noqa: S101 - refused above otherwise
    if found["fingerprint"]["tokenizer"] != own.fingerprint["tokenizer"]:
        raise LmworksError(f"{folder / name}: made with another tokenizer; a branch keeps the tokenizer")
    position = Position(**found["position"])
    position.best_loss, position.best_step = None, step  # those weights were not published
    return position


def read_checkpoint(
    folder: Path, name: str, tensors: Mapping[str, Tensor], say: Callable[[str], None]
) -> dict[str, Any] | None:
    """Copy a checkpoint into `tensors`; what its JSON holds, or None if it is damaged, which is said."""
    try:
        found = dict(json.loads((folder / f"{name}.json").read_text()))
        read_tensors(folder / f"{name}.safetensors", tensors)
    except (OSError, ValueError) as error:
        say(f"{folder / name}: cannot be read ({error})")
        return None
    return found


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to a safetensors file, atomically and without a copy of all in one piece."""
    write_file(path, _pieces(tensors))


def _pieces(tensors: Mapping[str, Tensor]) -> Iterable[Any]:
    """The bytes of a safetensors file: length of the header, header, and each tensor in little-endian rows."""
    import torch

    types = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.int64: "I64", torch.uint8: "U8"}
    header, end = {}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": types[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for tensor in tensors.values():
        yield tensor.contiguous().flatten().view(torch.uint8).numpy()


def read_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Copy what a safetensors file holds into the tensors of its names.

    Raises ValueError if the file is damaged, or some of the tensors are missing or of other shapes; then nothing is
    copied.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            for name, shape in found.items():
                if name not in tensors or tuple(tensors[name].shape) != shape:
                    raise ValueError(f"it has {name} of shape {shape}, which is not expected")
            for name in found:
                tensors[name].copy_(like(file.get_tensor(name), tensors[name]))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _write(folder: Path, name: str, text: str, tensors: Mapping[str, Tensor]) -> None:
    write_tensors(folder / f"{name}.safetensors", tensors)
    write_file(folder / f"{name}.json", text.encode())
