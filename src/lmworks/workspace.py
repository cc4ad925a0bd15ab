"""A recipe that is opened for work, with its store, its plan and its graph of steps."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from lmworks import graph
from lmworks.data.base.identity import ID_KEY
from lmworks.data.erased.values import known_values
from lmworks.data.erasure.lists import held_again, lost_entries
from lmworks.data.privacy.anonymise import AnonymiseConfig
from lmworks.data.reading.ingest import IngestConfig
from lmworks.engines.rented.address import RentedModelConfig
from lmworks.engines.rented.confirmed import host_of
from lmworks.engines.rented.stages import RentedAnswersConfig, told
from lmworks.errors import GateRefused, Stopped, UsageError
from lmworks.extras import MissingPackage, absent, remedy
from lmworks.pipeline.build import Build, Display, Environment, Node, foresee
from lmworks.pipeline.erasure import erased_documents, may_come_back, unfinished
from lmworks.pipeline.files import forget_digests
from lmworks.pipeline.record import BuildRecord, BuildRecords, placed
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact, Store
from lmworks.pipeline.work.ray_workers import RayWorkers
from lmworks.pipeline.work.workers import Execute, in_processes
from lmworks.plan.plan import Plan, make_plan, states_sizes
from lmworks.recipe.file import load_recipe
from lmworks.recipe.references import data_of_models, steps_in_order
from lmworks.recipe.schema import PROTECTED, Recipe, RecipeError
from lmworks.registry import installed
from lmworks.stores import note_store, recipe_file, remember_build, remembered


@dataclass
class Workspace:
    """The objects of a recipe that most commands need."""

    path: Path
    settings: Sequence[str]
    recipe: Recipe
    store: Store
    plan: Plan
    build: Build

    @property
    def folder(self) -> Path:
        """Folder of the recipe. Relative paths in the recipe start here."""
        return self.path.parent


def open_workspace(
    path: Path | None,
    settings: Sequence[str] = (),
    store: Path | None = None,
    *,
    measure: bool = False,
    replan: bool = False,
    until: str | None = None,
    announce: Callable[[Plan], None] | None = None,
    plan_only: bool = False,
    gated: bool = True,
) -> Workspace:
    """Open a recipe, by default the recipe last built in this folder, with the settings of that build.

    With `measure`, this machine is measured if no plan is stored. Without it, a missing plan is only estimated. A build
    up to the data step `until` needs no plan, so nothing is measured, and later steps are not checked. Nothing is
    measured either to build models whose sizes and steps are stated. `announce` gets the estimated plan before that.
    Missing packages raise an error first, except with `plan_only`. If not `gated`, the gates are left out.
    """
    if path is None:
        path, last_store, last_settings = remembered(want_store=store is None)
        store, settings = store or last_store, [*last_settings, *settings]
    path = recipe_file(path)
    root = store or path.parent / ".lmworks"
    try:
        recipe = load_recipe(path, graph.CLASSES, settings, until, gated=gated)
    except RecipeError as error:
        raise RecipeError("\n".join([str(error), *_gone(path, root)])) from None
    opened = Store(root)
    needs_none = recipe.data.keys() - data_of_models(recipe).keys()
    measure = measure and recipe.plan.measure and until not in needs_none and (plan_only or not states_sizes(recipe))
    if measure and not plan_only:
        counted = make_plan(recipe, path.parent, opened.root, measure=False)
        _require_packages(_build_of(recipe, counted, path, opened), path.parent, until)
    with opened.in_use(lambda line: print(line, file=sys.stderr)) if measure else nullcontext():  # no erasure meanwhile
        plan = make_plan(recipe, path.parent, opened.root, measure=measure, replan=replan, announce=announce)
    return Workspace(path, settings, recipe, opened, plan, _build_of(recipe, plan, path, opened))


def _gone(path: Path, root: Path) -> Iterator[str]:
    """Yield messages about packages with which steps were last built and that are no longer installed."""
    for _, build in (records := BuildRecords(root / "builds")).readable():
        if records.recipe_of(build) == placed(path):
            for name, step in build.steps.items():
                for package in sorted(step.parts.plugins.keys() - installed(step.parts.plugins)):
                    yield (
                        f"step {name!r} was last built with {package} {step.parts.plugins[package]}, which is not "
                        "installed. Install it, or remove its kinds from the recipe"
                    )


def missing_packages(build: Build, folder: Path, until: str | None = None) -> str:
    """Return the missing packages of steps that are not built, and how to install them. "" if none is missing."""
    lacking: dict[str, set[str]] = {}
    for node in _wanted(build.nodes, until):
        if not build.look(node)[0] and (modules := absent(node.config.imports(folder))):
            lacking.setdefault("/".join(node.name.split("/")[:2]), set()).update(modules)
    if not lacking:
        return ""
    steps = [f"  {name}: {', '.join(sorted(modules))}" for name, modules in lacking.items()]
    return "\n".join([f"steps need packages that are not installed: {remedy(set().union(*lacking.values()))}", *steps])


def _require_packages(build: Build, folder: Path, until: str | None) -> None:
    if said := missing_packages(build, folder, until):
        raise MissingPackage(said)


def _build_of(recipe: Recipe, plan: Plan, path: Path, store: Store) -> Build:
    previous = store.builds.get(store.builds.name_of(recipe.name, path))
    return Build(store, graph.make_nodes(recipe, plan, path.parent.resolve()), previous.steps if previous else {})


def recipe_name(path: Path) -> str:
    """Return the name under which a store keeps a recipe's builds."""
    return load_recipe(recipe_file(path), graph.CLASSES).name


def run(
    workspace: Workspace,
    display: Display,
    *,
    until: str | None = None,
    rebuild: Sequence[str] = (),
    workers: int | None = None,
    ray: str | None = None,
    remember: bool = True,
) -> dict[str, Artifact]:
    """Build every step that is not in the store, in order. Return the artifacts by step.

    With `ray`, document steps run on Ray: "" starts Ray on this machine, other values are a cluster's address. Without
    `remember`, this build does not become the last build, which other commands use.
    """
    _require_id_key(workspace)
    unprepared = [node for node in workspace.build.nodes if node.config.prepare(workspace.folder)]
    if unprepared:
        workspace.build = _build_of(workspace.recipe, workspace.plan, workspace.path, workspace.store)
    for name in (until, *rebuild):
        _wanted(workspace.build.nodes, name)
    for line in _to_tell(workspace, remember):
        display.say(line)
    _require_packages(workspace.build, workspace.folder, until)
    if remember:
        remember_build(workspace.path, workspace.store.root, workspace.settings)
    place: AbstractContextManager[Execute] = nullcontext(in_processes) if ray is None else RayWorkers(ray)
    waiting = [*dict.fromkeys(rebuild)]

    def save() -> None:
        if remember:
            workspace.store.builds.save(workspace.recipe.name, _record(workspace))

    def go_on() -> str:
        return " ".join(["lmworks build", *(f"--rebuild {name}" for name in waiting)])

    with stop_flag(go_on) as check_stop, workspace.store.in_use(display.say), place as execute:
        forget_digests()
        if said := unfinished(workspace.store):
            display.say(said)
        if said := lost_entries(workspace.store, workspace.folder):
            raise GateRefused(said)
        if said := held_again(workspace.store, workspace.folder):
            display.say(said)
        erased = erased_documents(workspace.folder), known_values(workspace.folder)  # which may be more by now
        configs = [node.config for node in workspace.build.nodes if isinstance(node.config, IngestConfig)]
        if any((config.erased, config.erased_values) != erased for config in configs):
            workspace.build = _build_of(workspace.recipe, workspace.plan, workspace.path, workspace.store)
        build, nodes = workspace.build, _wanted(workspace.build.nodes, until)
        environment = Environment(check_stop, workers or os.cpu_count() or 1, execute)
        if line := foresee(build, nodes):
            display.say(line)
        workspace.plan.require_room([node.name for node in nodes if not build.look(node)[0]], workspace.store.root)
        unsaved = False
        for index, node in enumerate(nodes, start=1):
            check_stop()
            artifact, _ = build.look(node)
            if artifact and node.name not in rebuild:
                display.reused(node.name, index, len(nodes))
                unsaved = True
            else:
                if unsaved:
                    save()
                build.run(node, display, (index, len(nodes)), environment, again=node.name in rebuild)
                waiting[:] = [name for name in waiting if name != node.name]
                save()
                unsaved = False
        if unsaved:
            save()
    return build.artifacts


def stage_of(recipe: Recipe) -> Callable[[str], str]:
    """Return a function from a step's name to its stage: data, tokenizer, a model, prepare, evaluate or release."""
    sections = {name: str(place[0]) for place, name, _ in steps_in_order(recipe)}
    kinds = {"evaluate": "evaluate", "contamination": "evaluate", "gates": "release", "primary": "evaluate"}

    def found(step: str) -> str:
        section = sections.get(step)
        return (step if section == "models" else section) or kinds.get(step.partition("/")[0], "prepare")

    return found


def _require_id_key(workspace: Workspace) -> None:
    """Raise UsageError if the key of document ids with which this recipe was last built is missing."""
    builds = workspace.store.builds
    record = builds.get(builds.name_of(workspace.recipe.name, workspace.path))
    if ID_KEY.digest(workspace.folder) or not record or builds.recipe_of(record) != placed(workspace.path):
        return
    for step in record.steps.values():
        found = workspace.store.find(step.stage, step.key)
        if found and found.is_readable and found.manifest.config.get("id_key_digest"):
            raise UsageError(
                f"{workspace.folder / ID_KEY.file} is missing: this project was built with it, or with "
                f"{ID_KEY.variable}. Without it, every step is built again.\nCopy the file from the old place, set "
                f"the variable, or accept a new key: `lmworks build {shlex.quote(str(workspace.path))} --new-id-key`"
            )


def _to_tell(workspace: Workspace, remember: bool) -> Iterator[str]:
    """Note the store beside the recipe, and yield messages about the store and about recipes of the same name."""
    if said := note_store(workspace.folder, workspace.store.root):
        yield said
    name, builds = workspace.recipe.name, workspace.store.builds
    if remember and (other := builds.namesake(name, workspace.path)):
        yield (
            f"{other} was built in this store under the same name, {name!r}. Its work is kept, but reports only show "
            "the recipe built last. Give one of the two another `name`"
        )
    if said := may_come_back(workspace.store, workspace.folder, ID_KEY.digest(workspace.folder)):
        yield said
    if said := workspace.build.outdated():
        yield said
    yield from unprotected(workspace)


def unprotected(workspace: Workspace) -> Iterator[str]:
    """Yield warnings about confidential texts: places where no step looks for personal data or names."""
    recipe, nodes = workspace.recipe, {node.name: node for node in workspace.build.nodes}
    privacy = recipe.needs.privacy if recipe.needs else ""
    if privacy not in PROTECTED:
        return
    learned, learners = graph.Learned(nodes, workspace.folder, None), dict[str, list[str]]()
    for model in recipe.models:
        for text in learned.of(model)[0]:
            learners.setdefault(text, []).append(model)
    read = {reference.partition(".")[0] for node in nodes.values() for reference in node.references()}
    for text in learners or [name for name in recipe.data if name not in read]:
        if _unsearched(nodes, text):
            into = f", which {', '.join(learners[text])} learn from" if learners else ""
            yield (
                f"`needs.privacy` is {privacy}, and no step looks for personal data in {text}{into}. Add a step "
                "`anonymise` before it (docs/privacy.md)"
            )
    for node in nodes.values():
        if isinstance(node.config, AnonymiseConfig) and (said := node.config.names_left(privacy)):
            yield f"{node.name}: {said}"


def to_be_rented(workspace: Workspace) -> Iterator[str]:
    """Yield the numbers of requests to hosted models with their highest cost, from known prompts or from the recipe."""
    nodes = {node.name: node for node in workspace.build.nodes}
    for node in nodes.values():
        if not isinstance(node.config, RentedAnswersConfig) or workspace.build.look(node)[0]:
            continue
        prompts, rented = nodes[node.config.prompts], node.config.rented
        if known := workspace.build.look(prompts)[0]:
            yield f"{node.name}: {told(rented, known.manifest.counts)}"
            continue
        step = prompts.config.step  # type: ignore[attr-defined]  # of the stage that notes them
        requests = (getattr(step, "limit", None) or 0) * getattr(step, "samples", 1)
        tokens = requests * getattr(step, "max_tokens", 0)
        usd = rented.usd(0, tokens)
        many = f"{requests:,} requests and {tokens:,} answer tokens at most" if requests else "a request per prompt"
        price = f", ${usd:,.2f} at most without the prompts" if requests and usd is not None else ""
        yield (
            f"{node.name}: {many}{price}, to {rented.address}; `lmworks build --until {prompts.name}` counts the "
            "prompts and sends none"
        )


def keys_to_send(workspace: Workspace) -> list[dict[str, str]]:
    """Return the model, environment variable and host of each key that the recipe sends."""
    return [
        {"model": name, "variable": config.key_variable, "host": host_of(config.address)}
        for name, config in workspace.recipe.models.items()
        if isinstance(config, RentedModelConfig) and config.key_variable
    ]


def _unsearched(nodes: Mapping[str, Node], reference: str) -> bool:
    """Return whether a part of a text comes from a source without any step that looks for personal data."""
    made = nodes[reference.partition(".")[0]]
    before = () if isinstance(made.config, AnonymiseConfig) else graph.inputs_of(made, Role.READS)
    return isinstance(made.config, IngestConfig) or any(_unsearched(nodes, each) for each in before)


def _record(workspace: Workspace) -> BuildRecord:
    """Return the record of this recipe's steps. Steps not reached yet keep their old records."""
    build = workspace.build
    steps = build.kept() | build.steps
    return BuildRecord(
        recipe=os.path.relpath(placed(workspace.path), workspace.store.root.resolve()),
        settings=tuple(workspace.settings),
        nodes=tuple(node.name for node in build.nodes),
        plan=workspace.plan.as_json(),
        serve=workspace.recipe.serve,
        steps={node.name: steps[node.name] for node in build.nodes if node.name in steps},
        changed=tuple(build.changed()),
    )


def _wanted(nodes: Sequence[Node], until: str | None) -> list[Node]:
    """Return the nodes that a step needs, itself included. If no step is named, return all."""
    if until is None:
        return list(nodes)
    by_name = {node.name: node for node in nodes}
    names = [name for name in by_name if name == until or name.startswith(f"{until}/")]
    if not names:
        raise UsageError(f"no step {until!r}; steps of this recipe: {', '.join(by_name)}")
    needed: set[str] = set()
    while names:
        name = names.pop()
        if name not in needed:
            needed.add(name)
            names += [reference.partition(".")[0] for reference in by_name[name].references()]
    return [node for node in nodes if node.name in needed]


@contextmanager
def stop_flag(go_on: Callable[[], str] = lambda: "lmworks build") -> Iterator[Any]:
    """Turn Ctrl-C and SIGTERM into a request to stop at the next safe point. A second Ctrl-C stops at once.

    `go_on` returns the command that continues the work.

    Only the main thread gets signals. In another thread nothing is changed, and the calling program must stop it.
    """
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    def check_stop() -> None:
        if asked:
            raise Stopped(f"stopped as asked; finished work is kept. To continue, type: {go_on()}")

    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    previous = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield check_stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
