"""Argument that all scoring stages share, in addition to their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from lmworks.errors import BeyondContext
from lmworks.evaluate.contamination import Contamination
from lmworks.evaluate.items import Item, Scored
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.stage import Context, Role, Together
from lmworks.pipeline.work.chunks import Unit, in_chunks, losing_none_else

UNIT = "unit"
"""Name of the item field for the number of its unit, until the items of all units are there."""


@dataclass(frozen=True)
class Scoring(Together):
    """Where a stage writes, what it may use, and what a search of the training text found of its items."""

    roles: ClassVar[Mapping[str, Role]] = {"contamination": Role.READS}
    out: Path
    context: Context
    contamination: Contamination | None = None
    lost: dict[int, Any] = field(default_factory=dict, init=False)
    """Units that are longer than the model can read, by position. They have no item."""
    beyond: list[BeyondContext] = field(default_factory=list, init=False)
    """Errors of the units that were too long in this run."""

    def in_chunks(self, units: Sequence[Unit], size: int, score: Callable[[Sequence[Unit]], list[Item]]) -> list[Item]:
        """Return the items of all units, except units that are too long for the model. A kill costs one chunk.

        Raises BeyondContext if all units are too long.
        """

        def scored(some: Sequence[tuple[int, Unit]]) -> list[Item]:
            items = score([unit for _, unit in some])
            return [{**item, UNIT: place} for (place, _), item in zip(some, items, strict=True)]

        items = in_chunks(self.context, list(enumerate(units)), size, losing_none_else(scored, self.beyond))
        there = {item.pop(UNIT) for item in items}
        self.lost.update({place: unit for place, unit in enumerate(units) if place not in there})
        if units and not items:
            raise max(self.beyond, key=lambda error: error.tokens)
        return items

    def answered(self, units: Sequence[Unit]) -> list[Unit]:
        """Return the units that have an item, in the order of the items."""
        return [unit for place, unit in enumerate(units) if place not in self.lost]

    def written(self, items: Sequence[Item], conditions: Conditions | None = None) -> Scored:
        """Write the items, with the conditions for figures of them. A baseline has no conditions."""
        return Scored.written(items, self.out, self.contamination, conditions, len(self.lost))
