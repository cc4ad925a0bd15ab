"""Erasure: documents that must be forgotten, what of the store holds them, and its deletion.

Erased ids are an input: the first stage that reads text leaves them out, so that a build after an erasure makes
everything that they reached anew. What was made before is found by the sorted id files of the artifacts, and deleted
with its work folders; the manifest stays, marked, as the record that something was there.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from lmworks.errors import UsageError
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.store import KEPT, Artifact, Store

ERASED_FILE = "erased-documents.txt"
"""Beside the recipe: one document id a line. It holds no text, and belongs under version control."""
MARK = "erased.json"
_ID = re.compile(r"[0-9a-f]{32}")


def erased_documents(folder: Path) -> list[str]:
    """The sorted ids of the documents that no build in this folder may read."""
    path = folder / ERASED_FILE
    return _checked(path.read_text(encoding="utf-8").split() if path.exists() else [], str(path))


def is_id(text: str) -> bool:
    """Whether a text is a document id."""
    return _ID.fullmatch(text) is not None


def _checked(ids: Iterable[str], where: str) -> list[str]:
    ids = sorted(set(ids))
    if wrong := [name for name in ids if not is_id(name)]:
        raise UsageError(f"{where}: {wrong[0]!r} is no document id; an id is 32 hexadecimal digits")
    return ids


def add_erased(folder: Path, ids: Iterable[str]) -> None:
    """Add ids to the list."""
    known = sorted({*erased_documents(folder), *ids})
    write_atomically(folder / ERASED_FILE, "".join(f"{name}\n" for name in known))


def holders(store: Store, ids: Iterable[str]) -> list[Artifact]:
    """Every artifact that erased text can have reached.

    An output with an id file passes text on only if an id stands there; one without passes on whatever reached it.
    Either way the artifact itself holds text as soon as an input does: its examples may quote what it dropped.
    """
    erased = set(_checked(ids, "named"))
    artifacts = {(artifact.stage, artifact.key): artifact for artifact in store.all()}
    reached: dict[Artifact, bool] = {}

    def names_one(folder: Path) -> bool:
        file = folder / "ids.txt"
        return file.exists() and not erased.isdisjoint(file.read_text(encoding="utf-8").split())

    def passes_on(record: Mapping[str, str]) -> bool:
        parent = artifacts.get((record["stage"], record["key"]))
        if parent is None:
            return False
        output = parent.path(record.get("part", ""))
        return names_one(output) if (output / "ids.txt").exists() else is_reached(parent)

    def is_reached(artifact: Artifact) -> bool:
        if artifact not in reached:
            inputs = chain.from_iterable(artifact.manifest["inputs"].values())
            marked = (artifact.folder / MARK).exists()
            reached[artifact] = marked or names_one(artifact.payload) or any(map(passes_on, inputs))
        return reached[artifact]

    return [artifact for artifact in artifacts.values() if is_reached(artifact)]


def delete(store: Store, found: Sequence[Artifact]) -> None:
    """Delete payloads, states kept beside them, all unfinished work and every report.

    A deletion that was cut off is found and ended again. Of an artifact there remains its manifest, as `erased.json`.
    """
    for artifact in found:
        manifest = {**artifact.manifest, "erased": True}
        write_atomically(artifact.folder / MARK, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    held = [folder for artifact in found for folder in (artifact.payload, artifact.folder / KEPT)]
    for folder in (store.root / "work", store.root / "reports", *held):
        if folder.exists():
            shutil.rmtree(folder)
    (store.root / "work").mkdir()
    for artifact in found:
        (artifact.folder / "manifest.json").unlink()
