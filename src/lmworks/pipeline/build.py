"""Build of a graph of stages: reuse artifacts, say why the others are stale, run their stages and publish them."""

from __future__ import annotations

import os
import platform
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from math import inf
from pathlib import Path
from typing import Any, Protocol

from lmworks.errors import LmworksError
from lmworks.pipeline.files import canonical_json, digest_once, full_disk_in_words, is_full, sync, write_atomically
from lmworks.pipeline.keys import key_config, stale_reason
from lmworks.pipeline.manifest import FORMAT, FileRecord, InputRecord, Manifest, Run, read_manifest, write_manifest
from lmworks.pipeline.record import KeyParts, StepRecord, split_reference
from lmworks.pipeline.stage import Context, Handle, Progress, Result, Role, Stage
from lmworks.pipeline.store import Artifact, Store, deletion_in_words, is_held, locked
from lmworks.pipeline.units import BESIDE, NOTHING, Earlier, indices, origins
from lmworks.pipeline.work.journal import FileJournal
from lmworks.pipeline.work.process import forget_peak_memory, give_memory_back, peak_memory_bytes, processor_name
from lmworks.pipeline.work.workers import Execute, in_processes
from lmworks.recipe.schema import StepConfig
from lmworks.registry import Plugin

LIBRARIES = (
    *("torch", "numpy", "tokenizers", "safetensors", "pyarrow", "botocore", "ftfy", "phonenumbers"),
    *("python-stdnum", "Faker"),
    *("lxml", "trafilatura", "pypdf", "python-docx", "warcio", "mwparserfromhell", "pylatexenc", "scikit-learn"),
    *("fastokens",),
    *("SQLAlchemy", "psycopg"),
    *("transformers", "accelerate", "gguf", "optuna", "sacrebleu"),
)
"""Packages whose versions are in every manifest, but in no key: a patch release must not repeat a month's training."""


@dataclass(frozen=True)
class Node:
    """One step of a build: a stage, its resolved config, and where its inputs come from."""

    name: str
    stage: Stage
    config: StepConfig
    inputs: Mapping[str, str | list[str] | None] = field(default_factory=dict)
    """References ("clean", "split.train"), one or a list, by parameter of the stage."""
    after: Sequence[str] = ()
    """Steps that must succeed before, although the node reads none of their output. They are not part of the key."""
    predicted: Mapping[str, Any] = field(default_factory=dict)
    """Prediction of the plan. The manifest keeps it beside the measured values."""
    plugins: Sequence[Plugin] = ()
    """Installed packages other than lmworks whose code the node runs. They are part of the key."""

    def given(self) -> Iterator[tuple[str, str]]:
        """Yield each reference that the stage is given, in order, with its parameter."""
        for parameter, value in self.inputs.items():
            yield from ((parameter, reference) for reference in ([value] if isinstance(value, str) else value or []))

    def references(self) -> Iterator[str]:
        """Yield every reference of this node, in order."""
        yield from (reference for _, reference in self.given())
        yield from self.after


class Display(Protocol):
    """Display to which a build reports its progress."""

    def step(self, node: str, index: int, total: int, reason: str, most_seconds: float = inf) -> Progress:
        """Show that a step begins. `most_seconds` is its planned maximum duration."""
        ...

    def reused(self, node: str, index: int, total: int) -> None: ...

    def finished(self, manifest: Manifest) -> None: ...

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...


@dataclass
class Build:
    """State of one build: the artifact of each step."""

    store: Store
    nodes: Sequence[Node]
    previous: Mapping[str, StepRecord] = field(default_factory=dict)
    """Records of the last build's steps, to explain why one is stale."""
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    steps: dict[str, StepRecord] = field(default_factory=dict)

    def resolve(self, node: Node) -> KeyParts | None:
        """Return the parts of a node's key, or None while an input is not built."""
        inputs: dict[str, str | list[str]] = {}
        for name, value in node.inputs.items():
            if value is None:
                continue
            digests = []
            for reference in [value] if isinstance(value, str) else value:
                step, part = split_reference(reference)
                if step not in self.artifacts:
                    return None
                digests.append(self.artifacts[step].digest(part))
            inputs[name] = digests if isinstance(value, list) else digests[0]
        return _parts(node, inputs)

    def kept(self) -> dict[str, StepRecord]:
        """Return the records of steps that this build has not reached. They keep the artifacts of an earlier build."""
        names = [node.name for node in self.nodes if node.name not in self.steps]
        return {name: self.previous[name] for name in names if name in self.previous}

    def changed(self) -> list[str]:
        """Return the steps of `kept` whose settings, inputs or version in the recipe changed."""
        kept, nodes = self.kept(), {node.name: node for node in self.nodes}
        now = {name: StepRecord.of(_parts(nodes[name], kept[name].parts.inputs), nodes[name].inputs) for name in kept}
        return [name for name, each in kept.items() if (each.key, each.inputs) != (now[name].key, now[name].inputs)]

    def look(self, node: Node) -> tuple[Artifact | None, str]:
        """Return the node's artifact if it is in the store, and otherwise why it must be made."""
        parts = self.resolve(node)
        if parts is None:
            return None, "an input is not built yet"
        artifact = self.store.find(parts.stage, parts.key)
        if artifact:
            self.artifacts[node.name] = artifact
            self.steps[node.name] = StepRecord.of(parts, node.inputs)
            return artifact, ""
        return None, self._reason(node, parts)

    def _reason(self, node: Node, parts: KeyParts) -> str:
        """Return why a node is stale."""
        record = self.previous.get(node.name)
        return stale_reason(parts, record.parts if record else None)

    def outdated(self) -> str:
        """Return a message about steps that an older lmworks made, with what to do. Empty if there are none."""
        older = [
            node.name
            for node in self.nodes
            if (record := self.previous.get(node.name))
            and (record.parts.stage, record.parts.version < node.stage.version) == (node.stage.name, True)
        ]
        if not older:
            return ""
        names = ", ".join(older[:3]) + (f" and {len(older) - 3} more" if len(older) > 3 else "")
        return f"An older lmworks made {names}. `lmworks build` makes them, and what reads them, again."

    def under_way(self, node: Node) -> tuple[str, Path] | None:
        """Return `running` or `stopped` if work on a node is unfinished, and its folder."""
        if (parts := self.resolve(node)) is None:
            return None
        work = self.store.root / "work" / parts.key
        if is_held(work / "lock"):
            return "running", work
        return ("stopped", work) if (work / "progress.jsonl").exists() else None

    def handle(self, reference: str, kind: type[Handle]) -> Handle:
        """Return the typed handle of a reference. Raises LmworksError if a file of it was damaged."""
        step, part = split_reference(reference)
        artifact = self.artifacts[step]
        artifact.require_sound(part)
        return kind(artifact.path(part).absolute(), artifact.digest(part))

    def run(
        self, node: Node, display: Display, position: tuple[int, int], environment: Environment, *, again: bool = False
    ) -> Artifact:
        """Make the node's artifact, under a lock, unless it exists. With `again`, make it anyway, from the start."""
        parts = self.resolve(node)
        if parts is None:
            raise LmworksError(f"step {node.name!r}: an input of this step is not built")
        key, reason = parts.key, self._reason(node, parts)
        work = self.store.work(key).absolute()  # the folder that this program runs in may not be a worker's
        (work / "step").write_text(node.name)
        lock = locked(work / "lock", lambda line: display.say(f"{node.name}: {line}"))
        with deletion_in_words(work, node.name), lock:
            artifact = self.store.find(node.stage.name, key)
            if again and any((work / name).exists() for name in ("progress.jsonl", "result.json")):
                display.say(f"{node.name}: begins anew: what was unfinished of it is deleted")
                _clear(work)
            if artifact is None or again:
                progress = display.step(node.name, *position, reason, max(node.predicted.get("seconds", [inf])))
                own = environment if again else replace(environment, earlier=self.store.earlier(parts))
                with full_disk_in_words(work, node.name):
                    artifact = self._make(node, parts, work, progress, display, own)
            else:
                display.reused(node.name, *position)
            _clear(work)
        self.artifacts[node.name] = artifact
        self.steps[node.name] = StepRecord.of(parts, node.inputs)
        return artifact

    def _make(
        self, node: Node, parts: KeyParts, work: Path, progress: Progress, display: Display, environment: Environment
    ) -> Artifact:
        finished, key = work / "result.json", parts.key
        out = work / "out"
        if not finished.exists():
            journal = FileJournal(work / "progress.jsonl")
            _drop_unnamed(out, journal)
            _drop_unnamed(work / BESIDE, journal)
            (work / "scratch").mkdir(exist_ok=True)
            environment.check_stop()
            context = Context(
                work / "scratch",
                journal,
                progress,
                environment.check_stop,
                environment.workers,
                lambda line: display.say(f"{node.name}: {line}"),
                environment.execute,
                environment.earlier,
            )
            handles: dict[str, Any] = {}
            for name, kind in node.stage.inputs.items():
                value = node.inputs.get(name)
                if value is None and not kind.optional:
                    raise LmworksError(f"step {node.name!r}: input {name!r} is missing")
                one = [value] if isinstance(value, str) else value or []
                made = [self.handle(reference, kind.handle) for reference in one]
                handles[name] = made if kind.many else (made[0] if made else None)
            give_memory_back()
            held = forget_peak_memory()
            started = time.time()
            with _package_in_words(node, self.store):
                result = node.stage(node.config, **handles, out=out, context=context)
            _drop_temporary(out)
            _drop_temporary(work / BESIDE)
            write_manifest(finished, self._manifest(node, key, out, result, started, held))
        manifest = read_manifest(finished)
        if (manifest.stage, manifest.key) != (parts.stage, key):
            raise LmworksError(
                f"{finished}: this file is of {manifest.stage} {manifest.key}, not of the step {parts.stage} {key}, so "
                "the file was changed. Delete its folder and build again with `lmworks build`"
            )
        artifact = self.store.publish(out, manifest)
        display.finished(manifest)
        return artifact

    def _manifest(self, node: Node, key: str, out: Path, result: Result, started: float, held: int) -> Manifest:
        write_atomically(out / "figures.json", canonical_json([figure.as_json() for figure in result.figures]) + "\n")
        write_atomically(out / "counts.json", canonical_json(dict(result.counts)) + "\n")
        write_atomically(out / "examples.jsonl", _json_lines(result.examples))
        sync(out)
        sync(out.parent / BESIDE)
        made_from = origins(out.parent / BESIDE)
        files = {
            (name := str(path.relative_to(out))): FileRecord(
                sha256=digest_once(path), bytes=path.stat().st_size, made_from=tuple(made_from.get(name, ()))
            )
            for path in sorted(out.rglob("*"))
            if path.is_file()
        }
        inputs = {}
        for name, value in node.inputs.items():
            named = [value] if isinstance(value, str) else value or []
            inputs[name] = tuple(self._input(reference, node.stage.inputs[name].role) for reference in named)
        return Manifest(
            format=FORMAT,
            step=node.name,
            stage=node.stage.name,
            version=node.stage.version,
            key=key,
            config=node.config.model_dump(mode="json", by_alias=True),
            inputs=inputs,
            files=files,
            counts=dict(result.counts),
            losses=tuple(
                sorted(filter(result.counts.get, result.losses), key=lambda name: (-result.counts[name], name))
            ),
            figures=tuple(result.figures),
            libraries=versions() | {plugin.name: plugin.version for plugin in node.plugins},
            run=Run(
                started=round(started, 3),
                seconds=round(time.time() - started, 3),
                peak_memory_bytes=peak_memory_bytes(),
                memory_before_bytes=held,
                host=platform.platform(),
                processor=processor_name(),
                cores=os.cpu_count(),
                measured=dict(result.measured),
                predicted=dict(node.predicted),
            ),
        )

    def _input(self, reference: str, role: Role) -> InputRecord:
        step, part = split_reference(reference)
        artifact = self.artifacts[step]
        return InputRecord(
            step=step, stage=artifact.stage, key=artifact.key, digest=artifact.digest(part), part=part, role=role
        )


@contextmanager
def _package_in_words(node: Node, store: Store) -> Iterator[None]:
    """Raise LmworksError, naming package and place, for an unexpected error in the code of a package."""
    try:
        yield
    except Exception as error:
        is_told = isinstance(error, LmworksError) or is_full(error)
        is_lost = isinstance(error, FileNotFoundError) and str(store.root.absolute()) in str(error)
        if is_told or is_lost or not node.plugins:  # room and deletions are told elsewhere
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise LmworksError(
            f"step {node.name!r}, by {' and '.join(map(str, node.plugins))}: {type(error).__name__}: {error} "
            f"({place.filename}, line {place.lineno}). Update the package, or report the error to its authors"
        ) from error


def _parts(node: Node, inputs: dict[str, str | list[str]]) -> KeyParts:
    return KeyParts(
        stage=node.stage.name,
        version=node.stage.version,
        config=key_config(node.config),
        inputs=inputs,
        plugins={plugin.name: plugin.version for plugin in node.plugins},
    )


def foresee(build: Build, nodes: Sequence[Node]) -> str:
    """Return a line that names the steps made again by shard, and those made again as a whole. "" if there are none.

    If the new output of a step is equal, later steps are not made again.
    """
    shards: list[str] = []
    wholly: list[str] = []
    for node in nodes:
        before = build.previous.get(node.name)
        if before is None or build.look(node)[0]:
            continue
        beside = build.store.root / "artifacts" / before.stage / before.key / BESIDE
        if units := max((len(entries) for _, entries in indices(beside)), default=0):
            shards.append(f"{node.name} ({units})")
        elif "/" not in node.name:  # what belongs to a step, such as its rows and its figures, is not told apart
            wholly.append(node.name)
    kinds = {"by shard, only those that changed": shards, "wholly": wholly}
    told = [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]
    return f"to be made again {'; '.join(told)}" if told else ""


@dataclass(frozen=True)
class Environment:
    """Settings of the machine and the user for a build."""

    check_stop: Callable[[], None]
    workers: int
    execute: Execute = in_processes
    earlier: Earlier = NOTHING
    """Finished work of earlier builds of the step, set for each step."""


def _drop_unnamed(out: Path, journal: FileJournal) -> None:
    """Remove from the output folder all files that a killed run left half written.

    Without a record of finished work, all files are removed. Otherwise only temporary files are, whose names begin with
    a dot.
    """
    if not journal.records() and out.exists():
        shutil.rmtree(out)
    out.mkdir(exist_ok=True)
    _drop_temporary(out)


def _drop_temporary(out: Path) -> None:
    """Delete unfinished files of a killed run's workers, which may have outlived the run."""
    for path in out.rglob(".*"):
        path.unlink(missing_ok=True)


def _clear(work: Path) -> None:
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in ("lock", "step"):
            path.unlink()


def _json_lines(records: Sequence[Mapping[str, Any]]) -> str:
    return "".join(canonical_json(record) + "\n" for record in records)


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that may change a byte."""
    found = {}
    for name in ("lmworks", *LIBRARIES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}
