"""What one system was found to do on a task: items on disk, and figures of them under equal conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from lmworks.evaluate.items import Item, Metric, contamination
from lmworks.pipeline.chunks import write_records
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Handle, Result

SHOWN = 6
"""Items kept as examples, unless a task says which."""


@dataclass(frozen=True)
class Scored:
    """All items of one model or baseline, and the conditions under which they hold."""

    items: Sequence[Item]
    conditions: Mapping[str, Any]

    @classmethod
    def written(
        cls, items: Sequence[Item], out: Path, train: Handle | None, documents: Iterable[str], **conditions: Any
    ) -> Self:
        """Write the items, which come from these documents, and look for the documents in what was trained on."""
        write_records(out / "items.jsonl", items)
        return cls(items, {**conditions, "contamination": contamination(train, documents)})

    def figure(self, metric: Metric, method: str, **more: Any) -> Figure:
        """A figure of all items."""
        return metric.figure(self.items, method, **{**self.conditions, **more})

    def where(self, **conditions: Any) -> Scored:
        """The same under conditions of which some are others."""
        return replace(self, conditions={**self.conditions, **conditions})

    def result(self, *figures: Figure, examples: Sequence[Item] | None = None, **more: Any) -> Result:
        """What the stage found: the first figure leads. `more` are further parts of the result."""
        return Result(figures=figures, examples=self.items[:SHOWN] if examples is None else examples, **more)
