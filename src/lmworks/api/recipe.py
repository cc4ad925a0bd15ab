"""A recipe that is opened to plan it, to build it and to read the results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.api.model import Model, find_and_open
from lmworks.api.read import Records, read_records
from lmworks.errors import GateRefused, UsageError
from lmworks.evaluate.items import Evaluation, Item
from lmworks.model.device import AUTO
from lmworks.pipeline.build import Display
from lmworks.pipeline.display import PlainDisplay, make_display
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.store import Artifact
from lmworks.plan.plan import Plan
from lmworks.recipe.schema import Recipe
from lmworks.release.built import Built
from lmworks.release.gates import failed_gates
from lmworks.release.history.history import note
from lmworks.release.inspect.verdicts import verdicts
from lmworks.release.report.ending import Ending, ending
from lmworks.release.report.report import write_report
from lmworks.release.trace.trace import Traced, trace_lineage
from lmworks.stores import find_one, open_store
from lmworks.workspace import Workspace, open_workspace, run, stage_of


@dataclass(frozen=True)
class Finished:
    """Result of a build: its artifacts, its report and its last screen."""

    artifacts: Mapping[str, Artifact]
    """Name of the step → its artifact."""
    report: Path
    built: Built
    failed: Sequence[str]
    """Gates that the models to serve failed, with reasons. Empty if the build stopped at `until`."""
    until: str | None = None
    """Step after which the build stopped. None for a whole build."""

    @property
    def ending(self) -> Ending:
        """Verdict, at most three numbers, and next command."""
        return ending(self.built, self.report, self.failed, self.until)


def finish(
    workspace: Workspace,
    display: Display,
    *,
    until: str | None = None,
    rebuild: Sequence[str] = (),
    workers: int | None = None,
    ray: str | None = None,
) -> Finished:
    """Build the steps that are missing or stale, write the report and check the gates, as `lmworks build` does."""
    artifacts = run(workspace, display, until=until, rebuild=rebuild, workers=workers, ray=ray)
    built, _ = Built.open(workspace.store, workspace.recipe.name).parted()
    if not until:
        note(built)
    report = write_report(workspace.store, workspace.recipe.name)
    return Finished(artifacts, report, built, [] if until else failed_gates(built), until)


class _Told(PlainDisplay):
    """Display that passes each line to a function."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(sys.stderr)
        self._tell = tell

    def say(self, line: str) -> None:
        self._tell(line)


@dataclass(frozen=True)
class OpenRecipe:
    """A recipe with its settings and its store. `open_recipe` makes one. Its properties read the store each time."""

    path: Path
    settings: Sequence[str]
    recipe: Recipe
    """Contents of the file, with the settings."""
    store: Path
    """Folder of its artifacts."""

    def plan(self, *, measure: bool = False, replan: bool = False) -> Plan:
        """Return the value of every `auto`, and the time and memory of a build.

        Args:
            measure: Measure this machine for some seconds if no plan is stored. Otherwise the plan only estimates.
            replan: Plan again, without the stored plan.

        Returns:
            The plan: `predicted`, `memory_bytes`, `parameters` and more; `as_text()` as `lmworks plan` shows it.

        Raises:
            LmworksError: The recipe cannot be read, or names a file or step that does not exist.

        Example:
            >>> print(open_recipe("recipe.yaml").plan().as_text())
        """
        return self._open(measure=measure, replan=replan, plan_only=True).plan

    def build(
        self, until: str | None = None, *, rebuild: Sequence[str] = (), progress: Callable[[str], object] | None = None
    ) -> Finished:
        """Build the steps that are missing or stale, and write the report. After an interruption, continue that work.

        Args:
            until: Stop after this step. Gates are then not checked.
            rebuild: Steps to build again from the start.
            progress: Function that gets each line of progress. By default lines are shown as by `lmworks build`.

        Returns:
            The artifacts by step, the report's path, and the last screen (`ending`).

        Raises:
            GateRefused: A gate (licence, memory, quality) failed. A gate on figures raises this only after the build
                is complete, so you can look at the results.
            Stopped: The build was interrupted. Finished work is kept.
            LmworksError: A step failed. The message says where and how to fix it.

        Example:
            >>> open_recipe("recipe.yaml").build(until="corpus", progress=print).artifacts["corpus"].payload
        """
        display = make_display(stage_of(self.recipe)) if progress is None else _Told(progress)
        with closing(display):
            finished = finish(self._open(measure=True, until=until), display, until=until, rebuild=rebuild)
        if finished.failed:
            raise GateRefused("\n".join(finished.failed))
        return finished

    @property
    def built(self) -> Built:
        """The last build, read from the store. Raises `UsageError` if there is none."""
        return Built.open(open_store(self.store, self.path))

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        """Step → its artifact in the store, with `payload` (its folder), `digest()` and `manifest` (other facts)."""
        return self.built.artifacts

    @property
    def figures(self) -> Mapping[str, Sequence[Figure]]:
        """Step → its figures, the main figure first. The steps of an evaluation are named `evaluate/TASK/MODEL`."""
        return {step: each.manifest.figures for step, each in self.artifacts.items() if each.manifest.figures}

    @property
    def verdicts(self) -> Mapping[str, Sequence[str]]:
        """Task → results of its paired tests, in words."""
        return verdicts(self.built)

    def items(self, task: str) -> dict[str, list[Item]]:
        """Return the answers of each model and baseline in a task, by the system's name.

        Args:
            task: Label of the task, such as `classification-split-test`: the middle of `evaluate/TASK/MODEL`.

        Returns:
            Items with `id`, `prompt`, `answer`, `reference`, `score` and more. Models are in the order of the recipe.

        Raises:
            UsageError: There is no such task. The message names the existing tasks.

        Example:
            >>> wrong = [item for item in recipe.items("classification-split-test")["tuned"] if not item["score"]]
        """
        tasks = self.built.evaluations()
        if task not in tasks:
            raise UsageError(f"no task {task!r} in the last build; its tasks are: {', '.join(tasks) or 'none'}")
        return {name: _items(artifact) for name, artifact in tasks[task].items() if name}

    def records(self, step: str) -> Records:
        """Return the output of a step, or of a part such as `split.train` (see `records`)."""
        return read_records(open_store(self.store, self.path), step)

    def open_model(self, step: str | None = None, *, device: str = AUTO) -> Model:
        """Open a model of the recipe, by default the served one. See the function `open_model`."""
        return find_and_open([str(self.path), *([step] if step else [])], self.store, device)

    def trace(self, step: str | None = None) -> Traced:
        """Return the steps and source files behind a step, by default behind the served model.

        Each file's digest is computed again, to find out whether the file was edited since. `as_text()` returns the
        output of `lmworks trace`. Programs use `files`, `steps` and `unknown`.
        """
        return trace_lineage(*find_one([str(self.path), *([step] if step else [])], self.store))

    def _open(self, **how: Any) -> Workspace:
        return open_workspace(self.path, self.settings, self.store, **how)


def open_recipe(path: str | Path, settings: Sequence[str] = (), store: str | Path | None = None) -> OpenRecipe:
    """Open a recipe to plan it, build it and read the results.

    Args:
        path: The recipe file.
        settings: Fields to override, in the form of `--set`: `["models.tuned.steps=60"]`.
        store: Folder of artifacts. By default `.lmworks` beside the recipe.

    Returns:
        The recipe. Opening it reads and checks the file, and builds nothing.

    Raises:
        RecipeError: A field is wrong. The message names file, line and field of every fault.

    Example:
        >>> recipe = open_recipe("recipes/quickstart.yaml", ["pretrain.steps=60"])
        >>> recipe.build()
        >>> recipe.figures["evaluate/perplexity-split-test/pretrain"][0].value
    """
    settings = [settings] if isinstance(settings, str) else [*settings]
    opened = open_workspace(Path(path), settings, Path(store) if store else None, plan_only=True)
    return OpenRecipe(opened.path, settings, opened.recipe, opened.store.root)


def records(step: str, source: OpenRecipe | str | Path | None = None) -> Records:
    """Return the output of a step, as typed records.

    Args:
        step: A step, or a part of one such as `split.train`.
        source: An opened recipe, a recipe file, or a store. By default the last build in this folder.

    Returns:
        Documents, conversations (dicts with `messages`), judgements, or the items of an evaluation. You can iterate
        over them more than once, or convert them to a table: `to_arrow()`, `to_pandas()`.

    Raises:
        UsageError: The step is not built, or makes no records.
        LmworksError: The step's files are damaged: they have changed since they were written.

    Example:
        >>> pairs = [(each.text, each.meta["label"]) for each in records("split.test", "recipe.yaml")]
    """
    if isinstance(source, OpenRecipe):
        return source.records(step)
    if source is None:
        store = open_store(None)
    else:
        path = Path(source)
        store = open_store(None, path) if path.suffix in (".yaml", ".yml") else open_store(path)
    return read_records(store, step)


def _items(artifact: Artifact) -> list[Item]:
    artifact.require_sound()
    return Evaluation(artifact.payload, artifact.digest()).items()
