"""Memory in words, and the refusal of what cannot fit."""

from __future__ import annotations

from collections.abc import Mapping

from lmworks.errors import UsageError
from lmworks.plan.machine import Machine
from lmworks.train.config import TrainConfig


def require_fit(name: str, config: TrainConfig, parts: Mapping[str, int], machine: Machine) -> None:
    """Raise `UsageError`, with the sum shown, if a training needs more than the machine has."""
    if sum(parts.values()) <= machine.memory_bytes:
        return
    shown = " + ".join(
        f"{part} {size_in_words(count)}" for part, count in sorted(parts.items(), key=lambda item: -item[1])
    )
    raise UsageError(
        f"models.{name}: training would take {size_in_words(sum(parts.values()))} of memory and this machine has "
        f"{size_in_words(machine.memory_bytes)}: {shown}. Lower micro_batch_rows (now {config.micro_batch_rows}; the "
        "result stays the same), sequence_length or hidden_size, or switch activation_checkpointing on"
    )


def size_in_words(count: float) -> str:
    """Bytes for a person."""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
