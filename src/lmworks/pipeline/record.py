"""Record of a recipe's last build, with the artifact of each of its steps."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lmworks.errors import LmworksError
from lmworks.pipeline.files import canonical_json, digest_text, one_name, read_regular, write_atomically
from lmworks.pipeline.manifest import Below, Name
from lmworks.recipe.schema import ServeConfig

logger = logging.getLogger("lmworks.pipeline")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class KeyParts(_Record):
    """All facts that can change an artifact. The artifact's key is their hash."""

    stage: str
    version: int
    config: dict[str, Any]
    """Fields of the stage's config that are part of the key. Fields with their default value are left out."""
    inputs: dict[str, str | list[str]]
    """Digests of the inputs' content, by parameter of the stage."""
    plugins: dict[str, str] = Field(exclude_if=lambda plugins: not plugins, default={})
    """Versions of the installed packages whose code the stage runs."""

    @property
    def key(self) -> str:
        """Key of the artifact made from these parts."""
        return digest_text(canonical_json(self.model_dump()))[:32]

    def without(self, field: str | None) -> KeyParts:
        """Return these parts with one field of the config changed."""
        config = {name: value for name, value in self.config.items() if name != field}
        return self.model_copy(update={"config": config})


def placed(path: Path) -> Path:
    """Return the path of a recipe with all links of its folder resolved. A recipe that is a link itself is kept."""
    return path.parent.resolve() / path.name


def split_reference(reference: str) -> tuple[str, str]:
    """Return step and part of a reference. Names of steps have no dot."""
    step, _, part = reference.partition(".")
    return step, part


class StepRecord(_Record):
    """Record of one step's last build."""

    stage: Name
    key: Name
    parts: KeyParts
    inputs: dict[str, tuple[str, ...]] = {}
    """Names in the recipe for each parameter of the stage ("clean", "split.train"), in order."""

    @classmethod
    def of(cls, parts: KeyParts, inputs: Mapping[str, str | list[str] | None] | None = None) -> StepRecord:
        """Return the record of a step that was built from these parts and references."""
        named = {name: (each,) if isinstance(each, str) else each for name, each in (inputs or {}).items() if each}
        return cls.model_validate({"stage": parts.stage, "key": parts.key, "parts": parts, "inputs": named})


class BuildRecord(_Record):
    """Record of a recipe's last build."""

    recipe: str
    """Path of the recipe relative to the store, so that it stays right if the whole project is moved."""
    settings: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    """All steps of the recipe, also those that are not built yet."""
    plan: dict[str, Any] | None = None
    serve: ServeConfig | None = None
    steps: dict[Below, StepRecord] = {}
    changed: tuple[str, ...] = ()
    """Steps whose settings in the recipe have changed since they were built."""


class BuildRecords:
    """The last builds of all recipes in a folder of a store, `NAME.json` each; `last` names the last of them.

    Where recipe files share a name, that of the file built last has it, and each other file's is kept as
    `NAME@DIGEST.json`.
    """

    def __init__(self, folder: Path, chosen: str | None = None) -> None:
        self.folder = folder
        self.chosen = chosen

    @property
    def last(self) -> str | None:
        """Name of the chosen recipe, or of the recipe built last. None if there is neither."""
        if self.chosen:
            return self.chosen
        try:
            return one_name(read_regular(self.folder / "last").decode().strip())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LmworksError(
                f"{self.folder / 'last'}: this file names no build; delete the file and build again"
            ) from error

    @property
    def names(self) -> list[str]:
        """Names of all recipes that were built."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def __iter__(self) -> Iterator[BuildRecord]:
        yield from filter(None, map(self.get, self.names))

    def readable(self) -> Iterator[tuple[str, BuildRecord]]:
        """Yield readable records by name, for showing and comparing. Others are reported and skipped."""
        for name in self.names:
            try:
                record = self.get(name)
            except LmworksError as error:
                logger.warning("passed over: %s", error)
                continue
            if record:
                yield name, record

    def get(self, name: str | None) -> BuildRecord | None:
        """Return a recipe's last build; None if there is none. Raises LmworksError if its record cannot be read."""
        path = self.folder / f"{name}.json"
        try:
            return BuildRecord.model_validate_json(read_regular(path))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise LmworksError(
                f"{path}: the record of a build cannot be read; delete the record and build again with "
                "`lmworks build RECIPE`. Finished work is kept and used again"
            ) from error

    def recipe_of(self, record: BuildRecord) -> Path:
        """Return the recipe's file, which may be gone."""
        root = self.folder.parent
        found = placed(root / record.recipe)
        # Older versions wrote a path that begins beside the link, where the store is one.
        beside_link = placed(Path(os.path.normpath(root.absolute() / record.recipe)))
        return beside_link if beside_link.exists() and not found.exists() else found

    def gone(self) -> dict[Path, Path]:
        """Return the records whose recipe is missing, each with the recipe's path."""
        recipes = {name: self.recipe_of(record) for name in self.names if (record := self.get(name))}
        return {self.folder / f"{name}.json": path for name, path in recipes.items() if not path.exists()}

    def folder_of(self, name: str, record: BuildRecord) -> Path:
        """Return the folder of a recipe, to read and write files in it. Raises LmworksError without the recipe."""
        path = self.recipe_of(record)
        if not path.exists():
            raise LmworksError(
                f"{path}: the recipe that {self.folder / name}.json names is missing, but files in its folder are "
                "needed. Connect the disk, or type `lmworks build RECIPE` with the new path, and repeat this command. "
                "If the recipe no longer exists, delete this record"
            )
        return path.parent

    def folders_of(self, steps: Collection[tuple[str, str]]) -> list[Path]:
        """Return the folders of the recipe built last, and of all recipes with one of these steps (stage and key)."""
        folders = set[Path]()
        for name in self.names:
            if record := self.get(name):
                built = {(step.stage, step.key) for step in record.steps.values()}
                if name == self.last or not built.isdisjoint(steps):
                    folders.add(self.folder_of(name, record))
        return sorted(folders)

    def name_of(self, name: str, recipe: Path) -> str:
        """Return the name of the record of a recipe file. Without one, return the name it shares with other files."""
        return next(iter(self._set_aside(recipe, name)), name)

    def namesake(self, name: str, recipe: Path) -> Path | None:
        """Return another existing recipe file that was built last under the same name. None if there is none."""
        record = self.get(name)
        found = self.recipe_of(record) if record else None
        return found if found and found != placed(recipe) and found.exists() else None

    def save(self, name: str, record: BuildRecord) -> None:
        """Write the record of a recipe's last build."""
        recipe, before = self.recipe_of(record), self.get(name)
        other = self.recipe_of(before) if before else recipe
        renamed = other.parent == recipe.parent and not other.exists()  # if its folder is gone, it may be out of reach
        if before and other != recipe and not renamed:
            self._write(f"{name}@{digest_text(before.recipe)[:8]}", before)
        self._write(name, record)
        for aside in self._set_aside(recipe):
            (self.folder / f"{aside}.json").unlink(missing_ok=True)
        write_atomically(self.folder / "last", name + "\n")

    def _set_aside(self, recipe: Path, name: str = "") -> list[str]:
        """Return the names of set-aside records (`NAME@DIGEST`) of a recipe file, for one name or for all names."""
        kept = [other for other in self.names if "@" in other and other.startswith(f"{name}@" if name else "")]
        return [other for other in kept if (record := self.get(other)) and self.recipe_of(record) == placed(recipe)]

    def _write(self, name: str, record: BuildRecord) -> None:
        write_atomically(self.folder / f"{name}.json", json.dumps(record.model_dump(mode="json"), indent=1) + "\n")
