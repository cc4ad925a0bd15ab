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
"""Types whose rounding moves no figure by more than its last printed digit, on whatever device."""
SHOWN_DIGEST = 12
UNKNOWN = "under which conditions one was measured is not known: measure it again"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Conditions of one figure. A condition that does not apply, such as a tokenizer for a rule, is None."""

    items: str | None = None
    """Digest of all that was asked, and what would have been right."""
    model: str | None = None
    """Digest of the model's files."""
    weight_bits: float | None = None
    """That a weight is stored in, or was last rounded to."""
    tokenizer: str | None = None
    template: str | None = None
    """Digest of the chat template."""
    before: str | None = None
    """Text that the model reads before every prompt. Empty for none."""
    engine: str | None = None
    prompt: str | None = None
    """The form in which questions are put, with a digest of the words that are the same before each."""
    delimiter: str | None = None
    """Stands between a question and its answer."""
    shots: int | None = None
    """Answered questions before each."""
    decoding: str | None = None
    """How an answer is found."""
    judged: str | None = None
    """By what an answer is right, or how good it is: a metric's signature."""
    context_length: int | None = None
    """Tokens that are read at the most."""
    stride: int | None = None
    """Tokens that a window of a longer text is moved by."""
    truncated: int = 0
    """Items of which the context did not hold all."""
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
    """A condition that is one thing in one figure, and another in the other."""

    name: Condition
    first: Any
    second: Any
    matters: bool
    """Whether the figures then say nothing of which system is better."""

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
