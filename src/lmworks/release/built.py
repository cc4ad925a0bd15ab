"""The last build of a recipe, as the store holds it."""

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
    """A build, as its record and manifests describe it. Any part of it can be missing from the store."""

    store: Store
    name: str
    record: BuildRecord
    left_out: frozenset[str] = frozenset()
    """Evaluations that `evaluations` leaves out."""

    @classmethod
    def open(cls, store: Store, name: str | None = None) -> Built:
        """Return a recipe's last build; without a name, the store's last build. Raises `UsageError` if none is."""
        found = name or store.builds.last
        record = store.builds.get(found)
        if found is None or record is None:
            which = f"of {name!r} " if name else ""
            raise UsageError(f"{store.root}: no build {which}in this store; make one with `lmworks build RECIPE`")
        return cls(store, found, record)

    @classmethod
    def holding(cls, store: Store, artifact: Artifact) -> Built:
        """Return the build that an artifact belongs to, or the last build if none has the artifact any more."""
        last = cls.open(store)
        builds = [last, *(cls(store, name, record) for name, record in store.builds.readable())]
        return next((build for build in builds if build.step_of(artifact)), last)

    @property
    def recipe(self) -> Path:
        return self.store.builds.recipe_of(self.record)

    @property
    def folder(self) -> Path:
        """Folder that holds the recipe and its keys. Raises LmworksError if the recipe is not there."""
        return self.store.builds.folder_of(self.name, self.record)

    @property
    def plan(self) -> dict[str, Any]:
        """Plan of the build. Empty if there was none."""
        return self.record.plan or {}

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Fields of the recipe's file as it is now. Empty if the file is gone or cannot be read."""
        try:
            fields = read_yaml(self.recipe.read_text(encoding="utf-8"), str(self.recipe)).value
        except (OSError, ValueError, LmworksError):
            return {}
        return fields if isinstance(fields, dict) else {}

    @property
    def use_case(self) -> str:
        """Purpose of the model as the recipe states it, without personal data. Empty if the recipe is gone."""
        own = [detector.detector() for config in anonymising_in(self.fields) for detector in config.own]
        return hide(str(self.fields.get("use_case", "")), more=own)

    @cached_property
    def artifacts(self) -> dict[str, Artifact]:
        """Step → its artifact in the store. Inputs come before the steps made from them."""
        found = {name: self.store.find(step.stage, step.key) for name, step in self.record.steps.items()}
        return {name: artifact for name, artifact in found.items() if artifact}

    @cached_property
    def lineage(self) -> Lineage:
        """Lineage of this build: what each of its steps was made from."""
        return Lineage(self.store, self.record)

    @property
    def command(self) -> str:
        """Command that builds the recipe again."""
        settings = [word for setting in self.record.settings for word in ("--set", setting)]
        return shlex.join(["lmworks", "build", str(self.recipe), *settings])

    @property
    def missing(self) -> list[str]:
        """Steps of the recipe that are not in the store."""
        return [name for name in self.record.nodes or self.record.steps if name not in self.artifacts]

    @property
    def erased(self) -> list[str]:
        """Missing steps that an erasure deleted, because an erased text had reached them."""
        folders = {
            name: self.store.root / "artifacts" / each.stage / each.key for name, each in self.record.steps.items()
        }
        return [name for name in self.missing if name in folders and Artifact(folders[name]).is_erased]

    @cached_property
    def outdated(self) -> list[str]:
        """Steps made with settings or from inputs that the recipe no longer has. They must be built again."""
        return [
            name
            for name, artifact in self.artifacts.items()
            if name in self.record.changed or not all(self._current(artifact))
        ]

    def parted(self) -> tuple[Built, Built]:
        """Return this build twice: with only evaluations of the recipe as it is now, and with only outdated ones."""
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
        """Return the name of an artifact in this build. None if the build does not have it."""
        wanted = (artifact.stage, artifact.key)
        return next((name for name, step in self.record.steps.items() if (step.stage, step.key) == wanted), None)

    @property
    def models(self) -> dict[str, Artifact]:
        return {name: artifact for name, artifact in self.artifacts.items() if is_model(artifact)}

    def evaluations(self) -> dict[str, dict[str, Artifact]]:
        """Return task → what was measured (a model, a baseline, or "" for their comparison) → artifact."""
        tasks: dict[str, dict[str, Artifact]] = {}
        for name, artifact in self.artifacts.items():
            if name.startswith("evaluate/") and name not in self.left_out:
                _, task, *system = name.split("/", 2)
                tasks.setdefault(task, {})["".join(system)] = artifact
        return tasks

    @cached_property
    def diagnoses(self) -> frozenset[str]:
        """Tasks on trained text: each model of known training text was trained on over half of their documents."""
        shares = {
            task: [self._trained_share(each) for name, each in systems.items() if name and measures_model(each)]
            for task, systems in self.evaluations().items()
        }
        known = {task: [share for share in some if share is not None] for task, some in shares.items()}
        return frozenset(task for task, some in known.items() if some and min(some) > 1 / 2)

    def judging(self) -> dict[str, dict[str, Artifact]]:
        """Return the evaluations that may judge a model: all except those on trained text."""
        return {task: systems for task, systems in self.evaluations().items() if task not in self.diagnoses}

    def measures(self, model: Artifact) -> bool:
        """Return whether a task that may judge models has evaluated this one."""
        evaluations = [each for systems in self.judging().values() for name, each in systems.items() if name]
        read = (record for each in evaluations for record in each.manifest.inputs.get("model", ()))
        return any(record.digest == model.digest() for record in read)

    def _trained_share(self, evaluation: Artifact) -> float | None:
        """Return the share of a task's documents that its model was trained on. None if this is not known."""
        links = {link.name: link for link in self.lineage.links(evaluation)}
        model, asked = links["model"].parent, _ids(links["data"]) if "data" in links else frozenset()
        texts = self.lineage.trained_on(model) if model and asked else []
        learned: frozenset[str] = frozenset().union(*map(_ids, texts))
        return len(asked & learned) / len(asked) if learned else None


def anonymising_in(fields: Mapping[str, Any]) -> list[AnonymiseConfig]:
    """Return the `anonymise` steps of a recipe. Empty if one of them is not valid."""
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
    """Return the ids of the documents that an input holds or was made from. Empty if they were not recorded."""
    return _ids_in(link.path / "ids.txt") if link.path else frozenset()


def is_model(artifact: Artifact) -> bool:
    """Return whether the payload is a Hugging Face folder of a model."""
    return "config.json" in artifact.manifest.files


def is_tokenizer(artifact: Artifact) -> bool:
    """Return whether the payload is a tokenizer without a model."""
    return artifact.is_readable and "tokenizer.json" in artifact.manifest.files and not is_model(artifact)


def measures_model(evaluation: Artifact) -> bool:
    """Return whether an evaluation is of a model, not of a baseline."""
    return "model" in evaluation.manifest.inputs


def files_read(artifact: Artifact) -> list[dict[str, Any]]:
    """Return source, path, licence, bytes and sha256 of each file that a step read. Empty if it reads no sources."""
    path = artifact.payload / "files.json"
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def reference(step: str, part: str) -> str:
    """Return the name that a recipe uses for a step, or for one part of its output."""
    return f"{step}.{part}" if part else step


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the records of a JSON Lines file. Empty if there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file. Empty if there is no such file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
