"""Pages of a build. A page is written again only if what it shows has changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lmworks.pipeline.files import canonical_json, digest_text, write_atomically
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built

MEASURING = ("evaluate/", "contamination/", "rehearsal/", "gates/", "primary/")
"""First parts of the names of steps that measure and make no data."""


class Written:
    """Record of what the pages of a build were made from. It is beside them in `NAME.written.json`."""

    def __init__(self, built: Built) -> None:
        self._built, self._path = built, built.store.root / "reports" / f"{built.name}.written.json"
        try:
            self._known: dict[str, Any] = dict(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            self._known = {}
        recipe = built.recipe.read_text(encoding="utf-8", errors="replace") if built.recipe.is_file() else ""
        self._shared = [version("lmworks"), _code(), str(built.store.root.absolute()), str(built.recipe), recipe]

    def write(
        self, pages: Sequence[Path], make: Callable[[], object], tasks: Collection[str] | None, *more: Any
    ) -> None:
        """Call `make` to write pages, unless they exist and would not change.

        Pages show the data, the models, and the measurements of `tasks`. None stands for all tasks.
        """
        made_from, name = self._made_from(tasks, more), pages[0].name
        if all(map(_stamp, pages)) and self._known.get(name) == [made_from, *map(_stamp, pages)]:
            return
        make()
        self._known[name] = [made_from, *map(_stamp, pages)]
        write_atomically(self._path, canonical_json(self._known))

    def _made_from(self, tasks: Collection[str] | None, more: Collection[Any]) -> str:
        steps = {
            name: [artifact.stage, artifact.key, _stamp(artifact.folder / "manifest.json"), _files(artifact)]
            for name, artifact in self._built.artifacts.items()
            if tasks is None or not name.startswith(MEASURING) or name.split("/")[1] in tasks
        }
        return digest_text(canonical_json([self._shared, steps, list(more)]))


@cache
def _code() -> str:
    """Return a digest of the files that make pages, so that pages follow a change of a template."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.rglob("*.*")):
        if path.suffix in (".py", ".jinja", ".js", ".css", ".json"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _stamp(path: Path) -> list[int]:
    """Return size and time of a file. Empty if there is no such file."""
    return [path.stat().st_size, path.stat().st_mtime_ns] if path.is_file() else []


def _files(artifact: Artifact) -> dict[str, Any]:
    """Return for each file of an artifact its digest when written, and its size and time now."""
    return {name: [each.sha256, _stamp(artifact.payload / name)] for name, each in artifact.manifest.files.items()}
