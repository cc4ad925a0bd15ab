"""Whether a model passed the gates of its recipe; one that did not is not released."""

from __future__ import annotations

from collections.abc import Sequence

from lmworks.errors import GateRefused
from lmworks.evaluate.gates import FILE, NODE, Outcome, outcomes_from, refusal
from lmworks.pipeline.chunks import read_records
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built


def outcomes(built: Built) -> list[Outcome]:
    """What came of each gate of a build; none where it has none, or they were not tried."""
    return outcomes_from(read_records(built.artifacts[NODE].payload / FILE)) if NODE in built.artifacts else []


def failed_gates(built: Built) -> list[str]:
    """Which gates failed, and why."""
    return [each.sentence for each in outcomes(built) if not each.passed]


def require_gates(store: Store, artifacts: Sequence[Artifact]) -> None:
    """Raise GateRefused for a model that failed a gate of its recipe, or whose gates were not tried."""
    for artifact in artifacts:
        built = Built.holding(store, artifact)
        name = built.step_of(artifact)
        if name is None or NODE not in (*built.record.nodes, *built.record.steps):
            continue
        if NODE not in built.artifacts or NODE in built.outdated:
            raise GateRefused(f"{name}: the gates of its recipe are not tried yet: {built.command}")
        if said := refusal(outcomes(built), name, artifact.digest()):
            raise GateRefused(f"{said}\n`lmworks report` and `lmworks predict` still show what it can")
