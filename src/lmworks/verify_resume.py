"""Whether training that is killed ends as training that is not: tried with real processes on a user's own model."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.build import Build, Display, Environment, Node
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.store import Artifact, Store
from lmworks.train.configs.train import TrainConfig
from lmworks.train.loop.train import train
from lmworks.workspace import Workspace, run

STEPS = 12
POLL_SECONDS = 0.002
MOMENTS = ("progress.jsonl", "scratch/*step-{3:06d}*", "scratch/*step-{9:06d}*", "out/model.safetensors")
"""The process is killed when such a file appears: before any checkpoint, and while two and the model are written."""


@dataclass(frozen=True)
class Verdict:
    """Which files of the model's folder differ; the state of the optimizer is one of them."""

    model: str
    different: list[str]
    kills: int
    straight_seconds: float
    killed_seconds: float

    def as_text(self) -> str:
        """One sentence for a terminal."""
        return (
            f"{self.model}: weights, optimizer state and history after {STEPS} steps, straight and killed {self.kills} "
            f"times: {', '.join(self.different) + ' differ' if self.different else 'equal bit for bit'} "
            f"({self.straight_seconds:.0f} s and {self.killed_seconds:.0f} s)"
        )


def verify_resume(workspace: Workspace, model: str | None, display: Display) -> Verdict:
    """Train some steps of a model, by default the first, once straight and once killed again and again.

    What it is trained on, and from, is built where it is missing; its own artifact and the last build stay as they are.
    """
    models = {node.name: node for node in workspace.build.nodes if node.stage is train}
    name = model or next(iter(models), "")
    if name not in models:
        raise UsageError(f"no model {name!r}; models of this recipe: {', '.join(models) or 'none'}")
    node, config = models[name], models[name].config
    assert isinstance(config, TrainConfig)  # noqa: S101 - for the type checker
    for reference in node.references():
        run(workspace, display, until=reference.partition(".")[0], remember=False)
    steps = range((config.branch_step or 0), (config.branch_step or 0) + STEPS + 1)
    short = {"checkpoint_steps": 3, "validation_steps": 5, "steps": steps[-1], "publish_checkpoints": [steps[-1]]}
    made = [name, config.model_copy(update=short), node.inputs, workspace.build.artifacts]
    kills, seconds, files = 0, [], []
    with tempfile.TemporaryDirectory(prefix="verify-", dir=workspace.store.root) as folder:
        for label, moments in (("straight", ()), ("killed", MOMENTS)):
            display.say(f"{name}: {STEPS} steps, {label}")
            store, began = Path(folder).absolute() / label, time.monotonic()
            kills += sum(_run_child(store, made, moment.format(*steps)) for moment in moments)
            _run_child(store, made, None)
            seconds.append(time.monotonic() - began)
            (artifact,) = Store(store).all()
            files.append({file: record.sha256 for file, record in artifact.manifest.files.items()})
    different = sorted(file for file in files[0] | files[1] if files[0].get(file) != files[1].get(file))
    return Verdict(name, different, kills, seconds[0], seconds[1])


def _run_child(store: Path, made: Sequence[Any], moment: str | None) -> bool:
    """Train in a process of its own; whether it was killed, as a file of that name appeared."""
    child = multiprocessing.get_context("spawn").Process(target=_train, args=(store, *made), daemon=True)
    child.start()
    while child.is_alive():
        if moment and any(store.glob(f"work/*/{moment}")):
            child.kill()
        child.join(POLL_SECONDS)
    if child.exitcode not in (0, -signal.SIGKILL if moment else 0):
        raise LmworksError(f"training in a process of its own ended with {child.exitcode}; its reason stands above")
    return child.exitcode != 0


def _train(store: Path, name: str, config: TrainConfig, inputs: Any, artifacts: dict[str, Artifact]) -> None:
    node = Node(name, train, config, inputs)
    quiet, environment = PlainDisplay(StringIO()), Environment(lambda: None, workers=1)
    Build(Store(store), [node], artifacts=artifacts).run(node, quiet, (1, 1), environment)
