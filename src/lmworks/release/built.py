"""A recipe's last build as it lies in the store."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from lmworks.data.personal.hidden import hide
from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.lineage import Lineage, Link
from lmworks.pipeline.record import BuildRecord
from lmworks.pipeline.store import Artifact, Store
from lmworks.recipe.yaml import read_yaml


@dataclass(frozen=True)
class Built:
    """What a build's record and manifests say. Any part of it may be missing."""

    store: Store
    name: str
    record: BuildRecord
    left_out: frozenset[str] = frozenset()
    """Evaluations that `evaluations` leaves out."""

    @classmethod
    def open(cls, store: Store, name: str | None = None) -> Built:
        """A recipe's last build; without a name, that of the recipe built last. Raises `UsageError` if none is."""
        found = name or store.builds.last
        record = store.builds.get(found)
        if found is None or record is None:
            which = f"of {name!r} " if name else ""
            raise UsageError(f"{store.root}: no build {which}in this store; make one with `lmworks build RECIPE`")
        return cls(store, found, record)

    @classmethod
    def holding(cls, store: Store, artifact: Artifact) -> Built:
        """The build that an artifact belongs to; the last one, if none names it any more."""
        last = cls.open(store)
        builds = [last, *(cls(store, name, record) for name, record in store.builds.readable())]
        return next((build for build in builds if build.step_of(artifact)), last)

    @property
    def recipe(self) -> Path:
        return self.store.builds.recipe_of(self.record)

    @property
    def folder(self) -> Path:
        """The recipe's folder, where its keys lie. Raises LmworksError if the recipe is not there."""
        return self.store.builds.folder_of(self.name, self.record)

    @property
    def plan(self) -> dict[str, Any]:
        """The plan; empty if there was none."""
        return self.record.plan or {}

    @cached_property
    def fields(self) -> dict[str, Any]:
        """What the recipe's file says by now; empty if it is gone or cannot be read."""
        try:
            fields = read_yaml(self.recipe.read_text(encoding="utf-8"), str(self.recipe)).value
        except (OSError, ValueError, LmworksError):
            return {}
        return fields if isinstance(fields, dict) else {}

    @property
    def use_case(self) -> str:
        """What the recipe says the model is for, without personal data; empty if the recipe is gone."""
        own = [detector.detector() for config in anonymising_in(self.fields) for detector in config.own]
        return hide(str(self.fields.get("use_case", "")), more=own)

    @cached_property
    def artifacts(self) -> dict[str, Artifact]:
        """Steps whose artifact is in the store, inputs before what is made from them."""
        found = {name: self.store.find(step.stage, step.key) for name, step in self.record.steps.items()}
        return {name: artifact for name, artifact in found.items() if artifact}

    @cached_property
    def lineage(self) -> Lineage:
        """What the steps were made from, as this build has it."""
        return Lineage(self.store, self.record)

    @property
    def command(self) -> str:
        """How to build it again."""
        settings = [word for setting in self.record.settings for word in ("--set", setting)]
        return shlex.join(["lmworks", "build", str(self.recipe), *settings])

    @property
    def missing(self) -> list[str]:
        """Steps of the recipe that are not in the store."""
        return [name for name in self.record.nodes or self.record.steps if name not in self.artifacts]

    @property
    def erased(self) -> list[str]:
        """Those that an erasure deleted, since what was erased had reached them."""
        folders = {
            name: self.store.root / "artifacts" / each.stage / each.key for name, each in self.record.steps.items()
        }
        return [name for name in self.missing if name in folders and Artifact(folders[name]).is_erased]

    @cached_property
    def outdated(self) -> list[str]:
        """Steps made with settings or from inputs that this recipe no longer has: they wait for a build."""
        return [
            name
            for name, artifact in self.artifacts.items()
            if name in self.record.changed or not all(self._current(artifact))
        ]

    def parted(self) -> tuple[Built, Built]:
        """This build with the evaluations alone of what its recipe makes now, and with those alone of what it made."""
        stale = {*self.outdated}
        for name, artifact in self.artifacts.items():
            if any(link.step in stale for link in self.lineage.links(artifact)):
                stale.add(name)
        now = frozenset(name for name in self.artifacts if name not in stale)
        return replace(self, left_out=frozenset(stale)), replace(self, left_out=now)

    def _current(self, artifact: Artifact) -> Iterator[bool]:
        for link in self.lineage.links(artifact):
            now = self.artifacts.get(link.step)
            yield now is not None and now.digest(link.part) == link.record.digest

    def step_of(self, artifact: Artifact) -> str | None:
        """The name of an artifact in this build."""
        wanted = (artifact.stage, artifact.key)
        return next((name for name, step in self.record.steps.items() if (step.stage, step.key) == wanted), None)

    @property
    def models(self) -> dict[str, Artifact]:
        return {name: artifact for name, artifact in self.artifacts.items() if is_model(artifact)}

    def evaluations(self) -> dict[str, dict[str, Artifact]]:
        """Task → what was measured (a model, a baseline, or "" for their comparison) → artifact."""
        tasks: dict[str, dict[str, Artifact]] = {}
        for name, artifact in self.artifacts.items():
            if name.startswith("evaluate/") and name not in self.left_out:
                _, task, *system = name.split("/", 2)
                tasks.setdefault(task, {})["".join(system)] = artifact
        return tasks

    @cached_property
    def diagnoses(self) -> frozenset[str]:
        """Tasks on trained text: each model whose training text is known was trained on most of theirs."""
        shares = {
            task: [self._trained_share(each) for name, each in systems.items() if name and measures_model(each)]
            for task, systems in self.evaluations().items()
        }
        known = {task: [share for share in some if share is not None] for task, some in shares.items()}
        return frozenset(task for task, some in known.items() if some and min(some) > 1 / 2)

    def judging(self) -> dict[str, dict[str, Artifact]]:
        """The evaluations that may judge a model: all but those on trained text."""
        return {task: systems for task, systems in self.evaluations().items() if task not in self.diagnoses}

    def measures(self, model: Artifact) -> bool:
        """Return whether a task that may judge a model was asked of this one."""
        evaluations = [each for systems in self.judging().values() for name, each in systems.items() if name]
        read = (record for each in evaluations for record in each.manifest.inputs.get("model", ()))
        return any(record.digest == model.digest() for record in read)

    def _trained_share(self, evaluation: Artifact) -> float | None:
        """The share of the documents behind a task that its model was trained on; None where that is not known."""
        links = {link.name: link for link in self.lineage.links(evaluation)}
        model, asked = links["model"].parent, _ids(links["data"]) if "data" in links else frozenset()
        texts = self.lineage.trained_on(model) if model and asked else []
        learned: frozenset[str] = frozenset().union(*map(_ids, texts))
        return len(asked & learned) / len(asked) if learned else None


def anonymising_in(fields: Mapping[str, Any]) -> list[AnonymiseConfig]:
    """Return the `anonymise` steps of a recipe; none if one of them is not sound."""
    groups = [group for group in fields.values() if isinstance(group, dict)]
    steps = [step for group in groups for step in group.values() if isinstance(step, dict)]
    try:
        return [AnonymiseConfig.model_validate(step) for step in steps if step.get("kind") == anonymise.name]
    except (ValueError, LmworksError):
        return []


@cache
def _ids_in(path: Path) -> frozenset[str]:
    return frozenset(path.read_text(encoding="utf-8").split()) if path.exists() else frozenset()


def _ids(link: Link) -> frozenset[str]:
    """The ids of the documents that an input holds, or was made of; none where nobody wrote them down."""
    return _ids_in(link.path / "ids.txt") if link.path else frozenset()


def is_model(artifact: Artifact) -> bool:
    """Whether the payload is a Hugging Face folder of a model."""
    return "config.json" in artifact.manifest.files


def is_tokenizer(artifact: Artifact) -> bool:
    """Whether the payload is a tokenizer, and no model."""
    return artifact.is_readable and "tokenizer.json" in artifact.manifest.files and not is_model(artifact)


def measures_model(evaluation: Artifact) -> bool:
    """Whether an evaluation is of a model, not of a baseline."""
    return "model" in evaluation.manifest.inputs


def files_read(artifact: Artifact) -> list[dict[str, Any]]:
    """The files of sources that a step has read, with source, path, licence, bytes and sha256; none for other steps."""
    path = artifact.payload / "files.json"
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def reference(step: str, part: str) -> str:
    """A step, or one part of its output, as a recipe names it."""
    return f"{step}.{part}" if part else step


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON Lines file; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if there is no such file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
