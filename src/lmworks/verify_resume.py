"""Whether training that is killed ends as training that is not: tried with real processes on a model of the user's own.

`python -m lmworks.verify_resume FOLDER` is such a process: it trains as FOLDER/job.json says, in a store in FOLDER, and
prints a line after each step.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from lmworks import graph
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.build import Build, Display, Environment, Node
from lmworks.pipeline.display import PlainDisplay, PlainProgress
from lmworks.pipeline.lifetime import end_with_parent
from lmworks.pipeline.store import Artifact, Store
from lmworks.train.config import TrainConfig
from lmworks.train.train import train
from lmworks.workspace import Workspace, run

STEPS = 12
SHORT = {"checkpoint_steps": 3, "validation_steps": 5}
KILLS = (1, 3, 7, 12)
"""Steps after which the process is killed: before any checkpoint, while one is written, between two, at the end."""


@dataclass(frozen=True)
class Verdict:
    """What was compared: every file of the model's folder, and the state of the optimizer with it."""

    model: str
    different: list[str]
    straight_seconds: float
    killed_seconds: float
    steps: int = STEPS
    kills: int = len(KILLS)

    def in_words(self) -> str:
        """One sentence for a terminal."""
        found = ", ".join(self.different) + " differ" if self.different else "equal bit for bit"
        return (
            f"{self.model}: weights, optimizer state and history after {self.steps} steps, straight and killed "
            f"{self.kills} times: {found} ({self.straight_seconds:.0f} s and {self.killed_seconds:.0f} s)"
        )


def verify_resume(workspace: Workspace, model: str | None, display: Display) -> Verdict:
    """Train some steps of a model, by default the first, once straight and once killed again and again.

    What it is trained on, and from, is built where it is missing; its own artifact and the last build stay as they are.
    """
    models = {node.name: node for node in workspace.build.nodes if node.stage is train}
    name = model or next(iter(models), "")
    if name not in models:
        raise UsageError(f"no model {name!r}; models of this recipe: {', '.join(models) or 'none'}")
    node = models[name]
    for reference in node.references():
        run(workspace, display, until=reference.partition(".")[0], remember=False)
    config = node.config
    assert isinstance(config, TrainConfig)  # noqa: S101 - for the type checker
    began_at = config.branch_step or 0
    changed = {**SHORT, "steps": began_at + STEPS, "publish_checkpoints": [began_at + STEPS]}
    job = {
        "name": name,
        "config": config.model_copy(update=changed).model_dump(mode="json", by_alias=True, exclude_unset=True),
        "inputs": dict(node.inputs),
        "artifacts": {step: str(artifact.folder.absolute()) for step, artifact in workspace.build.artifacts.items()},
    }
    with tempfile.TemporaryDirectory(prefix="verify-", dir=workspace.store.root) as folder:
        times, files = [], []
        for label, kills in (("straight", ()), ("killed", KILLS)):
            display.say(f"{name}: {STEPS} steps, {label}")
            scratch = Path(folder) / label
            scratch.mkdir()
            (scratch / "job.json").write_text(json.dumps(job))
            began = time.monotonic()
            for kill in (*kills, None):
                _train(scratch, kill and (began_at + kill) * config.rows_per_step * config.sequence_length)
            times.append(time.monotonic() - began)
            (artifact,) = Store(scratch).all()
            files.append({file: record["sha256"] for file, record in artifact.manifest["files"].items()})
    one, other = files
    different = sorted(file for file in one.keys() | other.keys() if one.get(file) != other.get(file))
    return Verdict(name, different, straight_seconds=times[0], killed_seconds=times[1])


def _train(scratch: Path, kill_at: float | None) -> None:
    """Run the child to its end, or kill it once so many tokens of the whole run are done."""
    command = [sys.executable, "-m", "lmworks.verify_resume", str(scratch)]
    pipe = subprocess.PIPE
    with (
        (scratch / "errors").open("w") as errors,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True) as child,  # noqa: S603
    ):
        assert child.stdout  # noqa: S101 - for the type checker
        for line in child.stdout:
            if kill_at and float(line) >= kill_at:
                child.kill()
                break
        code = child.wait()  # before its standard input is closed, which would end it
    if code not in (0, -signal.SIGKILL):
        last = ((scratch / "errors").read_text().strip().splitlines() or ["no message"])[-1]
        raise LmworksError(f"{scratch.name}: training ended with {code}: {last}")


class _Progress(PlainProgress):
    def update(self, done: float, **values: float | str) -> None:
        print(done, flush=True)


class _Display(PlainDisplay):
    def step(self, node: str, index: int, total: int, reason: str) -> _Progress:
        return _Progress(self.say, node)


def main(folder: Path) -> None:
    """Train as the job says."""
    end_with_parent()
    job: dict[str, Any] = json.loads((folder / "job.json").read_text())
    config = graph.OBJECTIVES[job["config"]["objective"]][0].model_validate(job["config"])
    node = Node(job["name"], train, config, job["inputs"])
    artifacts = {step: Artifact(Path(each)) for step, each in job["artifacts"].items()}
    environment = Environment(lambda: None, os.cpu_count() or 1)
    Build(Store(folder), [node], artifacts=artifacts).run(node, _Display(StringIO()), (1, 1), environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
