"""One JSON line a step, appended to a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


class JsonLines:
    """`place` is a file; a line is flushed once it is written, so that others can follow."""

    def __init__(self, place: str, name: str, config: Mapping[str, object]) -> None:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        self._file = Path(place).open("a", encoding="utf-8")  # noqa: SIM115 - open as long as the run
        with suppress(OSError):  # a full disk: the next line says so, and this one is written with it
            self._write({"run": name, "config": dict(config)})

    def values(self, step: int, values: Mapping[str, float]) -> None:
        """`{"step": 7, "loss": 2.31, …}`"""
        self._write({"step": step, **values})

    def text(self, step: int, title: str, text: str) -> None:
        """`{"step": 7, "prompt": …, "text": …}`"""
        self._write({"step": step, "prompt": title, "text": text})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, record: Mapping[str, object]) -> None:
        try:
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            error.filename = self._file.name
            raise
