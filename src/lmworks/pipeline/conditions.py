"""The conditions under which a figure was measured, and which differences between two of them could matter.

What answers is what a comparison is about: model, weights, tokenizer, chat template, what stands before a prompt,
engine may differ, and are said. How it was asked and judged must be alike. How much was read, and in how many digits it
was computed, must be alike where it could matter: a context that cut nothing had no effect, nor has a device where
products are of float32.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

System = Literal["model", "weight_bits", "tokenizer", "template", "before", "engine"]
Asked = Literal["prompt", "delimiter", "shots", "decoding", "judged"]
Read = Literal["context_length", "stride"]
Computed = Literal["data_type", "device"]
Condition = Literal[System, Asked, Read, Computed]
TORCH, COUNTED = "torch", "counts"
"""Names of the computation: PyTorch, or sums of counts in texts."""
EXACT = ("float32", "float64")
"""Data types whose rounding changes a figure by its last printed digit at most, on any device."""
SHOWN_DIGEST = 12
UNKNOWN = "under which conditions one was measured is not known: measure it again"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Conditions of one figure. A condition that does not apply, such as a tokenizer for a rule, is None."""

    items: str | None = None
    """Digest of all questions and their right answers."""
    model: str | None = None
    """Digest of the model's files."""
    weight_bits: float | None = None
    """Bits in which a weight is stored, or to which it was last rounded."""
    tokenizer: str | None = None
    template: str | None = None
    """Digest of the chat template."""
    before: str | None = None
    """Text that the model reads before every prompt. Empty for none."""
    engine: str | None = None
    prompt: str | None = None
    """Prompt form, with a digest of the words that are the same before each question."""
    delimiter: str | None = None
    """Text between a question and its answer."""
    shots: int | None = None
    """Number of answered questions before each question."""
    decoding: str | None = None
    """Method by which an answer is chosen or generated."""
    judged: str | None = None
    """Signature of the metric that says whether, or how much, an answer is right."""
    context_length: int | None = None
    """Maximum number of tokens that are read."""
    stride: int | None = None
    """Number of tokens by which the window moves over a longer text."""
    truncated: int = 0
    """Number of items that were longer than the context."""
    data_type: str | None = None
    device: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Fields that are set, in order."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Conditions:
        """Return the inverse of `as_json`."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in record.items() if name in known})


@dataclass(frozen=True)
class Difference:
    """Condition that differs between two figures."""

    name: Condition
    first: Any
    second: Any
    matters: bool
    """Whether the figures then cannot show which system is better."""

    def __str__(self) -> str:
        return f"{self.name.replace('_', ' ')} is {_shown(self.first)} in one, {_shown(self.second)} in the other"


def differences(
    a: Conditions, b: Conditions, *, per_token: bool = False, meant: Collection[Condition] = ()
) -> list[Difference]:
    """Return the differences. A figure `per_token` depends on its tokenizer. `meant` conditions are those compared."""
    both = {name: (getattr(a, name), getattr(b, name)) for name in get_args(Condition)}
    apart = [name for name, (x, y) in both.items() if x != y and x is not None and y is not None]
    matters = {
        **dict.fromkeys(get_args(System), False),
        **dict.fromkeys(get_args(Asked), True),
        **dict.fromkeys(get_args(Read), bool(a.truncated or b.truncated)),
        "tokenizer": per_token,
        "data_type": not {a.data_type, b.data_type} <= {*EXACT},
        "device": not {a.data_type, b.data_type} <= {*EXACT},
    }
    return [Difference(name, *both[name], matters[name] and name not in meant) for name in apart]


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64 and value.isalnum():
        return value[:SHOWN_DIGEST]
    if isinstance(value, str):
        return repr(value) if not value or value != value.strip() or "\n" in value else value
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
