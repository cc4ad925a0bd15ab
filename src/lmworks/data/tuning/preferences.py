"""Preferences: which of two answers to a prompt is the better one, or whether one answer alone is good."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from lmworks.data.shards.records import write_ids, write_json_lines
from lmworks.errors import UsageError
from lmworks.pipeline.stage import Handle

Messages = Sequence[Mapping[str, str]]
"""`role` (system, user, assistant) and `content` of each turn."""


@dataclass(frozen=True, kw_only=True)
class Preference:
    """A judgement. If only one answer is judged (KTO's form), the other side is None."""

    id: str
    prompt: Messages
    """Ends with the user's turn."""
    chosen: Messages | None
    """Turns after the prompt: one assistant's turn, or several turns that end with one."""
    rejected: Messages | None
    margin: float | None = None
    """How much better the chosen answer is, in the judges' own units, if they state it."""
    document: str | None = None
    """Id of the document that the judgement was read from. Judgements of one ranking share it."""

    meta: Mapping[str, Any] | None = None
    """Kept fields of the record."""
    decided: Mapping[str, float] | None = None
    """Margin by which each rule prefers the chosen answer, if rules judged."""
    passages: Sequence[str] | None = None
    """Ids of the documents whose passages are in the prompt."""

    @property
    def documents(self) -> list[str]:
        """Ids of the documents whose text it holds."""
        return [each for each in (self.document, *(self.passages or ())) if each]

    def as_json(self) -> dict[str, Any]:
        """Return the line of `preferences.jsonl`. `margin`, `meta`, `decided` and `passages` are left out if None."""
        return {
            name: value
            for name, value in vars(self).items()
            if value is not None or name not in ("margin", "meta", "decided", "passages")
        }


@dataclass(frozen=True)
class Preferences(Handle):
    """A folder with `preferences.jsonl`, sorted by id, and `ids.txt`."""

    holds: ClassVar[str] = "preferences"

    def iterate(self) -> Iterator[Preference]:
        """Yield every judgement in order: pairs, and answers judged alone. Raises UsageError if a step makes none."""
        if not (self.path / "preferences.jsonl").exists():
            raise UsageError(f"{self.path}: here are no judgements; name a step that makes them")
        with (self.path / "preferences.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield Preference(**json.loads(line))


def write_preferences(folder: Path, preferences: Sequence[Preference]) -> None:
    """Write preferences in the order of their ids, with the ids of the documents that they were read from."""
    ordered = sorted(preferences, key=lambda preference: preference.id)
    write_json_lines(folder / "preferences.jsonl", (preference.as_json() for preference in ordered))
    write_ids(folder, sorted({name for preference in ordered for name in preference.documents}))
