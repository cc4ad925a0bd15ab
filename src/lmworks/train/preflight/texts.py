"""Before labels are learned: how many texts have each, which are cut, and which stand there with two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lmworks.tokens.kinds.frame import frame_of
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.preflight.inspection import SHOWN, Inspection

if TYPE_CHECKING:
    from lmworks.train.configs.train import TrainConfig


@dataclass
class Texts(Inspection):
    """What stands in rows of labelled texts."""

    texts: int = 0
    full: int = 0
    """Texts that fill a row: most of them were cut at their ends."""
    contradicted: int = 0
    """Texts that stand there before with another label."""
    tokens: int = 0
    labels: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, config: TrainConfig, rows: PackedRows, encoder: Tokenizer, samples: Path) -> Self:
        """Read every row; of those shown, the label is marked."""
        import numpy as np

        assert rows.labels is not None  # noqa: S101 - the packing of labelled texts writes them
        found, every, end = cls(rows), -(-len(rows.tokens) // SHOWN), frame_of(encoder).end
        seen: dict[tuple[int, ...], int] = {}
        for row, (tokens, weights, labels) in enumerate(zip(rows.tokens, rows.weights, rows.labels, strict=True)):
            starts, ends = np.flatnonzero(weights).tolist(), np.flatnonzero(tokens == end).tolist()
            for start, last in zip(starts, ends, strict=True):
                ids, label = tuple(tokens[start : last + 1].tolist()), int(labels[start])
                found.texts += 1
                found.full += len(ids) == rows.sequence_length
                found.contradicted += seen.setdefault(ids, label) != label
                found.tokens += len(ids)
                found.labels[rows.label_names[label]] += 1
                if row % every == 0 and start == 0:
                    found.shown.append([(encoder.spell(ids), False), (f" {rows.label_names[label]}", True)])
        return found

    def counts(self) -> dict[str, int]:
        """With those of labels."""
        each = {f"label {name}": count for name, count in sorted(self.labels.items())}
        return super().counts() | each

    def whole(self, facts: Mapping[str, Any]) -> tuple[int, str]:
        return self.texts, "texts"

    def faults(self, config: TrainConfig) -> Iterator[str]:
        if len(self.labels) < 2:
            yield (
                f"- nothing to tell apart: all {self.texts} texts have the label {', '.join(self.labels)}. Name "
                "another field with `label`, or add texts of another label"
            )
