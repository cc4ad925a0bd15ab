"""Record of a stage's finished work: one JSON line per unit, which is on disk before the next unit begins."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lmworks.pipeline.files import canonical_json


class FileJournal:
    """Journal of lines appended to `progress.jsonl`. Opening it drops a last line that a crash cut short."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[dict[str, Any]] = []
        if path.exists():
            whole = 0
            with path.open("rb") as file:
                for line in file:
                    try:
                        self._lines.append(json.loads(line))
                    except ValueError:
                        break
                    if not line.endswith(b"\n"):
                        self._lines.pop()
                        break
                    whole += len(line)
            os.truncate(path, whole)

    def records(self) -> list[dict[str, Any]]:
        """Return all records so far, the oldest first."""
        return list(self._lines)

    def append(self, record: Mapping[str, Any]) -> None:
        """Append one record, and wait until it is on disk."""
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(canonical_json(dict(record)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = str(self._path)
            raise
        self._lines.append(dict(record))
