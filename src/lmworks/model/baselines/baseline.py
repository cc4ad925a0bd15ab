"""Shared parts of models that learn in seconds. Their folders have a config.json that names the engine."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from lmworks.model.config import Family
from lmworks.model.folder import ENGINE, FAMILY, write_json
from lmworks.recipe.schema import Reference, StepConfig


class BaselineConfig(StepConfig):
    """Fields of models that consist of counts and sums. They train on one core in seconds."""

    engine: ClassVar[str]
    """Name of the model's engine."""
    family: ClassVar[Family]
    has_weights: ClassVar[bool] = False
    """Whether a training can start from the model."""
    objective: str
    data: Reference = Field(description="Data to learn from.")

    def write(self, out: Path, **more: object) -> None:
        """Write the config.json of the model's folder, with the fields `more` that its engine reads."""
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "config.json", {ENGINE: self.engine, FAMILY: self.family, **more})
