"""The record of a recipe's last build: what each of its steps was built as."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lmworks.errors import LmworksError
from lmworks.pipeline.files import canonical_json, digest_text, one_name, write_atomically
from lmworks.pipeline.manifest import Below, Name
from lmworks.recipe.schema import ServeConfig


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class KeyParts(_Record):
    """All that may change an artifact: its key is a hash of it."""

    stage: str
    version: int
    config: dict[str, Any]
    """The fields of the stage's config that enter the key, unlike their default."""
    inputs: dict[str, str | list[str]]
    """Digests of content, by parameter of the stage."""
    plugins: dict[str, str] = Field(exclude_if=lambda plugins: not plugins, default={})
    """Versions of the installed packages whose code the stage runs."""

    @property
    def key(self) -> str:
        """Of the artifact that is made of these."""
        return digest_text(canonical_json(self.model_dump()))[:32]

    def without(self, field: str | None) -> KeyParts:
        """The same, but for one field of the config."""
        config = {name: value for name, value in self.config.items() if name != field}
        return self.model_copy(update={"config": config})


def split_reference(reference: str) -> tuple[str, str]:
    """Step and part of a reference; names of steps hold no dot."""
    step, _, part = reference.partition(".")
    return step, part


class StepRecord(_Record):
    """What one step was built as."""

    stage: Name
    key: Name
    parts: KeyParts
    inputs: dict[str, tuple[str, ...]] = {}
    """What the recipe names for each parameter of the stage ("clean", "split.train"), in order."""

    @classmethod
    def of(cls, parts: KeyParts, inputs: Mapping[str, str | list[str] | None] | None = None) -> StepRecord:
        """The record of a step that was built of these, which the recipe names so."""
        named = {name: (each,) if isinstance(each, str) else each for name, each in (inputs or {}).items() if each}
        return cls.model_validate({"stage": parts.stage, "key": parts.key, "parts": parts, "inputs": named})


class BuildRecord(_Record):
    """What a recipe was last built as."""

    recipe: str
    """Its path from the store, so that a project that is moved whole still finds it."""
    settings: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    """All steps of the recipe, also those that are not built yet."""
    plan: dict[str, Any] | None = None
    serve: ServeConfig | None = None
    steps: dict[Below, StepRecord] = {}


class BuildRecords:
    """The last builds of all recipes in a folder of a store, `NAME.json` each; `last` names the last of them.

    Where recipe files share a name, that of the file built last has it, and each other file's is kept as
    `NAME@DIGEST.json`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def last(self) -> str | None:
        """The name of the recipe built last; None if none was."""
        try:
            return one_name((self.folder / "last").read_text().strip())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise LmworksError(
                f"{self.folder / 'last'}: holds no name of a build; delete it and build again"
            ) from error

    @property
    def names(self) -> list[str]:
        """Of all recipes that were built."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def __iter__(self) -> Iterator[BuildRecord]:
        yield from filter(None, map(self.get, self.names))

    def get(self, name: str | None) -> BuildRecord | None:
        """A recipe's last build; None if there is none. Raises LmworksError if its record cannot be read."""
        path = self.folder / f"{name}.json"
        try:
            return BuildRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise LmworksError(
                f"{path}: the record of a build cannot be read; delete it and build the recipe again with "
                "`lmworks build RECIPE`: what is made is kept and found again"
            ) from error

    def recipe_of(self, record: BuildRecord) -> Path:
        """The recipe's file."""
        return (self.folder.parent / record.recipe).resolve()

    def of(self, name: str, recipe: Path) -> BuildRecord | None:
        """The last build of a recipe file; where it was never built, that of another under its name."""
        alike = map(self.get, self._set_aside(name, recipe))
        return next((record for record in alike if record), None) or self.get(name)

    def namesake(self, name: str, recipe: Path) -> Path | None:
        """Another recipe file, still there, that was built last under the same name."""
        record = self.get(name)
        found = self.recipe_of(record) if record else None
        return found if found and found != recipe.resolve() and found.exists() else None

    def save(self, name: str, record: BuildRecord) -> None:
        """Remember what a recipe was last built as."""
        recipe = self.recipe_of(record)
        if self.namesake(name, recipe) and (before := self.get(name)):
            self._write(f"{name}@{digest_text(before.recipe)[:8]}", before)
        self._write(name, record)
        for other in self._set_aside(name, recipe):
            (self.folder / f"{other}.json").unlink(missing_ok=True)
        write_atomically(self.folder / "last", name + "\n")

    def _set_aside(self, name: str, recipe: Path) -> list[str]:
        """The names under which records of a recipe file are kept beside that of a namesake."""
        kept = [other for other in self.names if other.startswith(f"{name}@")]
        return [other for other in kept if (record := self.get(other)) and self.recipe_of(record) == recipe.resolve()]

    def _write(self, name: str, record: BuildRecord) -> None:
        write_atomically(self.folder / f"{name}.json", json.dumps(record.model_dump(mode="json"), indent=1) + "\n")
