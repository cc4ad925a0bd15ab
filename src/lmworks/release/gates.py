"""Whether a model passed the gates of its recipe; one that did not is not released."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from lmworks.errors import GateRefused
from lmworks.evaluate.gates import FILE, NODE, GatesConfig, Outcome, gates, outcomes_from, refusal
from lmworks.pipeline.chunks import read_records
from lmworks.pipeline.store import Artifact, Store
from lmworks.recipe.schema import GateConfig
from lmworks.release.built import Built


def outcomes(built: Built) -> list[Outcome]:
    """What came of each gate of a build; none where it has none, or they were not tried."""
    return _read(built.artifacts[NODE]) if NODE in built.artifacts else []


def failed_gates(built: Built) -> list[str]:
    """Which gates failed, and why."""
    return [each.sentence for each in outcomes(built) if not each.passed]


def require_gates(store: Store, artifacts: Sequence[Artifact]) -> None:
    """Raise GateRefused for a model that failed a gate of its recipe, or whose gates were not tried.

    One that no recipe's last build has any more is refused for any gate that it ever failed.
    """
    for artifact in artifacts:
        built = Built.holding(store, artifact)
        names = [name for name, each in built.models.items() if each.digest() == artifact.digest()]
        if built.step_of(artifact) is None:
            failed = [each for each in _ever_tried(store) if each.digest == artifact.digest() and not each.passed]
            said = "\n".join(dict.fromkeys(each.sentence for each in failed))
        else:
            said = untried(built)
            said = f"{', '.join(names)}: {said}" if said else refusal(outcomes(built), names, artifact.digest())
        if said:
            raise GateRefused(f"{said}\n`lmworks report` and `lmworks predict` still show what it can")


def stored_as(folder: Path) -> tuple[Store, Artifact] | None:
    """The artifact whose files a folder holds, where it lies in a store; None elsewhere."""
    folder = folder.resolve()
    if folder.name != "payload" or len(folder.parents) < 4 or folder.parents[2].name != "artifacts":
        return None
    store = Store(folder.parents[3])
    found = store.find(folder.parents[1].name, folder.parents[0].name)
    return (store, found) if found else None


def untried(built: Built) -> str:
    """Why the gates of a recipe, as it is now or was built, are not tried; empty where they are, or it has none.

    Raises LmworksError where what came of them is not as it was written.
    """
    asked = _asked(built)
    if not asked and NODE not in (*built.record.nodes, *built.record.steps):
        return ""
    why = f"the gates of its recipe are not tried yet: {built.command}"
    if NODE not in built.artifacts or NODE in built.outdated:
        return why
    built.artifacts[NODE].require_sound()
    tried = GatesConfig.model_validate(built.artifacts[NODE].manifest.config).tried
    return f"{why}; tried were those that it had then" if asked not in (None, [each.gate for each in tried]) else ""


def _asked(built: Built) -> list[GateConfig] | None:
    """The gates that the recipe's file names now; None where it cannot be read, or settings stand over it."""
    evaluate = built.fields.get("evaluate")
    if not isinstance(evaluate, dict) or any(each.startswith("evaluate") for each in built.record.settings):
        return None
    try:
        return [GateConfig.model_validate(each) for each in evaluate.get("gates") or ()]
    except (ValidationError, TypeError):
        return None


def _ever_tried(store: Store) -> Iterator[Outcome]:
    for each in store.all():
        if each.stage == gates.name and each.is_readable:
            yield from _read(each)


def _read(artifact: Artifact) -> list[Outcome]:
    return outcomes_from(read_records(artifact.payload / FILE))
