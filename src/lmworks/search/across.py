"""Two models of any builds, stores and folders, compared on what both were asked.

A model that no build measured is asked what the other was: as one more model of that one's recipe, in a build that is
not remembered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.engines.rented.stages import asked_for
from lmworks.errors import UsageError
from lmworks.evaluate.compare import CompareConfig, concluded, paired, unlike
from lmworks.evaluate.items import Evaluation
from lmworks.evaluate.tasks import TASKS
from lmworks.pipeline.build import Display
from lmworks.pipeline.conditions import Condition
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built, measures_model
from lmworks.stores import find_one, open_store
from lmworks.workspace import open_workspace, run

NOT_STATED = "LicenseRef-not-stated"


@dataclass(frozen=True)
class Measured:
    """A model, and what it was asked: task and system, as in its build, → evaluation."""

    label: str
    evaluations: Mapping[str, Artifact]


@dataclass(frozen=True)
class Compared:
    """What two models come to on one task."""

    task: str
    verdicts: Sequence[str]
    record: Mapping[str, Any] | None
    """As a build's `comparison.json` has it; None where one alone was asked."""


def compare_models(
    first: str, second: str, store: Path | None, display: Display, *, key_variable: str | None = None
) -> list[Compared]:
    """What the evaluations of two models say. Each is a step, `RECIPE.yaml:STEP`, `STORE:STEP`, a model's folder, or a
    model at an address, `https://HOST/v1#MODEL`, whose key is in an environment variable.

    Raises UsageError where neither was measured in a build, and for what is not built.
    """
    folders = [_is_folder(name) or is_at_address(name) for name in (first, second)]
    if all(folders):
        raise UsageError(
            f"{first} and {second} are of no build: nobody has said what they are to be asked. Name a step of a build "
            "first, whose tasks the other is asked, too"
        )
    if any(folders):
        named, folder = (second, first) if folders[0] else (first, second)
        fields = _at_address(folder, key_variable) if is_at_address(folder) else _in_folder(folder)
        one, other = _asked_alike(named, *_find(named, store), fields, display)
        one, other = (other, one) if folders[0] else (one, other)
    else:
        one, other = (_measured(name, *_find(name, store)) for name in (first, second))
        if one.label == other.label:
            one, other = Measured(first, one.evaluations), Measured(second, other.evaluations)
    return list(_compared(one, other))


def as_text(found: Sequence[Compared]) -> str:
    """Task by task, what is found."""
    return "\n".join(line for each in found for line in (each.task, *(f"  {said}" for said in each.verdicts)))


def _is_folder(name: str) -> bool:
    return (Path(name) / "config.json").is_file() or name.endswith(".gguf")


def is_at_address(name: str) -> bool:
    """Whether a side is a model at an address."""
    return name.startswith(("http://", "https://"))


def _at_address(name: str, key_variable: str | None) -> dict[str, str]:
    """Of a model at an address, what a recipe would say of it."""
    address, sign, model = name.partition("#")
    if not sign or not model:
        raise UsageError(f"{address}: which model there? Name it behind the address: {address}#MODEL")
    key = {"key_variable": key_variable} if key_variable else {}
    return {"objective": "rented", "address": address, "model": model, "licence": NOT_STATED, **key}


def _in_folder(name: str) -> dict[str, str]:
    return {"objective": "pretrained", "path": str(Path(name).resolve()), "licence": NOT_STATED}


def _find(name: str, store: Path | None) -> tuple[Store, Artifact]:
    """A step of a build, of whatever recipe or store."""
    place, colon, step = name.rpartition(":")
    if not colon:
        return find_one([name], store)
    if not Path(place).exists():
        raise UsageError(f"{name}: {place} is not there; expected a recipe's file or a store before the colon")
    opened = open_store(store, Path(place)) if place.endswith((".yaml", ".yml")) else open_store(Path(place))
    return opened, opened.named(step)


def _measured(name: str, store: Store, artifact: Artifact) -> Measured:
    built = Built.holding(store, artifact)
    step, steps = name.rpartition(":")[2], built.record.steps
    is_named = step in steps and (steps[step].stage, steps[step].key) == (artifact.stage, artifact.key)
    label = step if is_named else built.step_of(artifact) or artifact.manifest.step
    found = _asked(built.artifacts, label, artifact.digest())
    if not found:
        raise UsageError(
            f"{name}: no task of {built.name} asks it: name it in `evaluate.models` and build, {built.command}"
        )
    return Measured(label, found)


def _asked(artifacts: Mapping[str, Artifact], model: str, digest: str) -> dict[str, Artifact]:
    """All that a model was asked, each question once: by its own name before another that its weights have, too."""
    found: dict[tuple[str, str], tuple[str, Artifact]] = {}
    for name, each in artifacts.items():
        place, _, asked = name.partition("/")
        task, _, system = asked.partition("/")
        if place != "evaluate" or not system or not measures_model(each):
            continue
        each.require_sound()
        question = task, canonical_json(each.manifest.config)
        is_own = system == model or system.startswith(f"{model}-")
        if digest in _measured_digests(name, each, artifacts) and (is_own or question not in found):
            found[question] = asked, each
    return dict(found.values())


def _measured_digests(name: str, evaluation: Artifact, artifacts: Mapping[str, Artifact]) -> Iterator[str]:
    """Of the model that was measured; of a rented one, whose kept answers were, its own, too."""
    (measured, *_) = evaluation.manifest.inputs["model"]
    yield measured.digest
    kept = artifacts.get(asked_for(name))
    if kept and kept.digest() == measured.digest:
        yield kept.manifest.inputs["model"][0].digest


def _asked_alike(
    step: str, store: Store, artifact: Artifact, fields: Mapping[str, str], display: Display
) -> tuple[Measured, Measured]:
    """A step that was measured, and a model of these fields that is asked the same."""
    built = Built.holding(store, artifact)
    mine = _measured(step, store, artifact)
    called = f"rented-{fields['model']}" if "model" in fields else Path(fields["path"]).stem
    name = re.sub(r"[^a-z0-9]+", "-", called.lower()).strip("-") or "folder"
    while name in built.record.nodes:
        name = f"other-{name}"
    added = [f"models.{name}.{field}={json.dumps(value)}" for field, value in fields.items()]
    settings = [*built.record.settings, *added, f"evaluate.models=[{mine.label}, {name}]"]
    workspace = open_workspace(built.recipe, settings, store.root, gated=False)
    own = (name, "evaluate", "rehearsal", "contamination", "prompts", "asked")
    before = [node for node in workspace.build.nodes if node.name.partition("/")[0] not in own]
    if stale := [node.name for node in before if not workspace.build.look(node)[0]]:
        raise UsageError(f"{built.recipe}: {stale[0]} is not built as the recipe has it now: {built.command}")
    made = run(workspace, display, until="evaluate", remember=False)
    return mine, Measured(name, _asked(made, name, made[name].digest()))


def _compared(one: Measured, other: Measured) -> Iterator[Compared]:
    """p-values and intervals are adjusted for all that may be compared, as in a build, whoever is named first."""
    matched = _matched(one, other)
    for ours, theirs in matched:
        a, b = one.evaluations[ours], other.evaluations[theirs]
        names, sides = _leading(a, b), [(one.label, a), (other.label, b)]
        sides.sort(key=lambda side: (side[1].manifest.figures[0].name not in names[:1], side[0]))
        config = CompareConfig(
            may_differ=_may_differ(a),
            evaluations=["first", "second"],
            labels=[label for label, _ in sides],
            also=names[1:],
            comparisons_in_build=sum(matched.values()),
        )
        record = concluded(config, [_evaluation(each) for _, each in sides])[0]
        yield Compared(" and ".join(dict.fromkeys((_task(ours), _task(theirs)))), record["verdicts"], record)
    for side, asked in enumerate((one, other)):
        for name in asked.evaluations:
            if all(pair[side] != name for pair in matched):
                yield Compared(_task(name), [f"{asked.label} alone was asked this, on these items"], None)


def _matched(one: Measured, other: Measured) -> dict[tuple[str, str], bool]:
    """What each was asked and what of the other's is most like it, and whether these may be compared.

    Each pair once, and the same pairs whoever is named first: p-values depend on their number.
    """
    alike = {}
    items = {each: _evaluation(each).items() for side in (one, other) for each in side.evaluations.values()}
    for ours, a in one.evaluations.items():
        for theirs, b in other.evaluations.items():
            if a.stage == b.stage and (shared := len(paired(items[a], items[b])[0])):
                lead = _leading(a, b)[:1]
                first, second = (
                    next((figure for figure in each.manifest.figures if figure.name in lead), each.manifest.figures[0])
                    for each in (a, b)
                )
                alike[ours, theirs] = not unlike(first, second, _may_differ(a)), shared, _task(ours) == _task(theirs)
    best = {
        max((pair for pair in alike if pair[side] == name), key=alike.__getitem__)
        for side in (0, 1)
        for name in {pair[side] for pair in alike}
    }
    return {pair: found[0] for pair, found in alike.items() if pair in best}


def _leading(a: Artifact, b: Artifact) -> list[str]:
    """The figures that one begins with and both have, in an order that does not hang on who is named first."""
    ours, theirs = ([figure.name for figure in each.manifest.figures] for each in (a, b))
    return sorted({ours[0], theirs[0]}.intersection(ours, theirs))


def _may_differ(evaluation: Artifact) -> list[Condition]:
    kind = next((each for _, each in TASKS.loadable() if each.stage.name == evaluation.stage), None)
    return list(kind.may_differ) if kind else []


def _evaluation(artifact: Artifact) -> Evaluation:
    return Evaluation(artifact.payload, artifact.digest())


def _task(name: str) -> str:
    return name.partition("/")[0]
