"""An MLflow tracking server, or a folder."""

from __future__ import annotations

from collections.abc import Mapping


class MLflow:
    """`place` is a tracking URI; the run is named as the step."""

    def __init__(self, place: str, name: str, config: Mapping[str, object]) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=place)
        found = self._client.get_experiment_by_name("lmworks")
        experiment = found.experiment_id if found else self._client.create_experiment("lmworks")
        self._run = self._client.create_run(experiment, run_name=name).info.run_id
        for key, value in config.items():
            self._client.log_param(self._run, key, value)

    def values(self, step: int, values: Mapping[str, float]) -> None:
        """One metric each."""
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=step)

    def text(self, step: int, title: str, text: str) -> None:
        """A text file a step."""
        self._client.log_text(self._run, f"{title}\n\n{text}\n", f"samples/{step:06d}.txt")

    def close(self) -> None:
        """Say that the run has ended."""
        self._client.set_terminated(self._run)
