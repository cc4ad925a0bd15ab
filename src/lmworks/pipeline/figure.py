"""Measured number with its evidence."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from statistics import NormalDist
from typing import Any

from lmworks.pipeline.conditions import Conditions

Interval = tuple[float, float]
Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value. It cannot be made without the number of items and the method.

    Two figures may be compared where nothing differs between their conditions that could matter.
    """

    name: str
    value: float
    n: int
    """Number of independent items (documents, questions, …) behind the value."""
    method: str
    """Method of measurement, in words that a reader can check."""
    unit: str = ""
    interval: Interval | None = None
    """95 % interval. `method` says how it was computed."""
    doubt: str = ""
    """Reason why the interval may be too narrow. Empty if it is known to be right."""
    chance: float | None = None
    """Score of blind guessing."""
    conditions: Conditions | None = None
    """Conditions of the measurement. None if no model was evaluated, or if they are unknown."""
    contamination: str | None = None
    """Result of the search for the items in the training text, in words."""
    clean_value: float | None = None
    """Value for the items that are not in the training text. None if no items are in it, or too few are not."""
    clean_n: int | None = None
    clean_interval: Interval | None = None
    """Interval of this value, by the same method as for all items."""

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"figure {self.name!r}: n is {self.n}, but a figure needs at least one item")
        if not self.method:
            raise ValueError(f"figure {self.name!r} needs a method")

    def as_json(self) -> dict[str, Any]:
        """Fields that are set, in order."""
        found = asdict(self) | {"conditions": self.conditions and self.conditions.as_json()}
        return {key: value for key, value in found.items() if value is not None and value != ""}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Figure:
        """Return the inverse of `as_json`."""
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in record.items() if key in known}
        for name in ("interval", "clean_interval"):
            if values.get(name) is not None:
                low, high = values[name]
                values[name] = (low, high)
        if values.get("conditions") is not None:
            values["conditions"] = Conditions.from_json(values["conditions"])
        return cls(**values)


def wilson(successes: float, n: float, design_effect: float = 1.0) -> Interval:
    """95 % score interval of a proportion (Wilson 1927): sound at 0 and 1 and for small n, where p ± 2 s is not.

    With clustered items n is divided by their design effect (Korn and Graubard 1998; Dean and Pagano 2015).
    """
    if not 0 <= successes <= n or n <= 0:
        raise ValueError(f"{successes} successes of {n}: expected 0 ≤ successes ≤ n and n > 0")
    rate, size = successes / n, n / design_effect
    middle = (rate + Z95**2 / (2 * size)) / (1 + Z95**2 / size)
    half = Z95 / (1 + Z95**2 / size) * (rate * (1 - rate) / size + Z95**2 / (4 * size**2)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
