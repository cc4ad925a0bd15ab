"""Further places for a run's values. A sink is one class and one line in `SINKS`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol


class Sink(Protocol):
    """Receiver of a run's values. `place` is from the recipe: a folder, a file, an address or a project."""

    def __init__(self, place: str, name: str, config: Mapping[str, object]) -> None: ...

    def values(self, step: int, values: Mapping[str, float]) -> None:
        """Write the numbers of a step."""

    def text(self, step: int, title: str, text: str) -> None:
        """Write a sample, with the prompt as title."""

    def close(self) -> None:
        """End the output. No more values follow."""


class JsonLines:
    """One JSON line per step. `place` is a file. Each line is flushed at once, so that other programs can follow."""

    def __init__(self, place: str, name: str, config: Mapping[str, object]) -> None:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        self._file = Path(place).open("a", encoding="utf-8")  # noqa: SIM115 - open as long as the run
        with suppress(OSError):  # a full disk: the next line says so, and this one is written with it
            self._write({"run": name, "config": dict(config)})

    def values(self, step: int, values: Mapping[str, float]) -> None:
        """Write a line such as `{"step": 7, "loss": 2.31, …}`."""
        self._write({"step": step, **values})

    def text(self, step: int, title: str, text: str) -> None:
        """Write a line such as `{"step": 7, "prompt": …, "text": …}`."""
        self._write({"step": step, "prompt": title, "text": text})

    def close(self) -> None:
        self._file.close()

    def _write(self, record: Mapping[str, object]) -> None:
        try:
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            error.filename = self._file.name
            raise


class MLflow:
    """An MLflow tracking server, or a folder. `place` is a tracking URI. The run has the name of the recipe's step."""

    def __init__(self, place: str, name: str, config: Mapping[str, object]) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=place)
        found = self._client.get_experiment_by_name("lmworks")
        experiment = found.experiment_id if found else self._client.create_experiment("lmworks")
        self._run = self._client.create_run(experiment, run_name=name).info.run_id
        for key, value in config.items():
            self._client.log_param(self._run, key, value)

    def values(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=step)

    def text(self, step: int, title: str, text: str) -> None:
        """Write one text file per training step."""
        self._client.log_text(self._run, f"{title}\n\n{text}\n", f"samples/{step:06d}.txt")

    def close(self) -> None:
        self._client.set_terminated(self._run)


class TensorBoard:
    """Event files of TensorBoard. `place` is a folder. Each run has a subfolder with the name of the recipe's step."""

    def __init__(self, place: str, name: str, config: Mapping[str, object]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(Path(place) / name))

    def values(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def text(self, step: int, title: str, text: str) -> None:
        self._writer.add_text(title, text, step)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """Weights & Biases. `place` is a project. Key and server come from the environment variables that it documents."""

    def __init__(self, place: str, name: str, config: Mapping[str, object]) -> None:
        import wandb

        self._run = wandb.init(project=place, name=name, config=dict(config), save_code=False)

    def values(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def text(self, step: int, title: str, text: str) -> None:
        """Write the newest sample into the run's summary."""
        self._run.summary[title] = text

    def close(self) -> None:
        self._run.finish()


SINKS: Mapping[str, type[Sink]] = {
    "jsonl": JsonLines,
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}
