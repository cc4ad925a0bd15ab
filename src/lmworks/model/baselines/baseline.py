"""Shared parts of models that learn in seconds: a folder with a config.json that names the engine."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from lmworks.model.config import Family
from lmworks.model.folder import ENGINE, FAMILY, write_json
from lmworks.recipe.schema import Reference, StepConfig


class BaselineConfig(StepConfig):
    """Fields of models made of counts and a sum. They train on one core in seconds."""

    engine: ClassVar[str]
    """Name of its engine."""
    family: ClassVar[Family]
    has_weights: ClassVar[bool] = False
    """Whether a training can go on from it."""
    objective: str
    data: Reference = Field(description="Data to learn from.")

    def write(self, out: Path, **more: object) -> None:
        """The config.json of its folder, with what `more` an engine reads there."""
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "config.json", {ENGINE: self.engine, FAMILY: self.family, **more})
