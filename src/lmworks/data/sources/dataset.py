"""Well-known data sets, each in the form it is published in: a table, not code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import Field, model_validator

from lmworks.data.sources.files import FolderOfFiles

OF_TEXTS = ("text_field", "keep")
"""How a record becomes one text: nothing of it holds where its fields are kept."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One row of the table."""

    title: str
    licence: str | None
    """SPDX; None where each record states its own."""
    citation: str
    source: str
    """Where licence and size were read, and what of them was not."""
    stage: str
    """The part of a model's life that the set is made for: pretraining, instruction, preference, evaluation."""
    domain: str
    size: str
    files: str
    """What is published, in words."""
    read: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the source that read it."""


@cache
def adapters() -> dict[str, Adapter]:
    """The table, by name."""
    return {name: Adapter(**row) for name, row in _table()["adapters"].items()}


@cache
def _table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads((files(__package__) / "dataset.json").read_text(encoding="utf-8"))
    return table


class Dataset(FolderOfFiles):
    """A folder with a published data set. What the recipe states comes before what the table says."""

    kind: Literal["dataset"]
    dataset: str = Field(description="Its name in `lmworks data sources`.")

    @model_validator(mode="before")
    @classmethod
    def _from_the_table(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(name := given.get("dataset"), str):
            return given
        if name in (refused := _table()["refused"]):
            raise ValueError(f"{name!r} is not text: {refused[name]}")
        if name not in adapters():
            nearest = get_close_matches(name, adapters(), 1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"expected one of {', '.join(adapters())}"
            raise ValueError(f"no data set {name!r}; {hint}")
        adapter = adapters()[name]
        read = {field: value for field, value in adapter.read.items() if not ("fields" in given and field in OF_TEXTS)}
        return {"name": name, "licence": adapter.licence, **read, **given}
