"""Choosing the likeliest of several texts, by the sum of log-likelihoods or that a byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from lmworks.evaluate.items import Metric

By = Literal["sum", "per-byte"]


def likeliest(sums: Sequence[float], texts: Sequence[str]) -> Mapping[By, int]:
    """The place of the likeliest text by each measure; the first of equals. `sums` are log-likelihoods of `texts`."""
    per_byte = [each / len(text.encode()) for each, text in zip(sums, texts, strict=True)]
    return {"sum": _highest(sums), "per-byte": _highest(per_byte)}


def beside(score: By) -> tuple[By, Metric]:
    """The measure that is not the headline's, and its accuracy."""
    other: By = "per-byte" if score == "sum" else "sum"
    label = f"accuracy by {other}"
    return other, Metric(name=f"accuracy_by_{other}", label=label, value=f"correct by {other}", is_share=True)


def _highest(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)
