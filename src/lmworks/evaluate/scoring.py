"""Stages that score: what all of them are given beside their inputs, in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from lmworks.evaluate.contamination import Contamination
from lmworks.evaluate.items import Item, Scored
from lmworks.pipeline.chunks import Unit, in_chunks
from lmworks.pipeline.stage import Context, Role, Together


@dataclass(frozen=True)
class Scoring(Together):
    """Where a stage writes, what it may use, and what a search of the training text found of its items."""

    roles: ClassVar[Mapping[str, Role]] = {"contamination": Role.READS}
    out: Path
    context: Context
    contamination: Contamination | None = None

    def in_chunks(self, units: Sequence[Unit], size: int, score: Callable[[Sequence[Unit]], list[Item]]) -> list[Item]:
        """The items of all units, of which a kill costs one chunk."""
        return in_chunks(self.context, units, size, score)

    def written(self, items: Sequence[Item], **conditions: Any) -> Scored:
        """Write the items; figures of them hold under these conditions."""
        return Scored.written(items, self.out, self.contamination, **conditions)
