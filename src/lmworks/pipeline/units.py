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
    """All that the output of one unit depends on, except its stage's version."""

    shards: tuple[str, ...]
    """Digests (sha256) of the files that the unit reads."""
    settings: Any = None
    """Further settings that the unit reads, as JSON."""


class Entry(NamedTuple):
    """Entry of a unit in the index of a pass."""

    key: str
    """Key of the unit. Empty if nothing of it may be used again."""
    shards: Sequence[str]
    """Digests (sha256) of the files that the unit read."""
    files: Mapping[str, str]
    """Digests (sha256) of its files by path below the artifact, with `*` in place of the unit's number."""
    record: str = ""
    """Digest (sha256) of its counts and quotes."""


@dataclass(frozen=True)
class Unit:
    """Unit of work of a finished artifact."""

    folder: Path
    """Folder of the artifact."""
    step: str
    number: int
    entry: Entry

    @property
    def record_path(self) -> Path:
        """Path of the file with its counts and quotes."""
        return record_path(self.folder / BESIDE, self.step, self.number)

    @property
    def record(self) -> dict[str, Any]:
        """Return its counts and quotes."""
        found: dict[str, Any] = json.loads(self.record_path.read_text(encoding="utf-8"))
        return found

    def path(self, pattern: str) -> Path:
        """Return the path of one of its files."""
        return self.folder / numbered(pattern, self.number)

    def is_whole(self) -> bool:
        """Return whether all its files are present and unchanged."""
        files = {self.path(pattern): sha256 for pattern, sha256 in self.entry.files.items()}
        files[self.record_path] = self.entry.record
        return all(path.exists() and digest_once(path) == sha256 for path, sha256 in files.items())


@dataclass(frozen=True)
class Earlier:
    """Finished units in the artifacts of one stage, and in the remains of artifacts after an erasure."""

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
        """Return for each key an accepted unit with this key whose files are unchanged."""
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
    """Return the path of the file in which a pass keeps the counts of one unit."""
    return beside / UNITS / step / f"{number:05d}.json"


def unit_facts(beside: Path, step: str = "shards") -> Iterator[dict[str, Any]]:
    """Yield the stored facts of each unit of a pass."""
    for path in sorted((beside / UNITS / step).glob("[0-9]*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))["facts"]


def index_path(beside: Path, step: str) -> Path:
    """Return the path of the file in which a pass keeps the keys and files of its units."""
    return beside / UNITS / step / INDEX


def read_index(beside: Path, step: str) -> list[Entry]:
    """Return the units of one pass. Empty if the index is missing or damaged, or names files outside the artifact."""
    try:
        entries = [Entry(*entry) for entry in json.loads(index_path(beside, step).read_text(encoding="utf-8"))]
        return entries if all(_is_below(pattern) for entry in entries for pattern in entry.files) else []
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return []


def _is_below(pattern: str) -> bool:
    """Return whether a path names a file in an artifact's payload, or in the folder beside the payload."""
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
    """Link a file under another name, which takes no room and is safe, as no file of a store changes. Else copy it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        with atomically(target) as unfinished:
            shutil.copyfile(source, unfinished)
