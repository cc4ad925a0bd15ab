"""What models that learn in seconds have in common: a folder with a config.json that names what answers for it."""

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
    """What answers for it."""
    family: ClassVar[Family]
    has_weights: ClassVar[bool] = False
    """Whether a training can go on from it."""
    objective: str
    data: Reference = Field(description="Data to learn from.")

    def write(self, out: Path) -> None:
        """The config.json of its folder."""
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "config.json", {ENGINE: self.engine, FAMILY: self.family})
