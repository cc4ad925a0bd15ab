"""A recipe opened to plan it, to build it and to read what was built."""

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
    """By step."""
    report: Path
    built: Built
    failed: Sequence[str]
    """Gates that what a whole build would serve did not pass, and why."""
    until: str | None = None
    """The step that it stopped after."""

    @property
    def ending(self) -> Ending:
        """The verdict, at most three numbers, and what to do next."""
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
    """Build what is missing or stale, write the report and try the gates, as `lmworks build` does."""
    artifacts = run(workspace, display, until=until, rebuild=rebuild, workers=workers, ray=ray)
    built, _ = Built.open(workspace.store, workspace.recipe.name).parted()
    if not until:
        note(built)
    report = write_report(workspace.store, workspace.recipe.name)
    return Finished(artifacts, report, built, [] if until else failed_gates(built), until)


class _Told(PlainDisplay):
    """Lines of text, given to a function."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(sys.stderr)
        self._tell = tell

    def say(self, line: str) -> None:
        self._tell(line)


@dataclass(frozen=True)
class OpenRecipe:
    """A recipe with its settings and its store; `open_recipe` makes one. What it tells is read anew each time."""

    path: Path
    settings: Sequence[str]
    recipe: Recipe
    """Contents of the file, with the settings."""
    store: Path
    """The folder of its artifacts."""

    def plan(self, *, measure: bool = False, replan: bool = False) -> Plan:
        """Return the value of every `auto`, and the time and memory of a build.

        Args:
            measure: Measure this machine for some seconds where no plan is stored; else it is counted.
            replan: Forget the stored plan.

        Returns:
            The plan: `predicted`, `memory_bytes`, `parameters` and more; `as_text()` as `lmworks plan` shows it.

        Raises:
            LmworksError: The recipe cannot be read, or names what is not there.

        Example:
            >>> print(open_recipe("recipe.yaml").plan().as_text())
        """
        return self._open(measure=measure, replan=replan, plan_only=True).plan

    def build(
        self, until: str | None = None, *, rebuild: Sequence[str] = (), progress: Callable[[str], object] | None = None
    ) -> Finished:
        """Build what is missing or stale, and write the report. Interrupted, it goes on from there the next time.

        Args:
            until: Stop after this step; gates are then not tried.
            rebuild: Steps to make again, from nothing.
            progress: Is given each line of what is done; by default they are shown as `lmworks build` shows them.

        Returns:
            The artifacts by step, the report's path, and what is said at the end.

        Raises:
            GateRefused: A gate (licence, memory, quality) refused; of a gate on figures, when all is built and
                written: what was built can be looked at.
            Stopped: It was interrupted; finished work is kept.
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
        """The last build as it lies in the store. Raises `UsageError` if there is none."""
        return Built.open(open_store(self.store, self.path))

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        """By step, what is in the store: `payload` (its folder), `digest()`, and `manifest`, which tells all else."""
        return self.built.artifacts

    @property
    def figures(self) -> Mapping[str, Sequence[Figure]]:
        """By step, what was measured: of an evaluation as `evaluate/TASK/MODEL`, the leading figure first."""
        return {step: each.manifest.figures for step, each in self.artifacts.items() if each.manifest.figures}

    @property
    def verdicts(self) -> Mapping[str, Sequence[str]]:
        """By task, what its paired tests say, in words."""
        return verdicts(self.built)

    def items(self, task: str) -> dict[str, list[Item]]:
        """Return the answers of each model and baseline in a task, by its name.

        Args:
            task: Such as `classification-split-test`: the middle of `evaluate/TASK/MODEL`.

        Returns:
            Items with `id`, `prompt`, `answer`, `reference`, `score` and more, of models in the order of the recipe.

        Raises:
            UsageError: There is no such task; the message names those that there are.

        Example:
            >>> wrong = [item for item in recipe.items("classification-split-test")["tuned"] if not item["score"]]
        """
        tasks = self.built.evaluations()
        if task not in tasks:
            raise UsageError(f"no task {task!r} in the last build; it has {', '.join(tasks) or 'none'}")
        return {name: _items(artifact) for name, artifact in tasks[task].items() if name}

    def records(self, step: str) -> Records:
        """Return the output of a step, or of a part such as `split.train` (see `records`)."""
        return read_records(open_store(self.store, self.path), step)

    def open_model(self, step: str | None = None, *, device: str = AUTO) -> Model:
        """Return a model of the recipe, by default the one that it serves: see `open_model`."""
        return find_and_open([str(self.path), *([step] if step else [])], self.store, device)

    def trace(self, step: str | None = None) -> Traced:
        """Return the steps and source files behind a step, by default behind the served model.

        Each file's digest is computed again, which tells whether it was edited since. `as_text()` is what
        `lmworks trace` prints; `files`, `steps`, `unknown` are for programs.
        """
        return trace_lineage(*find_one([str(self.path), *([step] if step else [])], self.store))

    def _open(self, **how: Any) -> Workspace:
        return open_workspace(self.path, self.settings, self.store, **how)


def open_recipe(path: str | Path, settings: Sequence[str] = (), store: str | Path | None = None) -> OpenRecipe:
    """Open a recipe to plan it, build it and read what was built.

    Args:
        path: The recipe's file.
        settings: Fields to override, as behind `--set`: `["models.tuned.steps=60"]`.
        store: Folder of artifacts; by default `.lmworks` beside the recipe.

    Returns:
        The recipe. Opening it reads and checks the file, and builds nothing.

    Raises:
        RecipeError: A field is wrong; the message names file, line and field of every fault.

    Example:
        >>> recipe = open_recipe("recipes/quickstart.yaml", ["pretrain.steps=60"])
        >>> recipe.build()
        >>> recipe.figures["evaluate/perplexity-split-test/pretrain"][0].value
    """
    settings = [settings] if isinstance(settings, str) else [*settings]
    opened = open_workspace(Path(path), settings, Path(store) if store else None, plan_only=True)
    return OpenRecipe(opened.path, settings, opened.recipe, opened.store.root)


def records(step: str, source: OpenRecipe | str | Path | None = None) -> Records:
    """Return what a step made, as typed records.

    Args:
        step: A step, or a part of one such as `split.train`.
        source: A recipe that was opened, a recipe's file, or a store; by default the last build in this folder.

    Returns:
        Documents of a data step; conversations (dicts with `messages`) and judgements of steps that tune; items of an
        evaluation. They can be gone through again, or had as a table: `to_arrow()`, `to_pandas()`.

    Raises:
        UsageError: The step is not built, or makes no records.
        LmworksError: Its files are not as they were written.

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
