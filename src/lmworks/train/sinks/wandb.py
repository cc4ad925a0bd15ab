"""Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping


class WeightsAndBiases:
    """`place` is a project; key and server are taken from the environment, as the library documents."""

    def __init__(self, place: str, name: str, config: Mapping[str, object]) -> None:
        import wandb

        self._run = wandb.init(project=place, name=name, config=dict(config), save_code=False)

    def values(self, step: int, values: Mapping[str, float]) -> None:
        """One metric each."""
        self._run.log(dict(values), step=step)

    def text(self, step: int, title: str, text: str) -> None:
        """The newest sample, in the run's summary."""
        self._run.summary[title] = text

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()
