"""Outcomes of the gates of recipes. A model that failed a gate is not released."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from lmworks.errors import GateRefused, LmworksError
from lmworks.evaluate.gates import FILE, NODE, GatesConfig, Outcome, gates, outcomes_from, refusal
from lmworks.pipeline.store import Artifact, Store
from lmworks.pipeline.work.chunks import read_records
from lmworks.recipe.schema import GateConfig, ServeConfig
from lmworks.release.built import Built


def outcomes(built: Built) -> list[Outcome]:
    """Return the outcome of each gate of a build. Empty if it has no gates, or they were not tried."""
    return _read(built.artifacts[NODE]) if NODE in built.artifacts else []


def failed_gates(built: Built) -> list[str]:
    """Return why gates failed. If one of the two models of `serve` passed, leave out the gates of the other."""
    serve = built.record.serve
    spare: set[str] = set()
    if serve and serve.otherwise and not _refusal_of(built, *served(built)):
        spare = {*serve.candidates} - {*served(built)}
    return [each.sentence for each in outcomes(built) if not each.passed and each.model not in spare]


def served(built: Built) -> list[str]:
    """Return the models that `lmworks serve` serves, built or not. `serve.otherwise` is served if only it passed."""
    serve = built.record.serve
    if serve is None or not serve.otherwise:
        return serve.candidates if serve else []
    return [serve.otherwise] if stands_in(built) else serve.candidates[:1]


def stands_in(built: Built) -> str:
    """Return that `serve.otherwise` is served, and why `serve.model` is not. Empty if `serve.model` is served."""
    serve = built.record.serve
    if not serve or not serve.otherwise:
        return ""
    model, other = serve.candidates
    why = _refusal_of(built, model) if {model, other} <= built.artifacts.keys() else ""
    if not why or _refusal_of(built, other):
        return ""
    return f"{other} is served in place of {model}: {'; '.join(why.splitlines())}"


def spoke_against(store: Store, name: str) -> list[str]:
    """Return what the last gates of a recipe say against its model: which model is served instead, or which failed.

    Empty if all passed, or if the recipe's present gates were not tried.
    """
    record = store.builds.get(name)
    built = Built(store, name, record) if record else None
    if built is None or NODE not in built.artifacts or untried(built):
        return []
    return [said] if (said := stands_in(built)) else failed_gates(built)


def require_gates(store: Store, artifacts: Sequence[Artifact]) -> None:
    """Raise GateRefused, with the reason, for a model that may not be released."""
    for artifact in artifacts:
        if reason := refusal_reason(store, artifact):
            raise GateRefused(f"{reason}\n`lmworks report` and `lmworks predict` still work with this model")


def refusal_reason(store: Store, artifact: Artifact) -> str:
    """Return why a model is not released: a gate of its recipe failed or was not tried. Empty for a released one.

    A failed gate of another recipe of the store counts, too. If no recipe's last build has the model any more, every
    gate counts that it ever failed.
    """
    built = Built.holding(store, artifact)
    if built.step_of(artifact) is None:
        failed = _failed(_ever_tried(store), artifact.digest())
        return "\n".join(dict.fromkeys(each.sentence for each in failed))
    return _refusal(built, artifact)


def _refusal_of(built: Built, step: str) -> str:
    return _refusal(built, built.artifacts[step]) if step in built.artifacts else f"{step} is not built"


def _refusal(built: Built, artifact: Artifact) -> str:
    """Return why a model of a build may not be released. Empty if it passed all gates."""
    names = [name for name, each in built.models.items() if each.digest() == artifact.digest()]
    if said := untried(built):
        return f"{', '.join(names) or artifact.manifest.step}: {said}"
    return refusal(outcomes(built), names, artifact.digest()) or _failed_elsewhere(built, artifact.digest())


def _failed_elsewhere(built: Built, digest: str) -> str:
    """Return the gates of the store's other recipes that a model failed.

    If the record of a recipe cannot be read, all gates count that were ever tried in the store: any may be its own.
    """
    builds = built.store.builds
    readable = {name: Built(built.store, name, record) for name, record in builds.readable()}
    others = [other for name, other in readable.items() if name != built.name]
    failed = [f"{other.recipe}: {each.sentence}" for other in others for each in _failed(outcomes(other), digest)]
    if len(readable) < len(builds.names):
        failed += [each.sentence for each in _failed(_ever_tried(built.store), digest)]
    return "\n".join(dict.fromkeys(failed))


def _failed(found: Iterable[Outcome], digest: str) -> list[Outcome]:
    return [each for each in found if each.digest == digest and not each.passed]


def stored_as(folder: Path) -> tuple[Store, Artifact] | None:
    """Return the artifact whose files a folder holds, with its store. None for a folder outside a store.

    Raises LmworksError if the store no longer has this artifact: it was erased, or its manifest is gone.
    """
    folder = folder.resolve()
    if folder.name != "payload" or len(folder.parents) < 4 or folder.parents[2].name != "artifacts":
        return None
    store = Store(folder.parents[3])
    found = store.find(folder.parents[1].name, folder.parents[0].name)
    if found is None:
        raise LmworksError(
            f"{folder}: its store has no such artifact: it was erased, or its manifest is gone\n"
            "Type `lmworks build` to make it again, without the erased texts"
        )
    return store, found


def untried(built: Built) -> str:
    """Return why the gates of a recipe, as it is now or was built, are not tried. Empty if they are, or it has none.

    Raises LmworksError if the stored outcomes were changed.
    """
    try:
        asked = _asked(built)
    except (ValidationError, TypeError) as error:
        return (
            f"the gates of its recipe cannot be read ({built.recipe}: {_fault(error)}): fix them, then {built.command}"
        )
    if not asked and NODE not in (*built.record.nodes, *built.record.steps):
        return ""
    why = f"the gates of its recipe are not tried yet: {built.command}"
    if NODE not in built.artifacts or NODE in built.outdated:
        return why
    try:
        tried = GatesConfig.model_validate(built.artifacts[NODE].manifest.config).tried
    except ValidationError:  # of an earlier version, which took what is refused now
        return why
    then = [each.gate.model_copy(update={"model": each.gate.model or each.model}) for each in tried]
    return f"{why} (its gates have changed)" if asked not in (None, then) else ""


def _asked(built: Built) -> list[GateConfig] | None:
    """Return the gates that the recipe's file names now, each with its model. None if the file is gone or is no YAML.

    Raises ValidationError or TypeError for gates that cannot be read. `--set` cannot change gates, see `load_recipe`.
    """
    if not built.fields:
        return None
    evaluate, serve = (built.fields.get(section) for section in ("evaluate", "serve"))
    stated = evaluate.get("gates") if isinstance(evaluate, dict) else None
    gates = [GateConfig.model_validate(each) for each in stated or ()]
    candidates = ServeConfig.model_validate(serve).candidates if gates and serve else []
    return [each.model_copy(update={"model": name}) for each in gates for name in each.asked_of(candidates)]


def _fault(error: Exception) -> str:
    """Return what is wrong, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        section = "serve" if error.title == ServeConfig.__name__ else "evaluate.gates"
        return f"{section}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"evaluate.gates: {error}"


def _ever_tried(store: Store) -> Iterator[Outcome]:
    for each in store.all():
        if each.stage == gates.name and each.is_readable:
            yield from _read(each)


def _read(artifact: Artifact) -> list[Outcome]:
    """Return the outcomes that an artifact holds. Raises LmworksError if its files were changed."""
    artifact.require_sound()
    return outcomes_from(read_records(artifact.payload / FILE))
