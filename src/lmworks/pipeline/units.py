"""Finished units of work of earlier builds, so that a stage makes again only those whose inputs changed.

A unit of work is a pure function of what its key is a digest of. Beside its payload an artifact keeps, for each pass of
its stage over units, `beside/units/PASS/NNNNN.json` with what each counted, and `index.json` with their keys and files.
What a unit wrote is taken under another number; nothing that is taken can differ from what would be made.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from lmworks.pipeline.files import atomically, canonical_json, digest_once, digest_text

PAYLOAD, BESIDE = "payload", "beside"
UNITS, INDEX = "units", "index.json"


@dataclass(frozen=True)
class Origin:
    """All that the output of one unit depends on, but for its stage's version."""

    shards: tuple[str, ...]
    """sha256 of each file that it reads."""
    settings: Any = None
    """Further settings that it reads, as JSON."""


class Entry(NamedTuple):
    """A unit in the index of a pass."""

    key: str
    """Empty where nothing may be taken from it."""
    shards: Sequence[str]
    """sha256 of each file that it read."""
    files: Mapping[str, str]
    """sha256 by path below the artifact, in which `*` stands for the unit's number."""
    record: str = ""
    """sha256 of what it counted and quoted."""


@dataclass(frozen=True)
class Unit:
    """A unit of an artifact that is finished."""

    folder: Path
    """Folder of the artifact."""
    step: str
    number: int
    entry: Entry

    @property
    def record_path(self) -> Path:
        """Where it stands what it counted and quoted."""
        return record_path(self.folder / BESIDE, self.step, self.number)

    @property
    def record(self) -> dict[str, Any]:
        """Return its counts and quotes."""
        found: dict[str, Any] = json.loads(self.record_path.read_text(encoding="utf-8"))
        return found

    def path(self, pattern: str) -> Path:
        """One of its files."""
        return self.folder / numbered(pattern, self.number)

    def is_whole(self) -> bool:
        """Return whether nothing of it was deleted or changed."""
        files = {self.path(pattern): sha256 for pattern, sha256 in self.entry.files.items()}
        files[self.record_path] = self.entry.record
        return all(path.exists() and digest_once(path) == sha256 for path, sha256 in files.items())


@dataclass(frozen=True)
class Earlier:
    """Finished units of one stage's artifacts, and of what an erasure left of them."""

    identity: Any
    """Identity of the stage, with its version."""
    folders: Sequence[Path]
    """Folders of artifacts, the newest first."""

    def key(self, step: str, origin: Origin) -> str:
        """Return the key of a unit in a pass of the stage."""
        return digest_text(canonical_json([self.identity, step, origin.shards, origin.settings]))

    def find(
        self, step: str, wanted: Sequence[str], accept: Callable[[Unit], bool] = lambda unit: True
    ) -> list[Unit | None]:
        """For each key a unit that has it, whose files are what they were, and that is accepted."""
        known: dict[str, list[Unit]] = {}
        for folder in self.folders if any(wanted) else ():
            for number, entry in enumerate(read_index(folder / BESIDE, step)):
                known.setdefault(entry.key, []).append(Unit(folder, step, number, entry))
        return [
            next((unit for unit in known.get(key, ()) if key and unit.is_whole() and accept(unit)), None)
            for key in wanted
        ]


NOTHING = Earlier(None, ())


def record_path(beside: Path, step: str, number: int) -> Path:
    """Where a pass keeps what one unit counted."""
    return beside / UNITS / step / f"{number:05d}.json"


def unit_facts(beside: Path, step: str = "shards") -> Iterator[dict[str, Any]]:
    """Yield the stored facts of each unit of a pass."""
    for path in sorted((beside / UNITS / step).glob("[0-9]*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))["facts"]


def index_path(beside: Path, step: str) -> Path:
    """Where a pass keeps the keys and files of its units."""
    return beside / UNITS / step / INDEX


def read_index(beside: Path, step: str) -> list[Entry]:
    """The units of one pass; none if it was not made, or what tells of them was damaged, or names files elsewhere."""
    try:
        entries = [Entry(*entry) for entry in json.loads(index_path(beside, step).read_text(encoding="utf-8"))]
        return entries if all(_is_below(pattern) for entry in entries for pattern in entry.files) else []
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return []


def _is_below(pattern: str) -> bool:
    """Return whether it names a file of an artifact's payload or beside it."""
    parts = PurePosixPath(pattern).parts
    return parts[:1] in ((PAYLOAD,), (BESIDE,)) and ".." not in parts


def indices(beside: Path) -> Iterator[tuple[str, list[Entry]]]:
    """Yield every pass with its units."""
    for path in sorted((beside / UNITS).glob(f"*/{INDEX}")):
        yield path.parent.name, read_index(beside, path.parent.name)


def origins(beside: Path) -> dict[str, list[str]]:
    """Return the sha256 of the files behind each shard, by the shard's path in the payload."""
    return {
        numbered(pattern, number).removeprefix(f"{PAYLOAD}/"): list(entry.shards)
        for _, entries in indices(beside)
        for number, entry in enumerate(entries)
        for pattern in entry.files
        if pattern.startswith(f"{PAYLOAD}/") and entry.shards
    }


def numbered(pattern: str, number: int) -> str:
    """Return a unit's file, by its number."""
    return pattern.replace("*", f"{number:05d}")


def link(source: Path, target: Path) -> None:
    """The same file under another name, which takes no room: no file of a store is written to. Else a copy of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        with atomically(target) as unfinished:
            shutil.copyfile(source, unfinished)
