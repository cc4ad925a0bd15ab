"""Keys that the client of MLflow sends to the server that a recipe logs to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lmworks.engines.rented.confirmed import refusal

MLFLOW_KEYS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""Environment variables whose values MLflow's client sends to the server that a recipe names."""


def unconfirmed(server: str) -> Iterator[str]:
    """Yield why a key may not be sent to an MLflow server, for each key that its client would send there."""
    scheme, mark, _ = server.strip().lower().partition("://")
    if mark and scheme not in ("file", "sqlite") and server != os.environ.get("MLFLOW_TRACKING_URI"):
        for variable, where in _mlflow_keys():
            if reason := refusal(variable, server, where):
                yield reason


def _mlflow_keys() -> Iterator[tuple[str, str]]:
    """Yield each MLflow variable that is set or in its credentials file, with the place in words, empty if set."""
    yield from ((variable, "") for variable in filter(os.environ.get, MLFLOW_KEYS))
    try:
        kept = Path.home() / ".mlflow" / "credentials"
        if kept.exists() and not os.environ.get(MLFLOW_KEYS[0]):
            yield MLFLOW_KEYS[0], f" in {kept}"
    except (OSError, RuntimeError):  # this user has no home, or cannot read it
        return
