"""Statements of a card, and their evidence: files that are checked before they are read and named with it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lmworks.engines.rented.stages import asked_for
from lmworks.errors import LmworksError
from lmworks.evaluate.gates import NODE
from lmworks.pipeline.files import digest_files, digest_once
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built
from lmworks.release.render.templates import markdown

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Evidence:
    """A file, or several files of one artifact, and the fields that support a statement."""

    source: str
    """Step that made the file, or the name of a file that no step made: the recipe, or the record of the build."""
    file: str
    fields: str
    path: Path
    """Path of the file, or of the folder if there are several files."""
    sha256: str


@dataclass(frozen=True)
class Statement:
    """A sentence, or a row of a table, in Markdown. It cannot be made without evidence."""

    text: Markup
    evidence: tuple[Evidence, ...]

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError(f"{self.text!r}: a statement needs evidence")

    @property
    def plain(self) -> str:
        """Sentence as plain text, without the signs of Markdown."""
        return re.sub(r"\\(.)|`", r"\1", self.text)


def say(form: str, *evidence: Evidence, **values: object) -> Statement:
    """Return a sentence in Markdown with values put in. Signs in the values are escaped."""
    escaped = {name: value if isinstance(value, Markup) else markdown(value) for name, value in values.items()}
    return Statement(Markup(form.format_map(escaped)), evidence)  # noqa: S704 - each value is escaped right here


def row(cells: Sequence[object], *evidence: Evidence) -> Statement:
    """Return a row of a table."""
    escaped = [cell if isinstance(cell, Markup) else markdown(cell) for cell in cells]
    return Statement(Markup(f"| {' | '.join(escaped)} |"), evidence)  # noqa: S704 - each cell is escaped right here


def current(built: Built) -> tuple[Built, list[str]]:
    """Return a build without evaluations of models that it no longer has, and the names of those left out.

    Raises LmworksError for an evaluation whose name says that it measured another model than it did.
    """
    left = {name for name in built.outdated if name.startswith("evaluate/") and name.count("/") == 1}
    names = {*built.record.nodes, *built.record.steps}
    for task, systems in built.evaluations().items():
        for system, evaluation in systems.items():
            name = f"evaluate/{task}/{system}"
            models = [each for each in names if _is_of(system, each) or each == asked_for(name)]
            measured = next(iter(evaluation.manifest.inputs.get("model", ())), None)
            there = [built.artifacts[each] for each in models if each in built.artifacts]
            if not system or (measured and any(each.digest(measured.part) == measured.digest for each in there)):
                continue
            if measured and models and name in built.outdated:
                left |= {name, f"evaluate/{task}"}
            elif measured or models:
                what = f"{measured.reference} ({measured.digest[:16]})" if measured else "no model"
                said = " or ".join(f"{built.step_of(each)} ({each.digest()[:16]})" for each in there)
                raise LmworksError(
                    f"{built.store.builds.folder / built.name}.json: {name} should have measured {said or 'no model'}, "
                    f"but measured {what}: the record was changed. Delete it and type `lmworks build` again, which "
                    "reuses what is built"
                )
    if not left:
        return built, []
    steps = {name: step for name, step in built.record.steps.items() if name not in left}
    record = built.record.model_copy(update={"steps": steps})
    return replace(built, record=record), [name for name in built.artifacts if name in left]


def _is_of(system: str, model: str) -> bool:
    """Return whether a system of a task is a model, with the task's first prompt or with another one."""
    return system == model or (system.startswith(f"{model}-") and system.endswith("-prompt"))


class Witness:
    """Source of evidence for one build. Raises LmworksError for a file that was changed after the build."""

    def __init__(self, built: Built) -> None:
        self.built = built
        for name, step in built.record.steps.items():
            if step.key != step.parts.key:
                raise LmworksError(
                    f"{self._record}: the key of {name} does not fit what it was made of: the record was changed. "
                    "Delete it and type `lmworks build` again, which reuses what is built"
                )

    @property
    def _record(self) -> Path:
        return self.built.store.builds.folder / f"{self.built.name}.json"

    def manifest(self, artifact: Artifact, *fields: str) -> Evidence:
        """Return fields of a manifest as evidence. Its seal is checked when it is read."""
        name, path = self.built.lineage.name_of(artifact), artifact.folder / MANIFEST
        return Evidence(name, MANIFEST, ", ".join(fields), path, digest_once(path))

    def files(self, artifact: Artifact, pattern: str, fields: str = "") -> tuple[Evidence, ...]:
        """Return the files of a payload that match a pattern as evidence. Several files count as one piece."""
        found = {name: file.sha256 for name, file in artifact.manifest.files.items() if fnmatchcase(name, pattern)}
        for name in found:
            artifact.require_sound_file(name)
        if not found:
            return ()
        source, payload = self.built.lineage.name_of(artifact), artifact.payload
        if len(found) == 1:
            ((name, sha256),) = found.items()
            return (Evidence(source, name, fields, payload / name, sha256),)
        return (Evidence(source, f"{len(found)} files {pattern}", fields, payload, digest_files(found)),)

    def content(self, artifact: Artifact, name: str) -> dict[str, Any]:
        """Return the object in a JSON file of a payload. Empty if the step wrote no such file."""
        if not self.files(artifact, name):
            return {}
        return dict(json.loads((artifact.payload / name).read_text(encoding="utf-8")))

    def records(self, artifact: Artifact, name: str) -> list[dict[str, Any]]:
        """Return the records of a JSON Lines file of a payload. Empty if the step wrote no such file."""
        if not self.files(artifact, name):
            return []
        with (artifact.payload / name).open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.strip()]

    def recipe(self, *fields: str) -> Evidence:
        """Return fields of the recipe's file as evidence. If the file is gone, return the record of the build."""
        path = self.built.recipe
        if not path.exists():
            return self.record("recipe")
        return Evidence("the recipe", path.name, ", ".join(fields), path, digest_once(path))

    def record(self, *fields: str) -> Evidence:
        """Return fields of the build's record as evidence."""
        path = self._record
        return Evidence("the record of the build", path.name, ", ".join(fields), path, digest_once(path))

    def require_known(self, artifact: Artifact, name: str) -> list[Artifact]:
        """Return all artifacts behind a card: the model, its evaluations and gates, and what these were made from.

        Raises LmworksError if one of their manifests was changed.
        """
        tasks = [systems for systems in self.built.evaluations().values() if name in systems]
        gates = [self.built.artifacts[NODE]] if NODE in self.built.artifacts else []
        waiting = list(dict.fromkeys([artifact, *(each for systems in tasks for each in systems.values()), *gates]))
        seen = set(waiting)
        for item in waiting:
            for link in self.built.lineage.links(item):
                named = self.built.store.find(link.record.stage, link.record.key)
                for parent in filter(None, (named, link.parent)):
                    _ = parent.manifest  # which tells what is wrong with it
                    if parent not in seen:
                        seen.add(parent)
                        waiting.append(parent)
        return waiting
