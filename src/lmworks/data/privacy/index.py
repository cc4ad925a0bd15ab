"""Keyed index from a person or a value to documents, with which the holder of the key can find one person's data."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lmworks.data.base.identity import PRIVACY_KEY, key_digest
from lmworks.data.privacy.surrogates import INDEXED, earlier_person_digest, value_digest
from lmworks.errors import UsageError
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.store import Artifact

INDEX = "index.tsv"


class Place(NamedTuple):
    """Document that holds a value, and the step that anonymised it."""

    kind: str
    document: str
    step: str


def write_index(path: Path, entries: Iterable[tuple[str, str, str]]) -> None:
    """Write the entries (digest, kind, document id), sorted and without repeats."""
    write_atomically(path, "".join("\t".join(entry) + "\n" for entry in sorted(set(entries))).encode())


def merge_indexes(path: Path, parts: Sequence[Path]) -> None:
    """Write one sorted index of several."""
    merged = heapq.merge(*(part.read_text().splitlines(keepends=True) for part in parts))
    write_atomically(path, "".join(merged).encode())


def find_person(value: str, artifacts: Iterable[Artifact], folder: Path) -> list[Place]:
    """Return the documents that had a value, or have it as their subject, in all artifacts anonymised with the key.

    `folder` holds the key. Raises UsageError if no artifact was made with that key.
    """
    key = PRIVACY_KEY.load(folder, make=False)
    wanted = {earlier_person_digest(key, value), *(value_digest(key, kind, value) for kind in INDEXED)}
    steps = {
        artifact.payload / INDEX: artifact.manifest.step
        for artifact in artifacts
        if artifact.stage == "anonymise" and artifact.manifest.config.get("privacy_key_digest") == key_digest(key)
    }
    if not steps:
        raise UsageError(
            f"No step of this store was anonymised with the key that {PRIVACY_KEY.variable} or "
            f"{folder / PRIVACY_KEY.file} holds. Restore the key that was used, or add an `anonymise` step and build."
        )
    return sorted({Place(kind, name, step) for path, step in steps.items() for kind, name in _look_up(path, wanted)})


def _look_up(index: Path, wanted: set[str]) -> Iterator[tuple[str, str]]:
    with index.open() as lines:
        for line in lines:
            digest, kind, document = line.rstrip("\n").split("\t")
            if digest in wanted:
                yield kind, document
