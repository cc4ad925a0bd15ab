"""Comparison of two models, from any builds, stores and folders, on the items on which both were evaluated.

A model that no build evaluated gets the tasks of the other model: it joins the other model's recipe, in a build that is
not remembered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
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
    """Label of a model, and its evaluations by task and system, as in its build."""

    label: str
    evaluations: Mapping[str, Artifact]


def compare_models(
    first: str, second: str, store: Path | None, display: Display, *, key_variable: str | None = None
) -> list[dict[str, Any]]:
    """Return task, verdicts and the fields of `comparison.json` for each task on which both models were evaluated.

    Each is a step, `RECIPE.yaml:STEP`, `STORE:STEP`, a model's folder, or a model at an address, whose key is in an
    environment variable: `https://HOST/v1#MODEL`. Raises UsageError if neither was evaluated in a build, and for steps
    that are not built.
    """
    fields = [_outside(name, key_variable) for name in (first, second)]
    if all(fields):
        raise UsageError(
            f"neither {first} nor {second} is in a build, so there are no tasks to evaluate them on. Give one model as "
            "a step of a build: the other model then gets its tasks"
        )
    if fields[0]:
        other, one = _asked_alike(second, *_find(second, store), fields[0], display)
    elif fields[1]:
        one, other = _asked_alike(first, *_find(first, store), fields[1], display)
    else:
        one, other = (_measured(name, *_find(name, store)) for name in (first, second))
        if one.label == other.label:
            one, other = Measured(first, one.evaluations), Measured(second, other.evaluations)
    return list(_compared(one, other))


def _outside(name: str, key_variable: str | None) -> dict[str, str]:
    """Return a recipe's fields for a model at an address or in a folder. Empty for a step."""
    if name.startswith(("http://", "https://")):
        address, _, model = name.partition("#")
        if not model:
            raise UsageError(f"{address}: which model there? Add its name to the address: {address}#MODEL")
        key = {"key_variable": key_variable} if key_variable else {}
        return {"objective": "rented", "address": address, "model": model, "licence": NOT_STATED, **key}
    if (Path(name) / "config.json").is_file() or name.endswith(".gguf"):
        return {"objective": "pretrained", "path": str(Path(name).resolve()), "licence": NOT_STATED}
    return {}


def _find(name: str, store: Path | None) -> tuple[Store, Artifact]:
    """Return a step of a build, from any recipe or store."""
    place, colon, step = name.rpartition(":")
    if not colon:
        return find_one([name], store)
    if not Path(place).exists():
        raise UsageError(f"{name}: {place} does not exist; expected a recipe's file or a store before the colon")
    opened = open_store(store, Path(place)) if place.endswith((".yaml", ".yml")) else open_store(Path(place))
    return opened, opened.named(step)


def _measured(name: str, store: Store, artifact: Artifact) -> Measured:
    built = Built.holding(store, artifact)
    step, steps = name.rpartition(":")[2], built.record.steps
    is_named = step in steps and (steps[step].stage, steps[step].key) == (artifact.stage, artifact.key)
    label = step if is_named else built.step_of(artifact) or artifact.manifest.step
    evaluations = _evaluations(built.artifacts, label, artifact.digest())
    if not evaluations:
        raise UsageError(
            f"{name}: no task of {built.name} evaluates it: name it in `evaluate.models` and build, {built.command}"
        )
    return Measured(label, evaluations)


def _evaluations(artifacts: Mapping[str, Artifact], model: str, digest: str) -> dict[str, Artifact]:
    """Return a model's evaluations, each question once: under its own name, or under a model of equal weights."""
    named: dict[tuple[str, str], tuple[str, Artifact]] = {}
    for name, artifact in artifacts.items():
        place, _, label = name.partition("/")
        task, _, system = label.partition("/")
        if place != "evaluate" or not system or not measures_model(artifact):
            continue
        artifact.require_sound()
        (measured, *_), kept = artifact.manifest.inputs["model"], artifacts.get(asked_for(name))
        digests = {measured.digest}
        if kept and kept.digest() == measured.digest:  # kept answers of a rented model
            digests.add(kept.manifest.inputs["model"][0].digest)
        question = task, canonical_json(artifact.manifest.config)
        is_own = system == model or system.startswith(f"{model}-")
        if digest in digests and (is_own or question not in named):
            named[question] = label, artifact
    return dict(named.values())


def _asked_alike(
    step: str, store: Store, artifact: Artifact, fields: Mapping[str, str], display: Display
) -> tuple[Measured, Measured]:
    """Return an evaluated step, and a model of these fields that is evaluated likewise in a build of its own."""
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
        raise UsageError(f"{built.recipe}: {stale[0]} is not built as the recipe now states it: {built.command}")
    made = run(workspace, display, until="evaluate", remember=False)
    return mine, Measured(name, _evaluations(made, name, made[name].digest()))


def _compared(one: Measured, other: Measured) -> Iterator[dict[str, Any]]:
    """Compare two models task by task."""
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
        )
        record = concluded(config, [Evaluation(side.payload, side.digest()) for _, side in sides])[0]
        yield {"task": " and ".join(dict.fromkeys((_task(ours), _task(theirs)))), **record}
    for at, side in enumerate((one, other)):
        for name in side.evaluations:
            if all(pair[at] != name for pair in matched):
                yield {"task": _task(name), "verdicts": [f"{side.label} alone was asked this, on these items"]}


def _matched(one: Measured, other: Measured) -> list[tuple[str, str]]:
    """Return pairs of evaluations in which one is most like the other. Pairs that can be compared are preferred."""
    alike = {}
    sides = [
        {name: Evaluation(each.payload, each.digest()).items() for name, each in side.evaluations.items()}
        for side in (one, other)
    ]
    for ours, theirs in product(*sides):
        a, b = one.evaluations[ours], other.evaluations[theirs]
        if a.stage == b.stage and (shared := len(paired(sides[0][ours], sides[1][theirs])[0])):
            lead, figures = _leading(a, b)[:1], [each.manifest.figures for each in (a, b)]
            first, second = (next((figure for figure in some if figure.name in lead), some[0]) for some in figures)
            alike[ours, theirs] = not unlike(first, second, _may_differ(a)), shared, _task(ours) == _task(theirs)
    best = [
        max((pair for pair in alike if pair[at] == name), key=alike.__getitem__)
        for at in (0, 1)
        for name in {pair[at] for pair in alike}
    ]
    return [pair for pair in alike if pair in best]


def _leading(a: Artifact, b: Artifact) -> list[str]:
    """Return the first figures of either that both have, in an order that does not depend on the first name."""
    ours, theirs = ([figure.name for figure in each.manifest.figures] for each in (a, b))
    return sorted({ours[0], theirs[0]}.intersection(ours, theirs))


def _may_differ(evaluation: Artifact) -> list[Condition]:
    kind = next((each for _, each in TASKS.loadable() if each.stage.name == evaluation.stage), None)
    return list(kind.may_differ) if kind else []


def _task(name: str) -> str:
    return name.partition("/")[0]
