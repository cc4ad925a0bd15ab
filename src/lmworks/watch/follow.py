"""The state of a training run, read from the file that the run writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.errors import UsageError
from lmworks.pipeline.manifest import read_manifest
from lmworks.pipeline.store import Store, is_held
from lmworks.train.configs.train import LIVE

RECENT = 20
"""Number of last steps whose mean speed predicts the time left."""


@dataclass(frozen=True)
class Standing:
    """The present state of a run."""

    name: str
    finished: bool
    stopped: bool
    """Whether the run has not finished and no process is working on it."""
    config: Mapping[str, Any]
    lines: Sequence[Mapping[str, float]]
    """Values of each step, in order."""
    samples: Sequence[Mapping[str, Any]]

    def series(self, name: str) -> list[tuple[float, float]]:
        """Return (step, value) for every step at which the value was measured."""
        return [(line["step"], line[name]) for line in self.lines if name in line]

    def last(self, name: str) -> float | None:
        return next((line[name] for line in reversed(self.lines) if name in line), None)

    @property
    def steps(self) -> int:
        return int(self.config["steps"])

    @property
    def done(self) -> int:
        return int(self.lines[-1]["step"]) if self.lines else 0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end, at the mean speed of the last steps, validation and saving included."""
        recent = self.lines[-RECENT:]
        if self.finished or self.stopped or len(recent) < 2:
            return None
        pace = (recent[-1]["seconds"] - recent[0]["seconds"]) / max(1, recent[-1]["step"] - recent[0]["step"])
        return pace * (self.steps - self.done)


def find_run(store: Store, name: str | None) -> Path:
    """Return the file of a model's newest run, running or ended. Without a name, search the runs of all models.

    Raises UsageError if there is no run.
    """
    found = sorted(runs(store), key=lambda run: run[1].stat().st_mtime)
    wanted = [path for step, path in found if name in (None, step)]
    if not wanted:
        names = ", ".join(sorted({step for step, _ in found}))
        raise UsageError(
            f"no training run of {name!r} in {store.root}; "
            + (f"there are runs of {names}" if names else "it has no runs")
            if name
            else f"no training has begun in {store.root}. Type `lmworks build`, and watch it in another terminal"
        )
    return wanted[-1]


def read_standing(path: Path) -> Standing:
    """Read the file of a run. Skip a line that is still being written."""
    if path.name != LIVE:
        return _read_finished(path)
    lines: list[dict[str, float]] = []
    samples: list[dict[str, Any]] = []
    name, config = "", {}
    for record in _records(path):
        if "run" in record:
            name, config = record["run"], record["config"]
        elif "text" in record:
            samples.append(record)
        else:
            while lines and lines[-1]["step"] >= record["step"]:  # the run was stopped, or went back
                lines.pop()
            lines.append(record)
    lock = path.parents[1] / "lock"
    return Standing(name, False, lock.exists() and not is_held(lock), config, lines, samples)


def _read_finished(history: Path) -> Standing:
    """Return losses and samples of a finished run. Its speed and memory are not kept."""
    manifest = read_manifest(history.parents[1] / "manifest.json")
    samples = list(_records(history.with_name("samples.jsonl")))
    return Standing(manifest.step, True, False, manifest.config, list(_records(history)), samples)


def _records(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def runs(store: Store) -> Iterator[tuple[str, Path]]:
    """Yield the model's name and the file of every run in a store: the live file, or the history of an ended run."""
    for path in store.root.glob(f"work/*/scratch/{LIVE}"):
        yield (path.parents[1] / "step").read_text(), path
    for artifact in store.all():
        path = artifact.payload / "history.jsonl"
        if artifact.stage == "train" and path.exists():
            yield artifact.manifest.step, path
