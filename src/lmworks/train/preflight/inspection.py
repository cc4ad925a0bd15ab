"""What packed rows hold, as the check before a training asks for it, whatever they are rows of."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer

SHOWN = 4
"""Samples that are shown; a wrong template is wrong in all."""
Piece = tuple[str, bool]
"""Text, and whether it is trained."""
Record = tuple[str, Sequence[Mapping[str, str]], int]
"""Place and turns of a sample, and how many turns are its answer."""


@dataclass
class Inspection(ABC):
    """What stands in packed rows. Whole numbers are counts, which the check stores."""

    rows: PackedRows
    records: Sequence[Record] = ()
    """The samples that the rows were packed from, where they are of turns."""
    shown: list[list[Piece]] = field(default_factory=list)
    """The first of rows spread evenly: the longest stand in the first."""

    @classmethod
    @abstractmethod
    def of(cls, config: Any, rows: PackedRows, encoder: Tokenizer, samples: Path) -> Self:
        """Read every row, for an objective's config, and the folder of the samples that they were packed from."""

    @abstractmethod
    def faults(self, config: Any) -> Iterator[str]:
        """What is wrong, and how to mend it."""

    @abstractmethod
    def whole(self, facts: Mapping[str, Any]) -> tuple[int, str]:
        """How many samples there were before any was lost, and what they are called; `facts` are of the packing."""

    @property
    def lost(self) -> int:
        """Samples of which nothing is trained."""
        return 0

    def counts(self) -> dict[str, int]:
        """Without texts."""
        return {name: value for name, value in vars(self).items() if isinstance(value, int)}


def lines_of(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and content of each record of conversations or preferences."""
    path = next(path for name in ("conversations", "preferences") if (path := folder / f"{name}.jsonl").is_file())
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            record = json.loads(line)
            yield f"{path.name}:{number} ({record['id']})", record


def records_of(folder: Path) -> Iterator[Record]:
    """Each conversation, or each judged answer behind its prompt."""
    for place, record in lines_of(folder):
        for answer in ["messages"] if "messages" in record else ["chosen", "rejected"]:
            if turns := record[answer]:
                yield place, [*record.get("prompt", ()), *turns], len(turns)


def pieces(ids: Sequence[int], trained: Sequence[bool], encoder: Tokenizer) -> list[Piece]:
    """A sample as text, cut where the mask changes."""
    parts: list[Piece] = []
    start = 0
    for stop in range(1, len(ids) + 1):
        if stop == len(ids) or trained[stop] != trained[start]:
            parts.append((encoder.spell(ids[start:stop]), trained[start]))
            start = stop
    return parts
