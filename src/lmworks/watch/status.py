"""The state of each step of a build."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lmworks.pipeline.build import Build
from lmworks.pipeline.store import Artifact
from lmworks.train.configs.train import LIVE
from lmworks.watch.follow import read_standing
from lmworks.watch.terminal import as_text


@dataclass(frozen=True)
class StepStatus:
    """State of a step, and the reason if the step is not built."""

    step: str
    built: bool
    state: str
    """"built", "stale", "damaged", "running" or "stopped"."""
    reason: str
    """Reason why the step is not built. For a running training: its progress."""


def statuses(build: Build) -> Iterator[StepStatus]:
    """Yield the status of every step, in order."""
    for node in build.nodes:
        artifact, reason = build.look(node)
        state = "built" if artifact else "stale"
        if not artifact and (found := build.under_way(node)):
            state, live = found[0], found[1] / "scratch" / LIVE
            reason = as_text(read_standing(live)) if live.exists() else reason
        if artifact and (fault := _damage(artifact)):
            artifact, state, reason = None, "damaged", f"{fault}: `lmworks build --rebuild {node.name}` makes it again"
        yield StepStatus(node.name, artifact is not None, state, reason)


def _damage(artifact: Artifact) -> str:
    """Return which file is missing or has another size, or "". Contents are checked only when a step reads them."""
    for name, written in artifact.manifest.files.items():
        try:
            size = (artifact.payload / name).stat().st_size
        except OSError as error:
            return f"{name}: {error.strerror}"
        if size != written.bytes:
            return f"{name} has {size:,} bytes instead of {written.bytes:,}"
    return ""
