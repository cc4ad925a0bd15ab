"""Well-known data sets, each in the form it is published in: a table, not code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from textwrap import fill
from typing import Any, Literal, TypedDict

from pydantic import Field, model_validator

from lmworks.data.sources.files import FolderOfFiles
from lmworks.errors import UsageError

OF_TEXTS = ("text_field", "keep")
"""Settings of how a record becomes one text. They do not hold where its fields are kept."""


class Part(TypedDict):
    """A subset that can be used by itself."""

    size: str
    licence: str | None
    """SPDX; None where nobody states one."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One row of the table."""

    name: str
    title: str
    licence: str | None
    """SPDX; None where each record states its own."""
    citation: str
    source: str
    """Place where licence and size were read, and what of them was not."""
    stage: str
    """Stage of a model's life that the set is made for: pretraining, instruction, preference, evaluation."""
    domain: str
    size: str
    files: str
    """Published files, in words."""
    on_hub: str = ""
    """Name among Hugging Face's data sets, if its authors publish it there."""
    languages: Sequence[str]
    """English names; `many` where there is an edition a language, or dozens are mixed."""
    tasks: Sequence[str] = ()
    """Tasks beside its domain, by names of the Data Provenance Initiative where it has one."""
    year: int
    """Year in which it first came out."""
    parts: Mapping[str, Part] = field(default_factory=dict)
    parts_source: str = ""
    read: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the source that read it."""

    def in_short(self) -> str:
        """Return its facts in few lines, with the item of a recipe's `sources` that reads it."""
        languages = ", ".join(self.languages[:6]) + f" and {len(self.languages) - 6} more" * (len(self.languages) > 6)
        licence = self.licence or "each record its own"
        tasks = ", ".join((self.domain, *self.tasks))
        facts = "; ".join((licence, self.stage, languages, tasks, str(self.year), self.size))
        lines = fill(facts, 80, initial_indent="    ", subsequent_indent="    ")
        return f"{self.name}: {self.title}\n{lines}\n    {{kind: dataset, dataset: {self.name}, path: …}}"

    def as_text(self) -> str:
        """Return all that is known of it."""
        facts = {
            "licence": self.licence or "each record its own",
            "made for": f"{self.stage}: {', '.join((self.domain, *self.tasks))}",
            "languages": ", ".join(self.languages),
            "since": str(self.year),
            "size": self.size,
            "files": self.files,
            "cite": self.citation,
            "known from": self.source,
            **({"parts": self.parts_source} if self.parts else {}),
        }
        lines = [f"{name:12}{fact}" for name, fact in facts.items()]
        for name, part in self.parts.items():
            lines.append(f"{'':12}{name:20}{part['size']:24}{part['licence'] or 'no licence stated'}")
        return "\n".join([self.title, *lines])


@cache
def adapters() -> dict[str, Adapter]:
    """Return the table, by name."""
    return {name: Adapter(name=name, **row) for name, row in _table()["adapters"].items()}


def adapter_named(name: str) -> Adapter:
    """Return a row of the table. Raises UsageError with the nearest name."""
    if name not in adapters():
        nearest = get_close_matches(name, adapters(), 1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"expected one of {', '.join(adapters())}"
        raise UsageError(f"no data set {name!r}; {hint}")
    return adapters()[name]


@cache
def _table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads((files(__package__) / "dataset.json").read_text(encoding="utf-8"))
    return table


class Dataset(FolderOfFiles):
    """A folder with a published data set. Settings of the recipe come before those of the table."""

    kind: Literal["dataset"]
    dataset: str = Field(description="Name in `lmworks data sources`.")

    @model_validator(mode="before")
    @classmethod
    def _from_the_table(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(name := given.get("dataset"), str):
            return given
        if name in (refused := _table()["refused"]):
            raise ValueError(f"{name!r} is not text: {refused[name]}")
        try:
            adapter = adapter_named(name)
        except UsageError as error:
            raise ValueError(str(error)) from None
        read = {field: value for field, value in adapter.read.items() if not ("fields" in given and field in OF_TEXTS)}
        return {"name": name, "licence": adapter.licence, **read, **given}

    def patterns(self) -> Sequence[str]:
        """Return the recipe's patterns. Those of the table cover several ways in which a set is packed."""
        return [] if self.include == adapter_named(self.dataset).read.get("include") else self.include

    def named(self) -> Mapping[str, str]:
        """Return what the recipe names. The table names the fields of files of several layouts."""
        read = adapter_named(self.dataset).read
        of_table = [name for name in OF_TEXTS if name in read and getattr(self, name) == read[name]]
        return {name: path for name, path in super().named().items() if name.partition(":")[0] not in of_table}
