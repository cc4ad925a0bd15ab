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
"""Settings of the table that make one text of a record. They are ignored if the recipe states `fields`."""


class Part(TypedDict):
    """A subset that can be used by itself."""

    size: str
    licence: str | None
    """SPDX expression, or None if no licence is stated."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """Facts about one published data set: a row of the table."""

    name: str
    title: str
    licence: str | None
    """SPDX expression, or None if each record states its own licence."""
    citation: str
    source: str
    """Places where licence and size were read, and which of them were not checked."""
    stage: str
    """Stage of training that the data set is made for: pretraining, instruction, preference or evaluation."""
    domain: str
    size: str
    files: str
    """Published files, in words."""
    on_hub: str = ""
    """Name on the Hugging Face Hub, if the authors publish the data set there."""
    languages: Sequence[str]
    """English names of languages, or `many` if there is an edition per language, or if dozens are mixed."""
    tasks: Sequence[str] = ()
    """Tasks in addition to `domain`, named as by the Data Provenance Initiative if that has a name."""
    year: int
    """Year of first publication."""
    parts: Mapping[str, Part] = field(default_factory=dict)
    parts_source: str = ""
    read: Mapping[str, Any] = field(default_factory=dict)
    """Values of the source's fields with which the data set is read."""

    def in_short(self) -> str:
        """Return a summary in few lines, with the item to write under `sources` of a recipe."""
        languages = ", ".join(self.languages[:6]) + f" and {len(self.languages) - 6} more" * (len(self.languages) > 6)
        licence = self.licence or "each record its own"
        tasks = ", ".join((self.domain, *self.tasks))
        facts = "; ".join((licence, self.stage, languages, tasks, str(self.year), self.size))
        lines = fill(facts, 80, initial_indent="    ", subsequent_indent="    ")
        return f"{self.name}: {self.title}\n{lines}\n    {{kind: dataset, dataset: {self.name}, path: …}}"

    def as_text(self) -> str:
        """Return all facts about the data set."""
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
    """Return the rows of the table by the data set's name."""
    return {name: Adapter(name=name, **row) for name, row in _table()["adapters"].items()}


def adapter_named(name: str) -> Adapter:
    """Return a row of the table. For an unknown name, raises UsageError with the most similar name."""
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
    """A folder with a published data set. Settings of the recipe take precedence over the table's."""

    kind: Literal["dataset"]
    dataset: str = Field(description="Name of the data set, as `lmworks data sources` lists it.")

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
        """Return the recipe's patterns. The table's are not required to match: a set is packed in several ways."""
        return [] if self.include == adapter_named(self.dataset).read.get("include") else self.include

    def named(self) -> Mapping[str, str]:
        """Return the fields that the recipe names. The table's fields are for files of several layouts."""
        read = adapter_named(self.dataset).read
        of_table = [name for name in OF_TEXTS if name in read and getattr(self, name) == read[name]]
        return {name: path for name, path in super().named().items() if name.partition(":")[0] not in of_table}
