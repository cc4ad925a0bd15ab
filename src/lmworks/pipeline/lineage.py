"""What an artifact was made from: a walk over manifests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.errors import LmworksError
from lmworks.pipeline.store import Artifact, Store


@dataclass(frozen=True)
class Ancestor:
    """One artifact above another, with the links that lead to it."""

    artifact: Artifact
    step: str
    inputs: tuple[tuple[str, str, str], ...]
    """(input name, step, part) of each input."""


def ancestors(store: Store, artifact: Artifact) -> list[Ancestor]:
    """The artifact and all that it was made from, sources first. Each artifact stands once."""
    found: dict[Path, Ancestor] = {}

    def visit(item: Artifact) -> None:
        if item.folder in found:
            return
        links = []
        for name, record in _inputs(item.manifest):
            visit(_parent(store, item, record))
            links.append((name, record["step"], record.get("part", "")))
        found[item.folder] = Ancestor(item, item.manifest["step"], tuple(links))

    visit(artifact)
    return list(found.values())


def input_of(store: Store, artifact: Artifact, name: str) -> Artifact:
    """What an artifact was made from, by the input's name. Raises LmworksError if it is no longer in the store."""
    return _parent(store, artifact, artifact.manifest["inputs"][name][0])


def _parent(store: Store, artifact: Artifact, record: dict[str, str]) -> Artifact:
    parent = store.find(record["stage"], record["key"]) or _of_equal_content(store, record)
    if parent is None:
        name = f"{record['step']} ({record['key'][:12]})"
        raise LmworksError(f"{artifact.manifest['step']}: its input {name} is no longer in the store")
    return parent


def _of_equal_content(store: Store, record: dict[str, str]) -> Artifact | None:
    """What was made anew in place of an input that was erased or cleaned up: its part has the same digest."""
    made = (artifact for artifact in store.all() if artifact.stage == record["stage"])
    return next((each for each in made if each.digest(record.get("part", "")) == record["digest"]), None)


def _inputs(manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    for name, records in manifest["inputs"].items():
        for record in records:
            yield name, record


@dataclass(frozen=True)
class Waste:
    """A folder that no recorded build needs."""

    path: Path
    label: str
    bytes: int


def unused(store: Store) -> list[Waste]:
    """Artifacts, and folders of unfinished work, that no recipe's last build names."""
    wanted = {(step["stage"], step["key"]) for build in store.builds() for step in build["steps"].values()}
    waste = []
    for artifact in store.all():
        if (artifact.stage, artifact.key) not in wanted:
            label = f"{artifact.manifest['step']} ({artifact.stage} {artifact.key[:12]})"
            waste.append(Waste(artifact.folder, label, _size(artifact.folder)))
    for work in sorted((store.root / "work").iterdir()):
        if work.name not in {key for _, key in wanted}:
            waste.append(Waste(work, f"unfinished work {work.name[:12]}", _size(work)))
    return waste


def remove(waste: Waste) -> None:
    """Delete one unused folder, the manifest first."""
    (waste.path / "manifest.json").unlink(missing_ok=True)
    shutil.rmtree(waste.path)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
