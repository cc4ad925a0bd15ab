"""The recipe: one typed YAML file that holds the whole life of a model."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$")]
"""The name of an earlier step ("clean"), or of one part of its output ("split.train")."""


class StepConfig(BaseModel):
    """Base of every step's config: unknown fields are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
