"""Contents of the first stages of a store: every record that they read or could not read."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lmworks.data.base.identity import document_id
from lmworks.data.erased.values import said_by, scalars
from lmworks.data.shards.records import read_columns, read_shard
from lmworks.data.shards.steps import FILES
from lmworks.errors import LmworksError
from lmworks.pipeline.erasure import ID_FILE
from lmworks.pipeline.record import StepRecord
from lmworks.pipeline.store import Artifact, Store
from lmworks.pipeline.units import BESIDE, PAYLOAD, UNITS, Unit, read_index


class Row(NamedTuple):
    """Record of a source, with the facts by which its copies are found."""

    id: str
    text_digest: str
    """Digest of the record's text. Empty if the record could not be read."""
    subject: str
    text: str
    source: str = ""


class Place(NamedTuple):
    """Place of a record."""

    source: str
    folders: set[Path]
    """Folders of the artifacts that hold it."""
    path: str = ""
    """Path of its file. Empty if it could not be read."""
    digests: frozenset[str] = frozenset()
    """Digests of its texts. Builds can have read another text at the same place."""


class Sources:
    """Shards and quarantines of the first stages of a store, including those that an earlier erasure left."""

    def __init__(self, store: Store, key: bytes) -> None:
        self._key, self.damaged = key, dict[Path, str]()
        self.folders = [folder for folder in sorted((store.root / "artifacts").glob("*/*")) if _is_first(folder)]
        self.shards: dict[tuple[int, int], list[Path]] = {}
        """Files by device and inode, because successive builds share most files."""
        for folder in self.folders:
            for path in sorted((folder / PAYLOAD).rglob("part-*.parquet")):
                status = path.stat()
                self.shards.setdefault((status.st_dev, status.st_ino), []).append(path)
        self.size = sum(paths[0].stat().st_size for paths in self.shards.values())

    def units(self) -> Iterator[Unit]:
        """Yield the units of work that wrote the shards."""
        for folder in self.folders:
            for number, entry in enumerate(read_index(folder / BESIDE, "shards")):
                yield Unit(folder, "shards", number, entry)

    def folders_of(self, path: Path) -> Iterator[Path]:
        """Yield the artifacts that hold a shard."""
        of = next(paths for paths in self.shards.values() if path in paths)
        yield from (next(folder for folder in self.folders if each.is_relative_to(folder)) for each in of)

    def tables(self, names: Sequence[str] | None = None) -> Iterator[tuple[Path, Any]]:
        """Yield each shard with all its columns, or some of them."""
        for paths in self.shards.values():
            try:
                yield paths[0], read_columns(paths[0], names)
            except LmworksError as error:
                self.damaged |= dict.fromkeys(paths, _reason(error.__cause__ or error))

    def texts_of_all(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the id and the texts of every record, readable or not, except the path of its file."""
        for paths in self.shards.values():
            try:
                for document in read_shard(paths[0]) if paths[0] not in self.damaged else ():
                    facts = {name: value for name, value in document.meta.items() if name != "path"}
                    yield document.id, [*document.texts(), *scalars(facts)]
            except (LmworksError, ValueError) as error:
                self.damaged |= dict.fromkeys(paths, _reason(error.__cause__ or error))
        for _, name, _, said in self.quarantined():
            yield name, said[:-1]  # the last is why it was not read, in our words

    def rows(self, wanted: Callable[[Row], bool]) -> Iterator[tuple[Path, Row]]:
        """Yield the records for which `wanted` is true, without their texts."""
        names = ["id", "text_digest", "subject", "source"]
        for path, table in self.tables(names):
            for name, digest, subject, source in zip(*(table.column(each).to_pylist() for each in names), strict=True):
                if wanted(row := Row(name, digest, subject or "", "", source)):
                    yield path, row

    def places(self, ids: Collection[str]) -> dict[str, Place]:
        """Return the places of some records, readable or not. Records that are not found are left out."""
        found = dict[str, Place]()
        for path, table in self.tables(["id", "text_digest", "source", "meta"]):
            rows = [row for row, name in enumerate(table.column("id").to_pylist()) if name in ids]
            if not rows:
                continue
            folders = {*self.folders_of(path)}
            for name, digest, source, meta in map(dict.values, table.take(rows).to_pylist()):
                file = str(json.loads(meta or "{}").get("path", ""))
                before = found.get(name, Place(source, set()))
                found[name] = Place(source, before.folders | folders, file, before.digests | {digest})
        for folder, name, source, _ in self.quarantined():
            if name in ids:
                found.setdefault(name, Place(source, set())).folders.add(folder)
        return found

    def texts(self, ids: Collection[str]) -> Iterator[Row]:
        """Yield some records with their texts."""
        for _, table in self.tables(["id", "text_digest", "text"]):
            names = table.column("id").to_pylist()
            for place in (place for place, name in enumerate(names) if name in ids):
                digest, text = (table.column(name)[place].as_py() for name in ("text_digest", "text"))
                yield Row(names[place], digest, "", text)

    def unread(self) -> set[str]:
        """Return the ids of records in damaged shards, which their artifacts list."""
        if not any(path.suffix == ".parquet" for path in self.damaged):
            return set()
        read = {name for _, table in self.tables(["id"]) for name in table.column("id").to_pylist()}
        folders = [each for each in self.folders if any(path.is_relative_to(each) for path in self.damaged)]
        lists = (path.read_text(encoding="utf-8").split() for each in folders for path in each.rglob(ID_FILE))
        return set[str]().union(*lists) - read

    def quarantined(self) -> Iterator[tuple[Path, str, str, list[str]]]:
        """Yield for each unreadable record its artifact, its id, its source, and the texts found in its bytes."""
        for folder in self.folders:
            for path in _quarantines(folder):
                try:
                    for bad in _quarantined(path):
                        place = bad["source"], bad["path"], str(bad["record"])
                        yield folder, bad.get("id") or document_id(self._key, *place), bad["source"], said_by(bad)
                except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                    self.damaged[path] = f"{_reason(error)}, in a record that could not be read"


def not_there(store: Store) -> dict[Path, str]:
    """Return folders of steps that read sources and cannot be searched (deleted or not finished), each with the reason.

    A deleted step is not listed if an existing step differs from it only in the erased data that it leaves out.
    """
    records = [record for record in store.builds if store.builds.recipe_of(record).exists()]
    steps = [(name, step) for record in records for name, step in record.steps.items() if not step.parts.inputs]
    there = [_but_for_erased(step) for _, step in steps if store.find(step.stage, step.key)]
    found = {
        store.root / "artifacts" / step.stage / step.key: f"step {name} was deleted, and was not built again"
        for name, step in steps
        if not store.find(step.stage, step.key) and _but_for_erased(step) not in there
    }
    unfinished = (path.parents[1] for path in sorted((store.root / "work").glob(f"*/{BESIDE}/{FILES}")))
    return found | dict.fromkeys(unfinished, "a step that reads sources is not finished")


def _but_for_erased(step: StepRecord) -> tuple[str, dict[str, Any]]:
    return step.stage, step.parts.without("erased").without("erased_values").config


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__


def _is_first(folder: Path) -> bool:
    artifact = Artifact(folder)
    if (folder / "manifest.json").exists() and artifact.is_readable:
        return not artifact.manifest.inputs
    return artifact.stage == "ingest"


def _quarantines(folder: Path) -> list[Path]:
    """Return the files of an artifact that hold its unreadable records."""
    whole = folder / PAYLOAD / "quarantine.jsonl"  # or an erasure left units of work, with what each could not use
    return [whole] if whole.exists() else sorted((folder / BESIDE / UNITS).glob("*/[0-9]*.json"))


def _quarantined(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        if path.suffix == ".jsonl":
            yield from map(json.loads, lines)
        else:
            yield from json.load(lines)["quarantined"]
