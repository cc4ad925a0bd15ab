"""What tests need to call a stage by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lmworks.pipeline.manifest import Manifest, write_manifest
from lmworks.pipeline.stage import Context


class MemoryJournal:
    """A journal that lives as long as the test."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def records(self) -> list[dict[str, Any]]:
        return list(self.lines)

    def append(self, record: Mapping[str, Any]) -> None:
        self.lines.append(dict(record))


class Quiet:
    """A progress display that shows nothing."""

    def start(self, total: float, unit: str) -> None: ...

    def update(self, done: float, **values: float | str) -> None: ...

    def sample(self, title: str, text: str) -> None: ...


def make_context(folder: Path, journal: MemoryJournal | None = None) -> Context:
    """A context for one stage call in `folder`."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    return Context(
        scratch, journal or MemoryJournal(), Quiet(), check_stop=lambda: None, workers=1, log=lambda line: None
    )


def reading(rows_per_step: int, seed: int = 0) -> SimpleNamespace:
    """What an objective asks of a config to choose the rows of a step."""
    return SimpleNamespace(seed=seed, rows_per_step=rows_per_step)


def make_manifest(**fields: Any) -> Manifest:
    """A manifest of which only these fields matter."""
    about = {"step": "made", "stage": "toy", "version": 1, "key": "k" * 32, "config": {}, "inputs": {}, "files": {}}
    return Manifest.model_validate({**about, "run": {"started": 0, "seconds": 1}, **fields})


def change_manifest(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change fields of a manifest as lmworks itself would have written it, with the seal of what it then says."""
    record = json.loads(path.read_text())
    change(record)
    write_manifest(path, Manifest.model_validate(record))


def is_running(process: int) -> bool:
    """Whether a process is alive; a dead one that nobody waited for is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it ended before the file was opened, or while it was read
        return False
