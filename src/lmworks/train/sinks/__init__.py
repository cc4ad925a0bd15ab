"""Where a run's values go besides its own file. A sink is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lmworks.train.sinks.jsonl import JsonLines
from lmworks.train.sinks.mlflow import MLflow
from lmworks.train.sinks.tensorboard import TensorBoard
from lmworks.train.sinks.wandb import WeightsAndBiases


class Sink(Protocol):
    """Takes what a run tells. `place` is what the recipe says: a folder, a file, an address or a project."""

    def __init__(self, place: str, name: str, config: Mapping[str, object]) -> None: ...

    def values(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers after a step."""

    def text(self, step: int, title: str, text: str) -> None:
        """A sample, and what it answers."""

    def close(self) -> None:
        """Nothing more comes."""


SINKS: Mapping[str, type[Sink]] = {
    "jsonl": JsonLines,
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}
