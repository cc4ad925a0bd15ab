"""TensorBoard event files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class TensorBoard:
    """`place` is a folder; each run writes into one below it, named as the step."""

    def __init__(self, place: str, name: str, config: Mapping[str, object]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(Path(place) / name))

    def values(self, step: int, values: Mapping[str, float]) -> None:
        """One scalar each."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def text(self, step: int, title: str, text: str) -> None:
        """A text, as it is."""
        self._writer.add_text(title, text, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
